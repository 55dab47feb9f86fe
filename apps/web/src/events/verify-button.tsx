import { verifyStream } from "@signalbox/contract/log";
import type { Output } from "@signalbox/contract/route";
import { useMutation } from "@tanstack/react-query";
import { Link2, Link2Off, ShieldCheck } from "lucide-react";
import { client, isRefusal } from "../data/api.ts";
import { Button } from "@signalbox/ui/button";
import { count } from "@signalbox/ui/format";
import { Trouble } from "@signalbox/ui/trouble";

type VerifyReport = Output<typeof verifyStream>;

interface Verified {
  readonly streams: number;
  readonly checked: number;
  /** Of the only stream, when there is one. */
  readonly last: VerifyReport | null;
  readonly broken: VerifyReport | null;
}

/** One stream after the other, up to the first that does not hold. A stream without events yet has nothing to verify. */
async function verifyAll(streams: readonly string[]): Promise<Verified> {
  let checked = 0;
  let last: VerifyReport | null = null;
  for (const stream of streams) {
    try {
      last = await client.call(verifyStream, { query: { stream } });
    } catch (error) {
      if (isRefusal(error, "stream_not_found")) continue;
      throw error;
    }
    checked += last.checked;
    if (!last.valid) return { streams: streams.length, checked, last, broken: last };
  }
  return { streams: streams.length, checked, last: streams.length === 1 ? last : null, broken: null };
}

/** Asks the server to recompute the chains of streams (`<type>:<id>`), and says what came out. */
export function VerifyButton({ streams, compact = false }: { streams: readonly string[]; compact?: boolean }) {
  const verify = useMutation({ mutationFn: () => verifyAll(streams) });
  const result = verify.data;
  const broken = result?.broken?.first_mismatch;
  return (
    <div className={compact ? "" : "flex flex-wrap items-center gap-x-4 gap-y-2"}>
      <Button size={compact ? "sm" : "md"} busy={verify.isPending} onClick={() => verify.mutate()}>
        <ShieldCheck size={16} aria-hidden /> {verify.isPending ? "Recomputing…" : "Verify the chain"}
      </Button>
      <div role="status" className={`min-w-0 text-sm ${compact ? "not-empty:mt-2" : ""}`}>
        {result !== undefined && result.broken === null && (
          <p className="flex items-center gap-2 text-clear-ink">
            <Link2 size={16} aria-hidden className="shrink-0" />
            <span>
              Whole: {count(result.checked, "event")} recomputed{result.streams > 1 ? `, in ${count(result.streams, "chain")}` : ""}.
              {result.last?.last_hash != null && (
                <span className="ml-1.5 font-mono text-plate text-ink-3">head {result.last.last_hash.slice(0, 19)}…</span>
              )}
            </span>
          </p>
        )}
        {result !== undefined && result.broken !== null && (
          <p className="flex items-start gap-2 text-danger-ink">
            <Link2Off size={16} aria-hidden className="mt-0.5 shrink-0" />
            <span>
              Broken in {result.broken.stream} at event {broken?.seq} ({broken?.event_type ?? "missing"}): {broken?.kind}. Expected{" "}
              <span className="font-mono text-plate">{broken?.expected ?? "nothing"}</span>, found{" "}
              <span className="font-mono text-plate">{broken?.actual ?? "nothing"}</span>.
            </span>
          </p>
        )}
        {verify.error !== null && <Trouble error={verify.error} />}
      </div>
    </div>
  );
}
