/* Checks the log in this browser: the server's own export, or a file, against keys and a checkpoint that one may bring along. */
import { exportLog } from "@signalbox/contract/log";
import { Button, buttonLook } from "@signalbox/ui/button";
import { FileChooser } from "@signalbox/ui/file-chooser";
import { Field, Textarea } from "@signalbox/ui/field";
import { bytes } from "@signalbox/ui/format";
import { useQuery } from "@tanstack/react-query";
import { Download, FileCheck2, FileUp, ShieldCheck } from "lucide-react";
import { useRef, useState, type DragEvent } from "react";
import { newestEventQuery } from "./audit-queries.ts";
import { useVerifier } from "./use-verifier.ts";
import { VerifyOutcome } from "./verify-outcome.tsx";

/** A checkpoint is a few hundred bytes, an anchor's file some megabytes at most; what is larger is an export. */
const KEPT_BYTES = 20_000_000;

/** `believed`: the public keys to check by; `pinned`: what was written into the field for keys of one's own. */
export function VerifyHere({ believed, pinned, onPin }: { believed: readonly string[]; pinned: string; onPin(text: string): void }) {
  const { data: newest } = useQuery(newestEventQuery);
  const [kept, setKept] = useState("");
  const [refused, setRefused] = useState<string | null>(null);
  const verifier = useVerifier();
  const input = useRef<HTMLInputElement>(null);
  const isRunning = "phase" in verifier.state && verifier.state.phase === "running";
  const run = (source: { readonly url: string } | { readonly file: File }): void =>
    verifier.start({ source, keys: believed, kept: kept.trim() === "" ? null : kept }, newest?.position ?? null);
  const check = (file: File | undefined): void => {
    if (file !== undefined) run({ file });
  };
  const keep = (file: File | undefined): void => {
    if (file === undefined) return;
    if (file.size > KEPT_BYTES)
      return setRefused(`${file.name} has ${bytes(file.size)}: that is no checkpoint. An export is verified above.`);
    setRefused(null);
    void file.text().then(setKept);
  };
  const dropExport = useDrop(check);
  const dropKept = useDrop(keep);

  return (
    <div className="space-y-6">
      <section
        aria-label="Verify"
        {...dropExport.on}
        className={`rounded-lg border bg-panel px-5 py-5 narrow:px-4 ${dropExport.isOver ? "border-moving outline-2 outline-moving" : "border-line"}`}
      >
        <div className="flex flex-wrap items-center gap-3">
          <Button look="solid" size="lg" busy={isRunning} disabled={believed.length === 0} onClick={() => run({ url: exportLog.path })}>
            <ShieldCheck size={18} aria-hidden /> Verify the whole log here
          </Button>
          <Button size="lg" disabled={isRunning || believed.length === 0} onClick={() => input.current?.click()}>
            <FileCheck2 size={18} aria-hidden /> Verify a file…
          </Button>
          <a href={exportLog.path} download="signalbox-log.jsonl" className={buttonLook({ look: "quiet", size: "lg" })}>
            <Download size={18} aria-hidden /> Download the export
          </a>
          <FileChooser ref={input} accept=".jsonl,.ndjson,application/x-ndjson" label="An exported log" onFile={check} />
        </div>
        <p className="mt-3 max-w-2xl text-sm text-ink-2">
          Every hash is recomputed and every signature checked by this browser, in a thread of its own. A file may also be dropped here; it
          is not sent anywhere.
        </p>
        <VerifyOutcome state={verifier.state} onCancel={verifier.cancel} />
      </section>
      <section aria-label="What you brought along" className="space-y-4">
        <div>
          <h2 className="font-semibold">What you kept elsewhere</h2>
          <p className="max-w-2xl text-sm text-ink-2">
            Whoever rewrote the log could also have changed what this server shows of itself. A checkpoint or a key from another machine
            rules that out.
          </p>
        </div>
        <div className="grid gap-x-6 gap-y-4 sm:grid-cols-2">
          <div {...dropKept.on} className={`rounded-md ${dropKept.isOver ? "outline-2 outline-offset-4 outline-moving" : ""}`}>
            <Field
              label="A checkpoint that you kept"
              error={refused ?? undefined}
              hint="A signed note, or an anchor's file; it can be dropped here. Nothing before it may be gone or changed."
            >
              {(field) => (
                <Textarea
                  {...field}
                  rows={4}
                  spellCheck={false}
                  placeholder={"signalbox/ws_dev\n12\n…\n— signalbox/ws_dev …"}
                  className="font-mono !text-sm"
                  value={kept}
                  onChange={(event) => setKept(event.target.value)}
                />
              )}
            </Field>
            <label className={`${buttonLook({ size: "sm" })} mt-1 cursor-pointer focus-within:outline-2 focus-within:outline-moving`}>
              <FileUp size={14} aria-hidden /> From a file…
              <input
                type="file"
                accept=".txt,.json,.jsonl,text/plain"
                className="sr-only"
                aria-label="A kept checkpoint"
                onChange={(event) => {
                  keep(event.target.files?.[0]);
                  event.target.value = "";
                }}
              />
            </label>
          </div>
          <Field label="A key that you kept" hint="One a line. Without one, the keys that the server names are believed.">
            {(field) => (
              <Textarea
                {...field}
                rows={4}
                spellCheck={false}
                placeholder="signalbox/ws_dev+1a2b3c4d+Af…"
                className="font-mono !text-sm"
                value={pinned}
                onChange={(event) => onPin(event.target.value)}
              />
            )}
          </Field>
        </div>
      </section>
    </div>
  );
}

function useDrop(onFile: (file: File | undefined) => void) {
  const [isOver, setOver] = useState(false);
  return {
    isOver,
    on: {
      onDragOver(event: DragEvent) {
        event.preventDefault();
        setOver(true);
      },
      onDragLeave: () => setOver(false),
      onDrop(event: DragEvent) {
        event.preventDefault();
        setOver(false);
        onFile(event.dataTransfer.files[0]);
      },
    },
  };
}
