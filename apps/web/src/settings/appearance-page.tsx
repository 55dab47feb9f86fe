import { AppearanceSettings } from "../frame/appearance-settings.tsx";
import { Page } from "../frame/page.tsx";

export function AppearancePage() {
  return (
    <Page title="Appearance" lead="Kept in this browser.">
      <AppearanceSettings />
    </Page>
  );
}
