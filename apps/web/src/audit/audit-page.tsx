/* The log as evidence: is the chain whole, who signed it, what was erased, and what came from elsewhere. */
import { Tabs } from "@signalbox/ui/tabs";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Page } from "../frame/page.tsx";
import { Checkpoints } from "./checkpoints.tsx";
import { Imports } from "./imports.tsx";
import { Redactions } from "./redactions.tsx";
import { VerifyHere } from "./verify-here.tsx";

const route = getRouteApi("/frame/audit");
const TABS = ["verify", "checkpoints", "redactions", "imports"] as const;

export function AuditPage() {
  const { tab } = route.useSearch();
  const navigate = useNavigate();
  const shown = TABS.find((name) => name === tab) ?? "verify";
  return (
    <Page
      title="Audit"
      lead="Every change of state is one event in a chain of hashes. Nobody has to believe the server: this browser can check."
    >
      <Tabs
        label="Audit"
        value={shown}
        onChange={(name) => void navigate({ to: "/audit", search: name === "verify" ? {} : { tab: name }, replace: true })}
        tabs={[
          { name: "verify", label: "Verify", content: <VerifyHere /> },
          { name: "checkpoints", label: "Checkpoints", content: <Checkpoints /> },
          { name: "redactions", label: "Redactions", content: <Redactions /> },
          { name: "imports", label: "Imports", content: <Imports /> },
        ]}
      />
    </Page>
  );
}
