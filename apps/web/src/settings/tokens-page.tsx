import { Page } from "../frame/page.tsx";
import { Capabilities } from "./capabilities.tsx";
import { Tokens } from "./tokens.tsx";

export function TokensPage() {
  return (
    <Page title="Tokens" lead="For the command line, engines and scripts. A secret is shown once, when it is made.">
      <div className="space-y-10">
        <Tokens />
        <Capabilities />
      </div>
    </Page>
  );
}
