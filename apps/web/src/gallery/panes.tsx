import { SplitPane } from "@signalbox/ui/split-pane";
import { Tabs } from "@signalbox/ui/tabs";
import { useState } from "react";
import { Specimen, Specimens } from "./specimen.tsx";

export function Panes() {
  const [tab, setTab] = useState("changes");
  return (
    <Specimens>
      <Specimen name="Tabs">
        <Tabs
          label="Parts of the session"
          value={tab}
          onChange={setTab}
          tabs={[
            { name: "changes", label: "Changes", badge: 12, content: <p>Twelve files changed.</p> },
            { name: "approvals", label: "Approvals", badge: 1, wants: true, content: <p>One waits.</p> },
            { name: "events", label: "Events", content: <p>Everything, in order.</p> },
          ]}
        />
      </Specimen>
      <Specimen name="Split pane">
        <SplitPane
          label="Conversation and changes"
          className="h-44 overflow-clip rounded-lg border border-line bg-panel"
          first={<p className="p-4">Drag the line, or focus it and use the arrows.</p>}
          second={<p className="p-4 text-ink-2">Enter puts it back.</p>}
        />
      </Specimen>
    </Specimens>
  );
}
