import { Page } from "../frame/page.tsx";
import { Skeleton } from "@signalbox/ui/placeholder";

export function RunPage() {
  return (
    <Page title="Run">
      <Skeleton rows={4} className="h-16" />
    </Page>
  );
}
