/* Checks the log in this browser: the server's own export, or a file, against keys that one may bring along. */
import { exportLog, getAuditKeys } from "@signalbox/contract/log";
import { Button, buttonLook } from "@signalbox/ui/button";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Field, Textarea } from "@signalbox/ui/field";
import { bytes, count } from "@signalbox/ui/format";
import { Progress } from "@signalbox/ui/progress";
import { Trouble } from "@signalbox/ui/trouble";
import { useQuery } from "@tanstack/react-query";
import { Download, FileCheck2, ShieldCheck, ShieldX } from "lucide-react";
import { useRef, useState } from "react";
import { client } from "../data/api.ts";
import { useVerifier, type Verification } from "./use-verifier.ts";

const keysQuery = {
  queryKey: ["audit", "keys"],
  queryFn: ({ signal }: { signal: AbortSignal }) => client.call(getAuditKeys, { signal }),
  staleTime: 60_000,
};

export function VerifyHere() {
  const { data: keys, error } = useQuery(keysQuery);
  const [pinned, setPinned] = useState("");
  const verifier = useVerifier();
  const input = useRef<HTMLInputElement>(null);
  const [isOver, setOver] = useState(false);

  const brought = pinned
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const believed = brought.length > 0 ? brought : (keys?.keys.map(({ public_key }) => public_key) ?? []);
  const isRunning = "phase" in verifier.state && verifier.state.phase === "running";
  const check = (file: File | undefined): void => {
    if (file !== undefined) verifier.start({ source: { file }, keys: believed });
  };

  return (
    <div className="space-y-6">
      {error !== null && <Trouble error={error} />}
      <section
        aria-label="Verify"
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          check(event.dataTransfer.files[0]);
        }}
        className={`rounded-lg border bg-panel px-5 py-5 ${isOver ? "border-moving outline-2 outline-moving" : "border-line"}`}
      >
        <div className="flex flex-wrap items-center gap-3">
          <Button
            look="solid"
            size="lg"
            busy={isRunning}
            disabled={believed.length === 0}
            onClick={() => verifier.start({ source: { url: exportLog.path }, keys: believed })}
          >
            <ShieldCheck size={18} aria-hidden /> Verify the whole log here
          </Button>
          <Button size="lg" disabled={isRunning || believed.length === 0} onClick={() => input.current?.click()}>
            <FileCheck2 size={18} aria-hidden /> Verify a file…
          </Button>
          <a href={exportLog.path} download="signalbox-log.jsonl" className={buttonLook({ look: "quiet", size: "lg" })}>
            <Download size={18} aria-hidden /> Download the export
          </a>
          <input
            ref={input}
            type="file"
            accept=".jsonl,.ndjson,application/x-ndjson"
            className="sr-only"
            tabIndex={-1}
            aria-label="An exported log"
            onChange={(event) => {
              check(event.target.files?.[0]);
              event.target.value = "";
            }}
          />
        </div>
        <p className="mt-3 text-sm text-ink-2">
          Every hash is recomputed and every signature checked by this browser, in a thread of its own. A file may also be dropped here; it
          is not sent anywhere.
        </p>
        <Outcome state={verifier.state} onCancel={verifier.cancel} />
      </section>
      <section aria-label="Keys" className="space-y-3">
        <h2 className="font-semibold">Keys that are believed</h2>
        <ul className="space-y-1.5">
          {keys?.keys.map((key) => (
            <li key={key.key_id} className="flex min-w-0 items-center gap-2 rounded-md border border-line bg-panel py-1 pr-1 pl-3 text-sm">
              <span className="clamp-1 flex-1 font-mono">{key.public_key}</span>
              <CopyButton text={key.public_key} label="Copy the public key" />
            </li>
          ))}
        </ul>
        <Field
          label="Or a key that you kept yourself"
          hint="One a line. Whoever rewrote the log could also have changed the server's key: a key from elsewhere (a note, another machine) rules that out."
        >
          {(field) => (
            <Textarea
              {...field}
              rows={2}
              spellCheck={false}
              placeholder="signalbox/ws_dev+1a2b3c4d+Af…"
              className="font-mono !text-sm"
              value={pinned}
              onChange={(event) => setPinned(event.target.value)}
            />
          )}
        </Field>
      </section>
    </div>
  );
}

function Outcome({ state, onCancel }: { state: Verification; onCancel(): void }) {
  if ("phase" in state) {
    if (state.phase === "idle") return null;
    return (
      <div className="mt-5 space-y-2">
        <Progress label="Verifying" value={state.total === null ? null : state.bytes} max={Math.max(1, state.total ?? 1)} />
        <p className="flex items-center justify-between gap-3 text-sm text-ink-2">
          <span className="tabular-nums">
            {count(state.lines, "line")}, {bytes(state.bytes)}
          </span>
          <Button size="sm" onClick={onCancel}>
            Cancel
          </Button>
        </p>
      </div>
    );
  }
  if (state.kind === "failed") return <Trouble error={new Error(state.message)} className="mt-5" />;
  const { report } = state;
  const mismatch = report.first_mismatch;
  const perSecond = Math.round((report.events / Math.max(state.ms, 1)) * 1000);
  return (
    <div
      role="status"
      className={`mt-5 rounded-md border px-4 py-3.5 ${report.valid ? "border-clear bg-clear-wash" : "border-danger-line bg-danger-wash"}`}
    >
      <p className={`flex items-center gap-2.5 text-lg font-semibold ${report.valid ? "text-clear-ink" : "text-danger-ink"}`}>
        {report.valid ? <ShieldCheck size={22} aria-hidden /> : <ShieldX size={22} aria-hidden />}
        {report.valid ? "The log is whole" : "The log does not hold"}
      </p>
      {report.valid ? (
        <p className="mt-1">
          {count(report.events, "event")} in {count(report.streams, "chain")}, {count(report.checkpoints, "checkpoint")} signed by{" "}
          <span className="font-mono">{report.signed_by.join(", ")}</span>.{" "}
          {report.uncovered > 0 &&
            `The newest ${count(report.uncovered, "event")} came after the last checkpoint, so no signature covers them yet. `}
          {report.erased > 0 && `${count(report.erased, "payload")} erased, each with its record. `}
        </p>
      ) : (
        <ul className="mt-2 list-disc space-y-1 pl-5">
          {mismatch !== null && (
            <li>
              <span className="font-mono">seq {mismatch.seq}</span>
              {mismatch.event_type !== null && <span className="font-mono"> {mismatch.event_type}</span>}:{" "}
              {mismatch.kind.replaceAll("_", " ")}
            </li>
          )}
          {report.problems.map((problem) => (
            <li key={problem}>{problem}</li>
          ))}
        </ul>
      )}
      <p className="mt-2 text-sm text-ink-2 tabular-nums">
        {bytes(state.bytes)} in {(state.ms / 1000).toFixed(1)} s, {perSecond.toLocaleString()} events a second, in this browser.
      </p>
    </div>
  );
}
