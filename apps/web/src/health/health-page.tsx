import { Page } from "../frame/page.tsx";
import { Panel } from "../settings/settings-page.tsx";
import { Health } from "../settings/health.tsx";

export function HealthPage() {
  return (
    <Page title="Health" lead="Green only when every part is.">
      <Panel title="Parts of the server">
        <Health />
      </Panel>
    </Page>
  );
}
