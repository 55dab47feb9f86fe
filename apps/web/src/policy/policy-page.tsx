/* The rules of the box: what is in force, what it would say to a call, and why it said what it said. */
import { Tabs } from "@signalbox/ui/tabs";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Page } from "../frame/page.tsx";
import { Evaluate } from "./evaluate.tsx";
import { PoliciesInForce } from "./policies-in-force.tsx";
import { RecentDecisions } from "./recent-decisions.tsx";

const route = getRouteApi("/frame/policy");
const TABS = ["policies", "evaluate", "decisions"] as const;
type TabName = (typeof TABS)[number];

export function PolicyPage() {
  const { tab } = route.useSearch();
  const navigate = useNavigate();
  const shown = TABS.find((name) => name === tab) ?? "policies";
  const show = (name: TabName): void =>
    void navigate({ to: "/policy", search: (previous) => ({ ...previous, tab: name === "policies" ? undefined : name }), replace: true });
  return (
    <Page title="Policy" lead="Every effect outside a sandbox passes one gate. These are its rules, and what it decided.">
      <Tabs
        label="Policy"
        value={shown}
        onChange={show}
        tabs={[
          { name: "policies", label: "In force", content: <PoliciesInForce /> },
          { name: "evaluate", label: "Try a call", content: <Evaluate /> },
          { name: "decisions", label: "Decisions", content: <RecentDecisions /> },
        ]}
      />
    </Page>
  );
}
