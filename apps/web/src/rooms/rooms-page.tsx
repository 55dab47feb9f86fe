import { Page } from "../frame/page.tsx";
import { Skeleton } from "@signalbox/ui/placeholder";

export function RoomsPage() {
  return (
    <Page title="Rooms">
      <Skeleton rows={4} className="h-16" />
    </Page>
  );
}
