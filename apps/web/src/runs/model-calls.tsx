import type { ModelCallView } from "@signalbox/contract/evidence";
import { Badge } from "@signalbox/ui/badge";
import { duration, money } from "@signalbox/ui/format";
import { Empty } from "@signalbox/ui/placeholder";
import { Table, type Column } from "@signalbox/ui/table";
import { Timestamp } from "@signalbox/ui/timestamp";
import { BrainCircuit } from "lucide-react";

const COLUMNS: readonly Column<ModelCallView>[] = [
  { key: "model", header: "Model", isName: true, cell: (call) => <span className="font-mono text-sm">{call.model}</span> },
  { key: "when", header: "When", cell: (call) => <Timestamp at={call.started_at} className="text-sm text-ink-2" /> },
  {
    key: "outcome",
    header: "Outcome",
    cell: (call) =>
      call.outcome === "completed" ? <span className="text-sm text-ink-2">completed</span> : <Badge tone="danger">{call.outcome}</Badge>,
  },
  {
    key: "in",
    header: "Tokens in",
    align: "end",
    cell: (call) => <span className="tabular-nums">{call.input_tokens.toLocaleString()}</span>,
  },
  {
    key: "out",
    header: "Tokens out",
    align: "end",
    cell: (call) => <span className="tabular-nums">{call.output_tokens.toLocaleString()}</span>,
  },
  { key: "took", header: "Took", align: "end", cell: (call) => <span className="tabular-nums">{duration(call.duration_ms)}</span> },
  { key: "cost", header: "Cost", align: "end", cell: (call) => <span className="tabular-nums">{money(call.cost_micro_usd)}</span> },
];

/** Settled calls, as the ledger has them. */
export function ModelCalls({ calls }: { calls: readonly ModelCallView[] }) {
  return (
    <Table
      caption="Calls of models"
      columns={COLUMNS}
      rows={calls}
      rowKey={(call) => call.id}
      empty={
        <Empty icon={<BrainCircuit size={32} />} title="No model was called">
          What each call cost stands here once it is settled.
        </Empty>
      }
    />
  );
}
