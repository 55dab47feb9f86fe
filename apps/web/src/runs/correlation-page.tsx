import { Page } from "../frame/page.tsx";
import { Skeleton } from "@signalbox/ui/placeholder";

export function CorrelationPage() {
  return (
    <Page title="Correlation">
      <Skeleton rows={4} className="h-16" />
    </Page>
  );
}
