import { Badge } from "@signalbox/ui/badge";
import { Empty } from "@signalbox/ui/placeholder";
import { Table, type Column } from "@signalbox/ui/table";
import { SearchInput } from "@signalbox/ui/search-input";
import { money } from "@signalbox/ui/format";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { modelsQuery } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { modelName, type Model } from "../sessions/start/model-field.tsx";
import { AddConnection, Connections } from "./models/connections.tsx";
import { DefaultModel } from "./models/default-model.tsx";
import { useMayConnect } from "./models/model-queries.ts";

/** From how many models on they are searched rather than looked through. */
const MANY = 12;

export function ModelsPage() {
  const mayConnect = useMayConnect();
  return (
    <Page
      title="Models"
      lead="What a session may use, through whom, and at what price."
      actions={mayConnect ? <AddConnection /> : undefined}
    >
      <div className="space-y-6">
        <Connections />
        <div className="rounded-lg border border-line bg-panel px-5 py-4">
          <DefaultModel />
        </div>
        <ModelTable />
      </div>
    </Page>
  );
}

const price = (micro: number | null): string => (micro === null ? "not known" : money(micro));

const COLUMNS: readonly Column<Model>[] = [
  {
    key: "name",
    header: "Model",
    isName: true,
    cell: (model) => (
      <span className="inline-flex flex-wrap items-center gap-2">
        {modelName(model)}
        {model.is_default && <Badge>default</Badge>}
      </span>
    ),
  },
  { key: "through", header: "Through", cell: ({ upstream }) => upstream },
  { key: "in", header: "In, per million", align: "end", cell: (model) => price(model.input_micro_usd_per_million) },
  { key: "out", header: "Out, per million", align: "end", cell: (model) => price(model.output_micro_usd_per_million) },
];

function ModelTable() {
  const models = useQuery(modelsQuery);
  const [query, setQuery] = useState("");
  const all = models.data?.items;
  const needle = query.trim().toLowerCase();
  const rows = all?.filter(({ id, name, upstream }) => `${id} ${name} ${upstream}`.toLowerCase().includes(needle));
  return (
    <section aria-label="All models" className="space-y-3">
      <div className="flex flex-wrap items-center gap-3">
        <h2 className="flex-1 font-semibold">All models</h2>
        {(all?.length ?? 0) > MANY && <SearchInput label="Search models" value={query} onChange={setQuery} className="w-60" />}
      </div>
      {models.data?.problems.map((problem) => (
        <p key={problem.upstream} className="rounded-md border border-danger-line bg-danger-wash px-3.5 py-2 text-sm text-danger-ink">
          <span className="font-medium">{problem.upstream}</span>: {problem.message}
        </p>
      ))}
      <Table<Model>
        caption="Models that a session may use, with prices per million tokens"
        rows={rows}
        error={models.error}
        onRetry={() => void models.refetch()}
        rowKey={({ id }) => id}
        empty={
          <Empty title={needle === "" ? "No model yet" : `No model matches “${query}”`}>
            {needle === "" ? "Connect one above." : "Names and connections are searched."}
          </Empty>
        }
        columns={COLUMNS}
      />
    </section>
  );
}
