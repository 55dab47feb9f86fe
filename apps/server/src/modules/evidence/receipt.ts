/*
 * The receipt of a run, from the log alone. The same run gives the same statement: only events up to
 * the one that first ended it are looked at, and what was given out once is kept. specs/receipt.md.
 */
import type { ReceiptEnvelope, ReceiptPredicate } from "@signalbox/contract/evidence";
import type { Recorded } from "@signalbox/eventlog/log";
import { canonicalJson, type Json, sha256 } from "@signalbox/kernel/canonical";
import { treeRoot } from "@signalbox/verify/merkle";
import { nodePrimitives } from "@signalbox/verify/node";
import { hashBytes, hashText } from "@signalbox/verify/primitives";
import { PAYLOAD_TYPE, PREDICATE_TYPE, preAuthEncoding } from "@signalbox/verify/receipt";
import type { z } from "zod";
import type { RunRecord } from "../runs/public.ts";
import type { ModelCallRecord } from "./waterfall.ts";

type Predicate = z.input<typeof ReceiptPredicate>;

const ENDS = ["run.completed", "run.failed", "run.needs_human", "run.timed_out", "run.canceled", "run.skipped"];
/** Commands that check something: what a reader of a receipt wants to know the outcome of. */
const CHECKS =
  /\b(?:(?:npm|pnpm|yarn|bun)\s+(?:run\s+)?(?:test|lint|typecheck|check|build)|node\s+--test|vitest|jest|mocha|playwright\s+test|pytest|tox|tsc|eslint|oxlint|biome|ruff|mypy|go\s+(?:test|vet|build)|cargo\s+(?:test|check|clippy|build)|make\s+(?:test|check|lint)|mvn\s+\S*(?:test|verify)|gradlew?\s+\S*(?:test|check)|dotnet\s+test|rspec|phpunit|ctest)\b/;
const SHELLS = /^(bash|shell|sh|exec|execute|run_command|terminal|command)$/i;

/** Null for a run that has not ended. */
export function endOf(events: readonly Recorded[], runId: string): Recorded | null {
  return events.find(({ event, subject }) => subject === `run:${runId}` && ENDS.includes(event.type)) ?? null;
}

export interface ReceiptInput {
  readonly run: RunRecord;
  /** Of the run, in order. */
  readonly events: readonly Recorded[];
  readonly modelCalls: readonly ModelCallRecord[];
  /** Reservations of the run that nothing has ended yet. */
  readonly openReservations: number;
  /** Whether the stream's chain was followed over the whole window. */
  readonly chainVerified: boolean;
}

export async function predicateOf({ run, events, modelCalls, openReservations, chainVerified }: ReceiptInput): Promise<Predicate> {
  const end = endOf(events, run.id);
  if (end === null) throw new Error("only a run that has ended has a receipt");
  const stream = end.stream;
  const window = events.filter((one) => one.stream.type === stream.type && one.stream.id === stream.id && one.seq <= end.seq);
  const first = window[0] ?? end;
  const leaves = window.map(({ hash }) => hashBytes(hash) ?? new Uint8Array());
  const invoked = window.filter(({ event }) => event.type === "tool.invoked");
  const ended = new Map(
    window.filter(({ event }) => event.type === "tool.succeeded" || event.type === "tool.failed").map((one) => [callId(one), one]),
  );
  return {
    run: {
      id: run.id,
      kind: run.kind,
      status: STATUS[end.event.type] ?? "ended",
      organization_id: end.organizationId,
      room_id: run.room_id,
      session_id: run.session_id,
      goal_sha256: run.goal === null ? null : sha256(run.goal),
      requested_by: run.requested_by,
      created_at: run.created_at,
      started_at: run.started_at,
      ended_at: end.occurredAt,
    },
    evidence: {
      stream: `${stream.type}:${stream.id}`,
      first_seq: first.seq,
      last_seq: end.seq,
      first_hash: first.hash,
      last_hash: end.hash,
      events: window.length,
      merkle_root: hashText(await treeRoot(nodePrimitives, leaves)),
      completeness: {
        chain_verified: chainVerified,
        // The prompt of a turn is its own and stands before it.
        began_and_ended: window.some(({ event, subject }) => subject === `run:${run.id}` && event.type === "run.created"),
        all_tool_calls_ended: invoked.every((one) => ended.has(callId(one))),
        nothing_redacted: window.every(({ redaction }) => redaction === "none"),
        all_costs_settled: openReservations === 0,
      },
    },
    artifacts: window.flatMap(({ event, redaction }) => {
      if (event.type !== "artifact.created" || redaction === "full") return [];
      const a = event.data as { artifact_id: string; name: string; media_type: string; sha256?: string; size_bytes: number };
      return [{ id: a.artifact_id, name: a.name, media_type: a.media_type, sha256: a.sha256 ?? null, size_bytes: a.size_bytes }];
    }),
    verification: invoked.flatMap((one) => {
      const { name, arguments: args } = one.event.data as { name?: string; arguments?: unknown };
      const command = commandOf(name, args);
      const outcome = ended.get(callId(one));
      if (command === null || !CHECKS.test(command) || outcome === undefined) return [];
      return [{ tool_call_id: callId(one), command: command.slice(0, 2000), ...resultOf(outcome) }];
    }),
    approvals: approvalsOf(window),
    cost: {
      micro_usd: modelCalls.reduce((sum, call) => sum + call.cost_micro_usd, 0),
      model_calls: modelCalls.length,
      input_tokens: modelCalls.reduce((sum, call) => sum + call.input_tokens, 0),
      output_tokens: modelCalls.reduce((sum, call) => sum + call.output_tokens, 0),
    },
    // No run pays anything yet; the member is there so that a reader need not guess.
    payments: [],
  };
}

const STATUS: Readonly<Record<string, string>> = {
  "run.completed": "succeeded",
  "run.failed": "failed",
  "run.needs_human": "needs_human",
  "run.timed_out": "timed_out",
  "run.canceled": "canceled",
  "run.skipped": "skipped",
};

const callId = ({ event }: Recorded): string => (event.data as { tool_call_id?: string }).tool_call_id ?? "";

function commandOf(name: string | undefined, args: unknown): string | null {
  if (name === undefined || !SHELLS.test(name) || typeof args !== "object" || args === null) return null;
  const { command, cmd } = args as { command?: unknown; cmd?: unknown };
  const said = command ?? cmd;
  if (typeof said === "string") return said;
  return Array.isArray(said) ? said.map(String).join(" ") : null;
}

/** An agent's tool says its exit code in its words, or only whether it went well. */
function resultOf({ event }: Recorded): { exit_code: number | null; passed: boolean } {
  const { output = "", error = "" } = event.data as { output?: string; error?: string };
  const said = /(?:exit(?:ed with)?[ _](?:code|status)|exitCode)["']?[:= ]+(-?\d{1,3})\b/i.exec(`${error}\n${output.slice(-2000)}`)?.[1];
  const failures = /^(?:# |ℹ )fail (\d+)$/m.exec(output)?.[1];
  const exit_code = said === undefined ? null : Number(said);
  const passed = event.type === "tool.succeeded" && (exit_code === null || exit_code === 0) && (failures === undefined || failures === "0");
  return { exit_code, passed };
}

function approvalsOf(window: readonly Recorded[]): Predicate["approvals"] {
  const found = new Map<string, Predicate["approvals"][number]>();
  for (const { event, subjectId } of window) {
    const d = event.data as { action?: string; call_hash?: string; by?: string };
    const known = found.get(subjectId);
    if (event.type === "approval.requested")
      found.set(subjectId, { id: subjectId, action: d.action ?? "", call_hash: d.call_hash ?? "", status: "pending", decided_by: null });
    else if (known !== undefined && /^approval\.(approved|denied|expired)$/.test(event.type))
      found.set(subjectId, { ...known, status: event.type.slice("approval.".length), decided_by: d.by ?? null });
  }
  return [...found.values()];
}

export interface ReceiptSigner {
  readonly keyId: string;
  sign(text: string): Uint8Array;
}

export function envelopeOf(predicate: Predicate, signer: ReceiptSigner): z.input<typeof ReceiptEnvelope> {
  const payload = canonicalJson({
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ name: `run:${predicate.run.id}`, digest: { sha256: predicate.evidence.merkle_root.slice("sha256:".length) } }],
    predicateType: PREDICATE_TYPE,
    predicate: predicate as unknown as Json,
  });
  const bytes = Buffer.from(payload);
  const signed = Buffer.from(preAuthEncoding(PAYLOAD_TYPE, bytes)).toString();
  return {
    payloadType: PAYLOAD_TYPE,
    payload: bytes.toString("base64"),
    signatures: [{ keyid: signer.keyId, sig: Buffer.from(signer.sign(signed)).toString("base64") }],
  };
}
