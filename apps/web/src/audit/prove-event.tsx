/* The proof of one event: made by the server, checked here, handed over as a small file. Or somebody else's, checked. */
import { isEventId } from "@signalbox/contract/ids";
import { proveEvent } from "@signalbox/contract/log";
import { Button, buttonLook } from "@signalbox/ui/button";
import { FileChooser } from "@signalbox/ui/file-chooser";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Field, Input } from "@signalbox/ui/field";
import { count } from "@signalbox/ui/format";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { parseKey } from "@signalbox/verify/note";
import { verifyProof, type EventProof, type ProofReport } from "@signalbox/verify/proof";
import { webPrimitives } from "@signalbox/verify/web";
import { useMutation } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Download, FileCheck2, FileSignature, ShieldCheck, ShieldX } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { client } from "../data/api.ts";
import { download } from "../session/download.ts";
import { Verdict } from "./verdict.tsx";

const route = getRouteApi("/frame/audit");
const PLACE = /^((?:room|organization|ledger):[0-9A-Za-z_]+)\/(\d{1,15})$/;

interface Checked {
  readonly proof: unknown;
  readonly report: ProofReport;
}

/** `isBrought`: the keys are not the server's own, so its proof is judged by somebody else's. */
export function ProveEvent({ believed, isBrought }: { believed: readonly string[]; isBrought: boolean }) {
  const { event: linked } = route.useSearch();
  const [text, setText] = useState(linked ?? "");
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const place = PLACE.exec(text.trim());
  const isEvent = isEventId(text.trim());
  const judge = async (proof: unknown): Promise<Checked> => ({
    proof,
    report: await verifyProof(webPrimitives, proof, await Promise.all(believed.map((key) => parseKey(webPrimitives, key)))),
  });
  const make = useMutation({
    mutationFn: async (what: string) => {
      const at = PLACE.exec(what);
      return judge(await client.call(proveEvent, { query: at === null ? { event_id: what } : { stream: at[1]!, seq: Number(at[2]) } }));
    },
  });
  const look = useMutation({
    mutationFn: async (file: File) => {
      const said = await file.text();
      try {
        return await judge(JSON.parse(said));
      } catch (cause) {
        if (cause instanceof SyntaxError)
          throw new Error(`${file.name} is not a proof: it is not JSON. A proof is what this page, or \`signalbox log proof\`, wrote.`, {
            cause,
          });
        throw cause;
      }
    },
  });
  const { mutate } = make;
  const areKeysThere = believed.length > 0;
  // A link to the proof of an event is the question already.
  useEffect(() => {
    if (linked !== undefined && isEventId(linked) && areKeysThere) mutate(linked);
  }, [linked, areKeysThere, mutate]);
  const check = (file: File | undefined): void => {
    if (file === undefined) return;
    make.reset();
    look.mutate(file);
  };
  const shown = look.data ?? make.data;
  const error = look.error ?? make.error;
  const wrong =
    text.trim() === "" || isEvent || place !== null ? undefined : "An event's id looks like 019a3c5e-…, its place like room:room_01J…/17.";
  return (
    <section
      aria-label="Proof of an event"
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
      className={`rounded-lg border bg-panel px-5 py-5 narrow:px-4 ${isOver ? "border-moving outline-2 outline-moving" : "border-line"}`}
    >
      <form
        className="space-y-3"
        onSubmit={(event) => {
          event.preventDefault();
          look.reset();
          mutate(text.trim());
        }}
      >
        <Field label="Event" error={wrong} hint="Its id, or its place. Every entry of the timeline has “Prove it”.">
          {(field) => (
            <Input
              {...field}
              spellCheck={false}
              placeholder="019a3c5e-…"
              className="font-mono !text-sm"
              value={text}
              onChange={(event) => setText(event.target.value)}
            />
          )}
        </Field>
        <div className="flex flex-wrap items-center gap-3">
          <Button type="submit" look="solid" busy={make.isPending} disabled={!(isEvent || place !== null) || !areKeysThere}>
            <FileSignature size={16} aria-hidden /> Make the proof
          </Button>
          <Button busy={look.isPending} disabled={!areKeysThere} onClick={() => input.current?.click()}>
            <FileCheck2 size={16} aria-hidden /> Check a proof…
          </Button>
          <FileChooser ref={input} accept=".json,application/json" label="A proof" onFile={check} />
        </div>
      </form>
      <p className="mt-3 max-w-2xl text-sm text-ink-2">
        A proof is a few kilobytes that say: this event stands in this log at this place, under a checkpoint that was signed. It shows
        nothing of any other event, and whoever has the public key checks it without this server. A file may also be dropped here; it is not
        sent anywhere.
      </p>
      {error !== null && <Trouble error={error} className="mt-4" />}
      {error === null && shown !== undefined && <Result of={shown} isBrought={isBrought} isMade={look.data === undefined} />}
    </section>
  );
}

function Result({ of: { proof, report }, isBrought, isMade }: { of: Checked; isBrought: boolean; isMade: boolean }) {
  const json = JSON.stringify(proof, null, 1);
  const name = `signalbox-proof-${report.event_id ?? "event"}.json`;
  const { links, inclusion } = (report.valid ? proof : {}) as Partial<EventProof>;
  return (
    <Verdict
      isValid={report.valid}
      title={report.valid ? "The proof holds" : "The proof does not hold"}
      Icon={report.valid ? ShieldCheck : ShieldX}
    >
      {report.valid ? (
        <>
          <p className="mt-1">
            <span className="font-mono">{report.event_type}</span> is event {report.seq?.toLocaleString()} of{" "}
            <span className="font-mono">{report.stream}</span> in <span className="font-mono">{report.organization_id}</span>, and not
            younger than {report.signed_at !== null && <Timestamp at={report.signed_at} />}, when key{" "}
            <span className="font-mono">{report.signed_by}</span> signed the log up to event {report.position?.toLocaleString()}.
            {report.erased && " What it said was erased; that it stood there is proved all the same."}
          </p>
          <p className="mt-1 text-sm text-ink-2">
            {count(Math.floor(((links?.length ?? 0) * 3) / 4 / 32), "hash", "hashes")} to the head of its chain,{" "}
            {count(inclusion?.path.length ?? 0, "hash", "hashes")} to the root, recomputed by this browser
            {isBrought
              ? " against the keys that you brought."
              : " against the server's own keys; bring one along under Verify to be sure of them."}
          </p>
        </>
      ) : (
        <ul className="mt-2 list-disc space-y-1 pl-5">
          {report.problems.map((problem) => (
            <li key={problem}>{problem}</li>
          ))}
        </ul>
      )}
      <p className="mt-3 flex flex-wrap items-center gap-2">
        {isMade && (
          <>
            <Button size="sm" onClick={() => download(name, `${json}\n`)}>
              <Download size={14} aria-hidden /> Download the proof
            </Button>
            <CopyButton text={json} label="Copy the proof" />
          </>
        )}
        {report.event_id !== null && (
          <Link to="/timeline" search={{ event: report.event_id }} className={buttonLook({ look: "quiet", size: "sm" })}>
            The event
          </Link>
        )}
      </p>
    </Verdict>
  );
}
