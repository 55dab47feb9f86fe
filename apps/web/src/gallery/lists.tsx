import { Badge, Status } from "@signalbox/ui/badge";
import { Accordion, Disclosure } from "@signalbox/ui/disclosure";
import { List, RowContent, rowLook } from "@signalbox/ui/list-row";
import { LoadMore } from "@signalbox/ui/load-more";
import { Money } from "@signalbox/ui/money";
import { Empty } from "@signalbox/ui/placeholder";
import { Table, type Column, type Sort } from "@signalbox/ui/table";
import { Timestamp } from "@signalbox/ui/timestamp";
import { useState } from "react";
import { HOSTILE, LONG, Specimen, Specimens } from "./specimen.tsx";

interface Run {
  readonly id: string;
  readonly title: string;
  readonly cost: number;
  readonly at: string;
  readonly failed: boolean;
}
const RUNS: readonly Run[] = [
  { id: "run_1", title: "Fix the rounding of totals", cost: 42_000, at: "2026-01-02T10:00:00Z", failed: false },
  { id: "run_2", title: LONG, cost: 1_942_000, at: "2026-01-02T09:00:00Z", failed: true },
  { id: "run_3", title: HOSTILE, cost: 12, at: "2026-01-01T09:00:00Z", failed: false },
];
const COLUMNS: readonly Column<Run>[] = [
  { key: "title", header: "Run", isName: true, sortable: true, cell: ({ title }) => title },
  {
    key: "state",
    header: "State",
    cell: ({ failed }) => <Status state={failed ? "danger" : "clear"}>{failed ? "Failed" : "Completed"}</Status>,
  },
  { key: "cost", header: "Cost", align: "end", sortable: true, cell: ({ cost }) => <Money microUsd={cost} /> },
  { key: "at", header: "Began", align: "end", sortable: true, cell: ({ at }) => <Timestamp at={at} /> },
];

export function Lists() {
  const [sort, setSort] = useState<Sort>({ key: "at", direction: "descending" });
  return (
    <Specimens>
      <Specimen name="Rows" wide>
        <List label="Sessions">
          <li>
            <a href="#lists" className={rowLook({ wants: true })}>
              <RowContent
                state="wants"
                title="Push the fix"
                detail="Waiting for you · asks to push to main"
                end={<Timestamp at="2026-01-02T10:00:00Z" />}
              />
            </a>
          </li>
          <li>
            <a href="#lists" className={rowLook({ selected: true })}>
              <RowContent state="moving" title={LONG} detail="Working · npm test" meta={<Badge>ledger</Badge>} end="$0.04" />
            </a>
          </li>
          <li>
            <a href="#lists" className={rowLook()}>
              <RowContent state="clear" title={HOSTILE} detail={HOSTILE} end="$0.00" />
            </a>
          </li>
        </List>
        <LoadMore hasMore isLoading={false} onMore={() => undefined} label="Older sessions" />
      </Specimen>
      <Specimen name="Table; cards on a phone" wide>
        <Table
          caption="Runs"
          columns={COLUMNS}
          rows={RUNS}
          rowKey={({ id }) => id}
          empty={null}
          sort={sort}
          onSort={setSort}
          more={{ hasMore: true, isLoading: true, onMore: () => undefined }}
        />
      </Specimen>
      <Specimen name="Table, loading">
        <Table caption="Runs" columns={COLUMNS} rows={undefined} rowKey={({ id }) => id} empty={null} />
      </Specimen>
      <Specimen name="Table, empty">
        <Table
          caption="Runs"
          columns={COLUMNS}
          rows={[]}
          rowKey={({ id }) => id}
          empty={<Empty title="No run yet">The first task starts one.</Empty>}
        />
      </Specimen>
      <Specimen name="Table, failed">
        <Table
          caption="Runs"
          columns={COLUMNS}
          rows={undefined}
          rowKey={({ id }) => id}
          empty={null}
          error={new Error("The server does not answer.")}
          onRetry={() => undefined}
        />
      </Specimen>
      <Specimen name="Disclosure">
        <Disclosure summary="3 thoughts">First this, then that.</Disclosure>
        <Disclosure summary={LONG} defaultOpen>
          Open from the start.
        </Disclosure>
      </Specimen>
      <Specimen name="Accordion" wide>
        <Accordion
          defaultOpen={["allow"]}
          sections={[
            {
              id: "allow",
              title: "Allowed without asking",
              aside: <Badge>4 rules</Badge>,
              content: "Reading, the model, the session's own files.",
            },
            { id: "ask", title: "Asked", content: "A push, a payment, a new host." },
          ]}
        />
      </Specimen>
    </Specimens>
  );
}
