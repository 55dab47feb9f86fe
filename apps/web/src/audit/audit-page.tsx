import { Page } from "../frame/page.tsx";
import { Skeleton } from "@signalbox/ui/placeholder";

export function AuditPage() {
  return (
    <Page title="Audit">
      <Skeleton rows={4} className="h-16" />
    </Page>
  );
}
