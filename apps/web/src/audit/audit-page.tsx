/* The log as evidence: how it stands, is it whole, who signed it, what one event can prove, and what was archived, erased or came from elsewhere. */
import { Tabs } from "@signalbox/ui/tabs";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { Page } from "../frame/page.tsx";
import { Anchors } from "./anchors.tsx";
import { Archives } from "./archives.tsx";
import { keysQuery } from "./audit-queries.ts";
import { ChainStatus } from "./chain-status.tsx";
import { Checkpoints } from "./checkpoints.tsx";
import { Imports } from "./imports.tsx";
import { Keys } from "./keys.tsx";
import { ProveEvent } from "./prove-event.tsx";
import { Redactions } from "./redactions.tsx";
import { VerifyHere } from "./verify-here.tsx";

const route = getRouteApi("/frame/audit");
const TABS = ["verify", "proof", "checkpoints", "keys", "anchors", "archives", "redactions", "imports"] as const;

export function AuditPage() {
  const { tab } = route.useSearch();
  const navigate = useNavigate();
  const { data: keys } = useQuery(keysQuery);
  const [pinned, setPinned] = useState("");
  const shown = TABS.find((name) => name === tab) ?? "verify";
  const brought = pinned
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const believed = brought.length > 0 ? brought : (keys?.keys.map(({ public_key: key }) => key) ?? []);
  return (
    <Page
      title="Audit"
      lead="Every change of state is one event in a chain of hashes. Nobody has to believe the server: this browser can check."
    >
      <ChainStatus />
      <Tabs
        label="Audit"
        value={shown}
        onChange={(name) => void navigate({ to: "/audit", search: name === "verify" ? {} : { tab: name }, replace: true })}
        tabs={[
          { name: "verify", label: "Verify", content: <VerifyHere believed={believed} pinned={pinned} onPin={setPinned} /> },
          { name: "proof", label: "Prove an event", content: <ProveEvent believed={believed} isBrought={brought.length > 0} /> },
          { name: "checkpoints", label: "Checkpoints", content: <Checkpoints /> },
          { name: "keys", label: "Keys", content: <Keys /> },
          { name: "anchors", label: "Anchors", content: <Anchors /> },
          { name: "archives", label: "Archives", content: <Archives /> },
          { name: "redactions", label: "Redactions", content: <Redactions /> },
          { name: "imports", label: "Imports", content: <Imports /> },
        ]}
      />
    </Page>
  );
}
