import { Page } from "../frame/page.tsx";
import { Skeleton } from "@signalbox/ui/placeholder";

export function RunsPage() {
  return (
    <Page title="Runs">
      <Skeleton rows={4} className="h-16" />
    </Page>
  );
}
