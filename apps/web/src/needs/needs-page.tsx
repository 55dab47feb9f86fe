/* Home. */
import { InboxPage } from "../approvals/inbox-page.tsx";

export const NeedsPage = InboxPage;
