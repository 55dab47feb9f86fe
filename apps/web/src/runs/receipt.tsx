/* The signed statement of what a run did: read here, checked here, taken along. */
import { ReceiptEnvelope, ReceiptPredicate } from "@signalbox/contract/evidence";
import { getAuditKeys } from "@signalbox/contract/log";
import type { RunId } from "@signalbox/contract/primitives";
import { Button } from "@signalbox/ui/button";
import { FileChooser } from "@signalbox/ui/file-chooser";
import { CopyButton } from "@signalbox/ui/copy-button";
import { bytes, count, money } from "@signalbox/ui/format";
import { JsonView } from "@signalbox/ui/json-view";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { parseKey } from "@signalbox/verify/note";
import { verifyReceipt } from "@signalbox/verify/receipt";
import { webPrimitives } from "@signalbox/verify/web";
import { useQuery } from "@tanstack/react-query";
import { Check, CircleAlert, Download, FileCheck2, ReceiptText, ShieldCheck, ShieldX } from "lucide-react";
import { useRef, useState, type ReactNode } from "react";
import { client } from "../data/api.ts";
import { receiptQuery } from "./run-queries.ts";

export function Receipt({ runId, isAvailable }: { runId: RunId; isAvailable: boolean }) {
  const { data: envelope, error, refetch } = useQuery({ ...receiptQuery(runId), enabled: isAvailable });
  if (!isAvailable)
    return (
      <Empty icon={<ReceiptText size={32} />} title="No receipt yet">
        When the run has ended, a signed statement of what it did can be had here.
      </Empty>
    );
  if (error !== null && envelope === undefined) return <Trouble error={error} onRetry={() => void refetch()} />;
  if (envelope === undefined) return <Skeleton rows={4} className="h-12" />;
  const statement = decoded(envelope);
  const predicate = ReceiptPredicate.safeParse((statement as { predicate?: unknown } | null)?.predicate);
  const text = JSON.stringify(envelope, null, 2);
  return (
    <div className="max-w-3xl space-y-4">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <Signature envelope={envelope} />
        <span className="flex items-center gap-1">
          <CopyButton text={text} label="Copy the receipt" />
          <Button onClick={() => save(`${runId}.receipt.json`, text)}>
            <Download size={16} aria-hidden /> Download
          </Button>
        </span>
      </div>
      <CheckAFile envelope={envelope} />
      {predicate.success && <Read predicate={predicate.data} />}
      <JsonView label="The statement as it was signed" value={statement} defaultDepth={1} />
    </div>
  );
}

function decoded(envelope: ReceiptEnvelope): unknown {
  const raw = Uint8Array.from(atob(envelope.payload), (char) => char.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(raw)) as unknown;
}

function save(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  URL.revokeObjectURL(url);
}

/** One that was taken along, or that somebody sent: the file is not sent anywhere. */
function CheckAFile({ envelope: own }: { envelope: ReceiptEnvelope }) {
  const input = useRef<HTMLInputElement>(null);
  const [file, setFile] = useState<{ readonly name: string; readonly envelope: ReceiptEnvelope | null } | null>(null);
  const read = async (chosen: File | undefined): Promise<void> => {
    if (chosen === undefined) return;
    const parsed = ReceiptEnvelope.safeParse(
      await chosen
        .text()
        .then((text) => JSON.parse(text) as unknown)
        .catch(() => null),
    ); // Not JSON: said below.
    setFile({ name: chosen.name, envelope: parsed.success ? parsed.data : null });
  };
  return (
    <div className="flex flex-wrap items-center gap-x-4 gap-y-2 rounded-md border border-line bg-panel px-4 py-2.5 text-sm">
      <Button size="sm" onClick={() => input.current?.click()}>
        <FileCheck2 size={14} aria-hidden /> Check a receipt file…
      </Button>
      <FileChooser ref={input} accept=".json,application/json" label="A receipt" onFile={(file) => void read(file)} />
      <div role="status" className="min-w-0 flex-1 basis-60">
        {file === null ? (
          <span className="text-ink-3">A copy that you kept is checked here, and compared with this one.</span>
        ) : file.envelope === null ? (
          <span className="text-danger-ink">{file.name} is no receipt.</span>
        ) : (
          <>
            <span className="text-ink-3">{file.name}: </span>
            <Signature envelope={file.envelope} />
            {file.envelope.payload !== own.payload && (
              <span className="text-ink-2">Its statement is not this run's as it stands here.</span>
            )}
          </>
        )}
      </div>
    </div>
  );
}

/** Checked by this browser against the keys of the server. */
function Signature({ envelope }: { envelope: ReceiptEnvelope }) {
  const { data, error } = useQuery({
    queryKey: ["receipt", "check", envelope],
    queryFn: async ({ signal }) => {
      const { keys } = await client.call(getAuditKeys, { signal });
      return verifyReceipt(webPrimitives, envelope, await Promise.all(keys.map(({ public_key }) => parseKey(webPrimitives, public_key))));
    },
    staleTime: Infinity,
  });
  if (error !== null) return <Trouble error={error} />;
  if (data === undefined) return <p className="text-ink-3">Checking the signature…</p>;
  return data.valid ? (
    <p className="flex items-center gap-2 font-medium text-clear-ink">
      <ShieldCheck size={18} aria-hidden /> Signed, and checked by this browser
    </p>
  ) : (
    <p role="alert" className="flex items-center gap-2 font-medium text-danger-ink">
      <ShieldX size={18} aria-hidden /> {data.problems.join(" ")}
    </p>
  );
}

const COMPLETENESS = {
  chain_verified: "the chain of its events is whole",
  began_and_ended: "its beginning and its end are in it",
  all_tool_calls_ended: "every tool call has its outcome",
  nothing_redacted: "nothing was redacted",
  all_costs_settled: "every cost is settled",
} as const;

function Read({ predicate }: { predicate: ReceiptPredicate }) {
  const { evidence, verification, artifacts, cost } = predicate;
  return (
    <dl className="divide-y divide-line overflow-clip rounded-lg border border-line bg-panel">
      <Fact name="Evidence">
        {count(evidence.events, "event")}, {evidence.first_seq} to {evidence.last_seq} of{" "}
        <span className="font-mono text-sm">{evidence.stream}</span>
        <ul className="mt-1 text-sm">
          {Object.entries(COMPLETENESS).map(([name, sentence]) => (
            <Checked key={name} holds={evidence.completeness[name as keyof typeof COMPLETENESS]}>
              {sentence}
            </Checked>
          ))}
        </ul>
      </Fact>
      <Fact name="Checks it ran">
        {verification.length === 0 ? (
          <span className="text-ink-2">none</span>
        ) : (
          <ul>
            {verification.map(({ tool_call_id, command, passed, exit_code }) => (
              <Checked key={tool_call_id} holds={passed}>
                <code>{command}</code>
                {exit_code !== null && <span className="ml-2 text-sm text-ink-3">exit {exit_code}</span>}
              </Checked>
            ))}
          </ul>
        )}
      </Fact>
      <Fact name="Artifacts">
        {artifacts.length === 0 ? (
          <span className="text-ink-2">none</span>
        ) : (
          artifacts.map(({ id, name, size_bytes, sha256 }) => (
            <span key={id} className="block">
              {name}, {bytes(size_bytes)} <span className="font-mono text-plate text-ink-3">{sha256?.slice(0, 23)}…</span>
            </span>
          ))
        )}
      </Fact>
      <Fact name="Cost">
        {money(cost.micro_usd)} for {count(cost.model_calls, "model call")}
      </Fact>
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="grid gap-x-6 gap-y-1 px-4 py-3 sm:grid-cols-[8rem_1fr]">
      <dt className="plate pt-1">{name}</dt>
      <dd className="min-w-0">{children}</dd>
    </div>
  );
}

function Checked({ holds, children }: { holds: boolean; children: ReactNode }) {
  return (
    <li className="flex items-start gap-2">
      {holds ? (
        <Check size={16} className="mt-1 shrink-0 text-clear-ink" aria-label="holds:" />
      ) : (
        <CircleAlert size={16} className="mt-1 shrink-0 text-danger-ink" aria-label="does not hold:" />
      )}
      <span className="min-w-0">{children}</span>
    </li>
  );
}
