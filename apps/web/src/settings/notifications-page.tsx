import { Page } from "../frame/page.tsx";
import { Skeleton } from "@signalbox/ui/placeholder";

export function NotificationsPage() {
  return (
    <Page title="Notifications">
      <Skeleton rows={2} className="h-16" />
    </Page>
  );
}
