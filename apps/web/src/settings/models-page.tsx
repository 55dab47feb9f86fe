import { Page } from "../frame/page.tsx";
import { Models } from "./models.tsx";

export function ModelsPage() {
  return (
    <Page title="Models" lead="What a session may use, and through whom.">
      <Models />
    </Page>
  );
}
