/* How far a verification is, and what it came to: whole, or broken with the place named. */
import { Button } from "@signalbox/ui/button";
import { bytes, count } from "@signalbox/ui/format";
import { Progress } from "@signalbox/ui/progress";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Trouble } from "@signalbox/ui/trouble";
import { Link } from "@tanstack/react-router";
import { ShieldCheck, ShieldX } from "lucide-react";
import type { Verification } from "./use-verifier.ts";
import { Verdict } from "./verdict.tsx";

type Report = Extract<Verification, { kind: "report" }>;

export function VerifyOutcome({ state, onCancel }: { state: Verification; onCancel(): void }) {
  if ("phase" in state) {
    if (state.phase === "idle") return null;
    return (
      <div className="mt-5 space-y-2">
        <Progress label="Verifying" value={state.share === null ? null : Math.round(state.share * 100)} />
        <p className="flex items-center justify-between gap-3 text-sm text-ink-2">
          <span className="tabular-nums">
            {state.share !== null && `${Math.floor(state.share * 100)} %, `}
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
  return <Reported of={state} />;
}

function Reported({ of: { report, against, problems, bytes: size, ms } }: { of: Report }) {
  const isValid = report.valid && problems.length === 0;
  const perSecond = Math.round((report.events / Math.max(ms, 1)) * 1000);
  const held = against.filter(({ consistent }) => consistent);
  return (
    <Verdict isValid={isValid} title={isValid ? "The log is whole" : "The log does not hold"} Icon={isValid ? ShieldCheck : ShieldX}>
      {isValid ? (
        <>
          <p className="mt-1">
            {count(report.events, "event")} in {count(report.streams, "chain")}, {count(report.checkpoints, "checkpoint")} signed by{" "}
            <span className="font-mono">{report.signed_by.join(", ")}</span>.{" "}
            {report.uncovered > 0 &&
              `The newest ${count(report.uncovered, "event")} came after the last checkpoint, so no signature covers them yet. `}
            {report.erased > 0 && `${count(report.erased, "payload")} erased, each with its record. `}
          </p>
          {held.map(({ position, time }) => (
            <p key={position} className="mt-1">
              It continues the checkpoint that you kept: what was signed up to event {position?.toLocaleString()}
              {time !== null && (
                <>
                  , <Timestamp at={time} />,
                </>
              )}{" "}
              is all there, unchanged.
            </p>
          ))}
        </>
      ) : (
        <Broken report={report} problems={problems} />
      )}
      <p className="mt-2 text-sm text-ink-2 tabular-nums">
        {bytes(size)} in {(ms / 1000).toFixed(1)} s, {perSecond.toLocaleString()} events a second, in this browser.
      </p>
    </Verdict>
  );
}

/** The first event that does not fit, and where it stands; then everything else in the verifier's own sentences. */
function Broken({ report, problems }: { report: Report["report"]; problems: readonly string[] }) {
  const mismatch = report.first_mismatch;
  return (
    <>
      {mismatch !== null && (
        <div className="mt-2">
          <p>
            <span className="font-mono">
              {mismatch.stream} seq {mismatch.seq}
              {mismatch.event_type !== null && ` ${mismatch.event_type}`}: {mismatch.kind.replaceAll("_", " ")}
            </span>
          </p>
          <dl className="mt-1 grid grid-cols-[auto_minmax(0,1fr)] gap-x-3 text-sm">
            {(["expected", "actual"] as const).map((side) => (
              <div key={side} className="contents">
                <dt className="text-ink-2">{side === "expected" ? "expected" : "found"}</dt>
                <dd className="clamp-1 font-mono" title={mismatch[side] ?? undefined}>
                  {mismatch[side] ?? "nothing"}
                </dd>
              </div>
            ))}
          </dl>
          <p className="mt-1 text-sm">
            <Link to="/timeline" search={{ stream: mismatch.stream, at: mismatch.seq }} className="underline underline-offset-2">
              What this server shows at that place
            </Link>
          </p>
        </div>
      )}
      {problems.length > 0 && (
        <ul className="mt-2 list-disc space-y-1 pl-5">
          {problems.map((problem) => (
            <li key={problem}>{problem}</li>
          ))}
        </ul>
      )}
    </>
  );
}
