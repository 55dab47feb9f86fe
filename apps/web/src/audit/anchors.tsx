/* Where checkpoints are left outside the log: how far each place is, and whether what lies there still agrees with the log. */
import { checkAnchors, listAnchors, type AnchorFinding, type AnchorName, type AnchorView } from "@signalbox/contract/anchors";
import { Status } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { count } from "@signalbox/ui/format";
import { List } from "@signalbox/ui/list-row";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Anchor, ShieldCheck } from "lucide-react";
import { client } from "../data/api.ts";
import { meQuery } from "../data/queries.ts";

const anchorsQuery = {
  queryKey: ["audit", "anchors"],
  queryFn: ({ signal }: { signal: AbortSignal }) => client.call(listAnchors, { signal }),
  refetchInterval: 15_000,
};

const WORD: Readonly<Record<AnchorName, string>> = {
  file: "A directory",
  blob: "The store of contents",
  git: "A git branch",
  webhook: "A webhook",
};
const WRONG: Readonly<Record<AnchorFinding["kind"], string>> = {
  missing: "it is not there any more",
  forged: "what lies there is not signed by a key of this log",
  unreachable: "it could not be fetched",
  log_lost: "the log has no such checkpoint any more",
  log_replaced: "the log has another one in its place",
  log_changed: "the log's events are not those that were signed over",
};

export function Anchors() {
  const { data: me } = useQuery(meQuery);
  const mayLook = me?.role === "admin" || me?.role === "owner";
  const { data, error, refetch } = useQuery({ ...anchorsQuery, enabled: mayLook });
  const check = useMutation({ mutationFn: () => client.call(checkAnchors, { body: {} }) });
  if (me !== undefined && !mayLook) return <p className="text-ink-2">Your role may not look at anchors. Ask an admin or an owner.</p>;
  if (error !== null && data === undefined) return <Trouble error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeleton rows={2} className="h-16" />;
  if (data.items.length === 0)
    return (
      <div className="rounded-lg border border-line bg-panel">
        <Empty icon={<Anchor size={28} />} title="Checkpoints stay here only">
          An anchor leaves each one somewhere else as well, a directory, a bucket, a git branch or a webhook, so that nobody who holds this
          machine can rewrite the past. docs/operate.md says how to set one.
        </Empty>
      </div>
    );
  return (
    <div className="space-y-4">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="max-w-xl text-sm text-ink-2">
          Each checkpoint is also left here, once. Comparing fetches the newest of them and asks whether the log still is what was signed.
        </p>
        <Button busy={check.isPending} onClick={() => check.mutate()}>
          <ShieldCheck size={16} aria-hidden /> Compare now
        </Button>
      </div>
      {check.error !== null && <Trouble error={check.error} />}
      <List label="Anchors">
        {data.items.map((anchor) => (
          <Row key={anchor.anchor} anchor={anchor} checked={check.data?.anchors.find((each) => each.anchor === anchor.anchor)} />
        ))}
      </List>
    </div>
  );
}

interface Checked {
  readonly readable: boolean;
  readonly checked: number;
  readonly findings: readonly AnchorFinding[];
}

function Row({ anchor, checked }: { anchor: AnchorView; checked: Checked | undefined }) {
  const { state, behind } = anchor;
  const [lamp, word] =
    state === "current"
      ? (["clear", "Up to date"] as const)
      : state === "behind"
        ? (["moving", `${count(behind, "checkpoint")} behind`] as const)
        : (["danger", `Fails, ${count(anchor.failures, "time")} in a row`] as const);
  return (
    <li className="space-y-1 px-5 py-4 narrow:px-4">
      <p className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="font-semibold">{WORD[anchor.anchor]}</span>
        <Status state={lamp}>{word}</Status>
        <span className="ml-auto text-sm text-ink-3 narrow:ml-0">
          {anchor.position === null || anchor.anchored_at === null ? (
            "nothing left there yet"
          ) : (
            <>
              up to event <span className="tabular-nums">{anchor.position.toLocaleString()}</span>, <Timestamp at={anchor.anchored_at} />
            </>
          )}
        </span>
      </p>
      <p className="clamp-1 font-mono text-sm text-ink-2" title={anchor.where}>
        {anchor.where}
      </p>
      {anchor.last_error !== null && (
        <p className="text-sm [overflow-wrap:anywhere] text-danger-ink">
          {anchor.last_error}
          {anchor.next_attempt_at !== null && (
            <span className="text-ink-2">
              {" "}
              Next try <Timestamp at={anchor.next_attempt_at} />.
            </span>
          )}
        </p>
      )}
      <div role="status">
        {checked !== undefined && checked.findings.length === 0 && (
          <p className={`text-sm ${checked.readable ? "text-clear-ink" : "text-ink-2"}`}>
            {checked.readable
              ? `${count(checked.checked, "checkpoint")} fetched and compared: the log is what was signed.`
              : "It cannot be asked what it has."}
          </p>
        )}
        {checked?.findings.map(({ position, kind, message }) => (
          <p key={`${position}-${kind}`} className="text-sm text-danger-ink">
            Event {position.toLocaleString()}: {WRONG[kind]}. <span className="text-ink-2">{message}</span>
          </p>
        ))}
      </div>
    </li>
  );
}
