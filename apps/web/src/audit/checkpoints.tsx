import { createCheckpoint } from "@signalbox/contract/log";
import { Button } from "@signalbox/ui/button";
import { CodeBlock } from "@signalbox/ui/code-block";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Disclosure } from "@signalbox/ui/disclosure";
import { count } from "@signalbox/ui/format";
import { LoadMore } from "@signalbox/ui/load-more";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Download, Stamp } from "lucide-react";
import { client, queries } from "../data/api.ts";
import { meQuery } from "../data/queries.ts";
import { checkpointsQuery } from "./audit-queries.ts";
import { download } from "../session/download.ts";

/** Each is a signature over the heads of all chains: whoever keeps one can prove that no tail was cut later. */
export function Checkpoints() {
  const { data: me } = useQuery(meQuery);
  const list = useInfiniteQuery(checkpointsQuery);
  const sign = useMutation({
    mutationFn: () => client.call(createCheckpoint, { body: {} }),
    onSuccess: (checkpoint) => {
      toast(`Signed up to event ${checkpoint.position}`);
      void queries.invalidateQueries({ queryKey: ["audit"] });
    },
  });
  const maySign = me?.role === "admin" || me?.role === "owner";
  if (list.error !== null && list.data === undefined) return <Trouble error={list.error} onRetry={() => void list.refetch()} />;
  if (list.data === undefined) return <Skeleton rows={4} className="h-12" />;
  return (
    <div className="space-y-4">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="max-w-xl text-sm text-ink-2">
          A checkpoint is the server's signature over the heads of all chains. One that you keep elsewhere proves later that nothing before
          it was removed.
        </p>
        {maySign && (
          <Button busy={sign.isPending} onClick={() => sign.mutate()}>
            <Stamp size={16} aria-hidden /> Sign one now
          </Button>
        )}
      </div>
      {sign.error !== null && <Trouble error={sign.error} />}
      {list.data.length === 0 ? (
        <Empty icon={<Stamp size={32} />} title="No checkpoint yet">
          The server signs one regularly while something happens; you can also sign one now.
        </Empty>
      ) : (
        <ol className="soft-shadow divide-y divide-line overflow-clip rounded-lg border border-line bg-panel">
          {list.data.map((checkpoint) => (
            <li key={checkpoint.position} className="px-4 py-2">
              <Disclosure
                summary={
                  <span className="flex flex-wrap items-baseline gap-x-4">
                    <span className="font-semibold tabular-nums">Up to event {checkpoint.position.toLocaleString()}</span>
                    <span className="text-sm text-ink-2">{count(checkpoint.streams, "chain")}</span>
                    <span className="font-mono text-sm text-ink-3">key {checkpoint.key_id}</span>
                    <span className="ml-auto text-sm text-ink-3">
                      <Timestamp at={checkpoint.created_at} />
                    </span>
                  </span>
                }
              >
                <CodeBlock code={checkpoint.note} title="Signed note (C2SP)" className="mb-2" />
                <p className="mb-2 flex flex-wrap items-center gap-x-4 gap-y-2 text-sm">
                  <CopyButton text={checkpoint.note} label="Copy the note" />
                  <Button size="sm" onClick={() => download(`signalbox-checkpoint-${checkpoint.position}.txt`, checkpoint.note)}>
                    <Download size={14} aria-hidden /> Download the note
                  </Button>
                  <Link to="/timeline" search={{ after: checkpoint.created_at }} className="underline underline-offset-2">
                    What happened since
                  </Link>
                </p>
              </Disclosure>
            </li>
          ))}
        </ol>
      )}
      <LoadMore
        hasMore={list.hasNextPage}
        isLoading={list.isFetchingNextPage}
        onMore={() => void list.fetchNextPage()}
        label="Older ones"
      />
    </div>
  );
}
