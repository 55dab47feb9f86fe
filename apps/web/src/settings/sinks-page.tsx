/* Where events are published outward to: webhooks and Convex, how far each is, and what was not taken. */
import { Button } from "@signalbox/ui/button";
import { List } from "@signalbox/ui/list-row";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { Plus, Send } from "lucide-react";
import { useState } from "react";
import { meQuery } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { NewSink } from "./sinks/new-sink.tsx";
import { SinkRow } from "./sinks/sink-row.tsx";
import { sinksQuery } from "./sinks/sink-queries.ts";

export function SinksPage() {
  const { data: me } = useQuery(meQuery);
  const mayManage = me?.role === "admin" || me?.role === "owner";
  const sinks = useQuery({ ...sinksQuery, enabled: mayManage });
  const [isMaking, setMaking] = useState(false);
  const add = (
    <Button look="solid" onClick={() => setMaking(true)}>
      <Plus size={16} aria-hidden /> New sink
    </Button>
  );
  const { data, error } = sinks;
  return (
    <Page
      title="Sinks"
      lead="Events published outward, in the order of the log, at least once. Whatever a receiver holds, the log here is right."
      actions={mayManage && data !== undefined && data.items.length > 0 ? add : undefined}
    >
      {me !== undefined && !mayManage && (
        <p className="rounded-lg border border-line bg-panel px-5 py-4 text-ink-2">
          Your role may not look at sinks: they see everything that happens. Ask an admin or an owner.
        </p>
      )}
      {error !== null && <Trouble error={error} onRetry={() => void sinks.refetch()} className="mb-4" />}
      {data === undefined && error === null && mayManage && <Skeleton rows={2} className="h-20" />}
      {data !== undefined &&
        (data.items.length === 0 ? (
          <div className="rounded-lg border border-line bg-panel">
            <Empty icon={<Send size={28} />} title="Nothing is published yet" action={add}>
              A webhook gets each event as a signed CloudEvent; Convex gets them into a table of its own.
            </Empty>
          </div>
        ) : (
          <List label="Sinks">
            {data.items.map((sink) => (
              <SinkRow key={sink.id} sink={sink} />
            ))}
          </List>
        ))}
      {isMaking && <NewSink onClose={() => setMaking(false)} />}
    </Page>
  );
}
