import { Page } from "../frame/page.tsx";
import { Skeleton } from "@signalbox/ui/placeholder";

export function RoomPage() {
  return (
    <Page title="Room">
      <Skeleton rows={4} className="h-16" />
    </Page>
  );
}
