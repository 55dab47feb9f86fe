import { Page } from "../frame/page.tsx";
import { Skeleton } from "@signalbox/ui/placeholder";

export function WelcomePage() {
  return (
    <Page title="Welcome">
      <Skeleton rows={4} className="h-16" />
    </Page>
  );
}
