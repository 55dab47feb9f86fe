import { Page } from "../frame/page.tsx";
import { NotificationSettings } from "../push/notification-settings.tsx";

export function NotificationsPage() {
  return (
    <Page title="Notifications" lead="On your own devices, when something waits for you.">
      <NotificationSettings />
    </Page>
  );
}
