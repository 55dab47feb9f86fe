import { Page } from "../frame/page.tsx";
import { Skeleton } from "@signalbox/ui/placeholder";

export function DataPage() {
  return (
    <Page title="Data">
      <Skeleton rows={4} className="h-16" />
    </Page>
  );
}
