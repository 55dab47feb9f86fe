import { Page } from "../frame/page.tsx";
import { Skeleton } from "@signalbox/ui/placeholder";

export function PolicyPage() {
  return (
    <Page title="Policy">
      <Skeleton rows={4} className="h-16" />
    </Page>
  );
}
