/* The keys that have signed, and how each followed the one before: the server's word, and what this browser makes of it. */
import { rotateAuditKey } from "@signalbox/contract/log";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { CodeBlock } from "@signalbox/ui/code-block";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Disclosure } from "@signalbox/ui/disclosure";
import { Field, Textarea } from "@signalbox/ui/field";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Download, KeyRound, RefreshCw, ShieldCheck, ShieldX } from "lucide-react";
import { useState } from "react";
import { client, queries } from "../data/api.ts";
import { meQuery } from "../data/queries.ts";
import { download } from "../session/download.ts";
import { followedQuery, keysQuery, type Key } from "./audit-queries.ts";

const HOW = { first: "the first key", rotated: "handed over by the key before", replaced: "put in the place of a lost key" } as const;

export function Keys() {
  const { data: me } = useQuery(meQuery);
  const { data, error, refetch } = useQuery(keysQuery);
  const keys = data?.keys ?? [];
  const { data: followed } = useQuery({ ...followedQuery(keys), enabled: keys.length > 0 });
  const [isRotating, setRotating] = useState(false);
  const mayRotate = me?.role === "admin" || me?.role === "owner";
  if (error !== null && data === undefined) return <Trouble error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeleton rows={2} className="h-20" />;
  return (
    <div className="space-y-4">
      <div className="flex flex-wrap items-start justify-between gap-3">
        <p className="max-w-xl text-sm text-ink-2">
          Whoever keeps the first key can check everything that was signed since: each key signs that the next one follows it. Keep a copy
          on another machine.
        </p>
        <span className="flex flex-wrap gap-2">
          {keys.length > 0 && (
            <Button onClick={() => download("signalbox-keys.txt", `${keys.map(({ public_key: key }) => key).join("\n")}\n`)}>
              <Download size={16} aria-hidden /> Download the keys
            </Button>
          )}
          {mayRotate && keys.length > 0 && (
            <Button onClick={() => setRotating(true)}>
              <RefreshCw size={16} aria-hidden /> Rotate…
            </Button>
          )}
        </span>
      </div>
      {keys.length === 0 ? (
        <div className="rounded-lg border border-line bg-panel">
          <Empty icon={<KeyRound size={28} />} title="No key yet">
            It is made when the first checkpoint is signed.
          </Empty>
        </div>
      ) : (
        <ol aria-label="Signing keys" className="soft-shadow divide-y divide-line overflow-clip rounded-lg border border-line bg-panel">
          {keys.toReversed().map((key) => (
            <KeyRow key={key.key_id} of={key} isReached={followed?.reached.includes(key.key_id)} />
          ))}
        </ol>
      )}
      {followed !== undefined && followed.problems.length > 0 && (
        <Trouble error={new Error(`A statement does not hold: ${followed.problems.join("; ")}.`)} />
      )}
      {isRotating && <Rotate onClose={() => setRotating(false)} />}
    </div>
  );
}

function KeyRow({ of: key, isReached }: { of: Key; isReached: boolean | undefined }) {
  return (
    <li className="space-y-1.5 px-5 py-4 narrow:px-4">
      <p className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <span className="font-mono font-semibold">{key.key_id}</span>
        <Badge tone={key.status === "current" ? "clear" : "plain"}>{key.status === "current" ? "signs now" : "retired"}</Badge>
        <span className={`text-sm ${key.introduced === "replaced" ? "text-danger-ink" : "text-ink-2"}`}>{HOW[key.introduced]}</span>
        <span className="ml-auto text-sm text-ink-3 narrow:ml-0">
          {key.valid_from !== null && (
            <>
              made <Timestamp at={key.valid_from} />
            </>
          )}
          {key.valid_until !== null && (
            <>
              , until <Timestamp at={key.valid_until} />
            </>
          )}
        </span>
      </p>
      <p className="flex min-w-0 items-center gap-1 text-sm text-ink-2">
        <span className="clamp-1 font-mono" title={key.public_key}>
          {key.public_key}
        </span>
        <CopyButton text={key.public_key} label={`Copy the public key ${key.key_id}`} />
      </p>
      {isReached === true && key.introduced !== "first" && (
        <p className="flex items-center gap-1.5 text-sm text-clear-ink">
          <ShieldCheck size={14} aria-hidden /> This browser followed the signatures from the first key to this one.
        </p>
      )}
      {isReached === false && (
        <p className="flex items-center gap-1.5 text-sm text-danger-ink">
          <ShieldX size={14} aria-hidden /> No signature leads from the first key to this one: believe it only if you know it from
          elsewhere.
        </p>
      )}
      {key.statement !== null && (
        <Disclosure summary={<span className="text-sm text-ink-2">The statement that hands over to it</span>}>
          <CodeBlock code={key.statement} title="Signed note of both keys (C2SP)" />
        </Disclosure>
      )}
    </li>
  );
}

function Rotate({ onClose }: { onClose(): void }) {
  const [reason, setReason] = useState("");
  const rotate = useMutation({
    mutationFn: () => client.call(rotateAuditKey, { body: reason.trim() === "" ? {} : { reason: reason.trim() } }),
    onSuccess: (key) => {
      toast(`Key ${key.key_id} signs from now on`);
      void queries.invalidateQueries({ queryKey: ["audit"] });
      onClose();
    },
  });
  return (
    <ConfirmDialog
      title="Let a new key sign from now on?"
      description="The present key signs that the new one follows it, and is not used again. Whoever knows an older key goes on verifying."
      confirm="Rotate the key"
      busy={rotate.isPending}
      error={rotate.error}
      onConfirm={() => rotate.mutate()}
      onClose={onClose}
    >
      <Field label="Why" hint="Stands in the log with your name. May be empty.">
        {(field) => <Textarea {...field} rows={2} maxLength={500} value={reason} onChange={(event) => setReason(event.target.value)} />}
      </Field>
    </ConfirmDialog>
  );
}
