/*
 * Receipts: what a run did, as an in-toto Statement v1 signed in a DSSE envelope. The form is in specs/receipt.md.
 *
 *   signature = Ed25519("DSSEv1 " ‖ len(type) ‖ " " ‖ type ‖ " " ‖ len(payload) ‖ " " ‖ payload)
 *
 * A receipt says of itself which events it stands on; against an export of the run's session, whole
 * or by itself, it can be shown that they are those, and that the export was signed by the same key.
 */
import type { ExportReport } from "./export-report.ts";
import { verifyExport } from "./export.ts";
import { jsonObject } from "./chain.ts";
import { TrustedKeys } from "./keys.ts";
import { treeRoot } from "./merkle.ts";
import type { VerifierKey } from "./note.ts";
import { concat, fromBase64, hashBytes, hashText, utf8, type Primitives } from "./primitives.ts";

export const PAYLOAD_TYPE = "application/vnd.in-toto+json";
export const PREDICATE_TYPE = "https://signalbox.dev/receipt/v1";
const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";

export interface Envelope {
  readonly payloadType: string;
  readonly payload: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

export interface ReceiptReport {
  readonly valid: boolean;
  readonly run_id: string | null;
  readonly organization_id: string | null;
  readonly signed_by: string | null;
  /** The statement, once its signature was found good. */
  readonly statement: Statement | null;
  readonly problems: readonly string[];
}
export interface Statement {
  readonly _type: string;
  readonly subject: readonly { readonly name: string; readonly digest: Readonly<Record<string, string>> }[];
  readonly predicateType: string;
  readonly predicate: {
    readonly run: { readonly id: string; readonly organization_id: string; readonly status: string };
    readonly evidence: {
      readonly stream: string;
      readonly first_seq: number;
      readonly last_seq: number;
      readonly first_hash: string;
      readonly last_hash: string;
      readonly events: number;
      readonly merkle_root: string;
    };
  };
}

/** What is signed. `payload` is the statement's text. */
export const preAuthEncoding = (payloadType: string, payload: Uint8Array): Uint8Array =>
  concat(utf8(`DSSEv1 ${utf8(payloadType).length} ${payloadType} ${payload.length} `), payload);

export async function verifyReceipt(primitives: Primitives, envelope: Envelope, keys: readonly VerifierKey[]): Promise<ReceiptReport> {
  const problems: string[] = [];
  const fail = (problem: string): ReceiptReport => ({
    valid: false,
    run_id: null,
    organization_id: null,
    signed_by: null,
    statement: null,
    problems: [problem],
  });
  if (typeof envelope?.payload !== "string" || !Array.isArray(envelope.signatures)) return fail("it is not a DSSE envelope");
  if (envelope.payloadType !== PAYLOAD_TYPE) return fail(`its payload is ${envelope.payloadType}, not an in-toto statement`);
  const payload = fromBase64(envelope.payload);
  if (payload === null) return fail("its payload is not base64");
  const signed = preAuthEncoding(envelope.payloadType, payload);
  let signer: VerifierKey | null = null;
  for (const { keyid, sig } of envelope.signatures) {
    const key = keys.find(({ id }) => id === keyid);
    const signature = typeof sig === "string" ? fromBase64(sig) : null;
    if (key !== undefined && signature !== null && (await primitives.verifyEd25519(key.publicKey, signed, signature))) signer = key;
  }
  if (signer === null) {
    const named = envelope.signatures.map(({ keyid }) => keyid);
    return fail(
      keys.some(({ id }) => named.includes(id))
        ? `its signature does not fit its text (key ${named.join(", ")})`
        : `it is signed by key ${named.join(", ") || "?"}, which is not among the given public keys`,
    );
  }
  const statement = jsonObject(new TextDecoder().decode(payload)) as Statement | null;
  if (statement?._type !== STATEMENT_TYPE || statement.predicateType !== PREDICATE_TYPE || typeof statement.predicate?.run?.id !== "string")
    return fail("what is signed is not a receipt of a form that this verifier knows");
  const { run, evidence } = statement.predicate;
  if (signer.name !== `signalbox/${run.organization_id}`)
    problems.push(`key ${signer.id} speaks for ${signer.name}, not for ${run.organization_id}`);
  const subject = statement.subject.find(({ name }) => name === `run:${run.id}`);
  if (subject === undefined || `sha256:${subject.digest["sha256"]}` !== evidence.merkle_root)
    problems.push("its subject is not the run with the evidence that it names");
  return {
    valid: problems.length === 0,
    run_id: run.id,
    organization_id: run.organization_id,
    signed_by: signer.id,
    statement,
    problems,
  };
}

/** Whether the events that a receipt stands on are those of an export, which must verify by itself. */
export async function verifyReceiptAgainst(
  primitives: Primitives,
  envelope: Envelope,
  lines: AsyncIterable<string> | Iterable<string>,
  keys: readonly VerifierKey[],
): Promise<{ receipt: ReceiptReport; export: ExportReport; problems: readonly string[]; valid: boolean }> {
  // The receipt may be signed by a key that only the export leads to, so it is checked last.
  const trusted = new TrustedKeys(primitives, keys);
  const claimed = claimOf(envelope);
  const evidence = claimed?.predicate?.evidence;
  const runId = claimed?.predicate?.run?.id ?? null;
  const leaves: Uint8Array[] = [];
  let [first, last]: [string | null, string | null] = [null, null];
  async function* watched(): AsyncGenerator<string> {
    for await (const text of lines) {
      yield text;
      const line = text.includes('"event"') || text.includes('"rotations"') ? (jsonObject(text) as EventLine | null) : null;
      // What is wrong with one, the verifier of the export says.
      if (line?.kind === "header" && Array.isArray(line.rotations))
        for (const note of line.rotations) if (typeof note === "string") await trusted.learn(note);
      if (evidence === undefined || line?.kind !== "event" || `${line.stream?.type}:${line.stream?.id}` !== evidence.stream) continue;
      if (line.seq === evidence.first_seq) first = line.hash;
      if (line.seq === evidence.last_seq) last = line.hash;
      if (line.seq < evidence.first_seq || line.seq > evidence.last_seq || !isOf(line.header, runId)) continue;
      leaves.push(hashBytes(line.hash) ?? new Uint8Array());
    }
  }
  const report = await verifyExport(primitives, watched(), keys);
  const receipt = await verifyReceipt(primitives, envelope, trusted.keys);
  const problems = [...receipt.problems, ...report.problems];
  if (evidence !== undefined && receipt.statement !== null && report.valid) {
    if (first !== evidence.first_hash || last !== evidence.last_hash)
      problems.push(`the export's ${evidence.stream} is not the one that the receipt stands on`);
    if (leaves.length !== evidence.events)
      problems.push(`the receipt stands on ${evidence.events} events, the export has ${leaves.length} of the run`);
    if (hashText(await treeRoot(primitives, leaves)) !== evidence.merkle_root)
      problems.push("the run's events are not those of the receipt");
  }
  return { receipt, export: report, problems, valid: receipt.valid && report.valid && problems.length === 0 };
}

/** What a receipt says, signed or not. */
function claimOf(envelope: Envelope): Statement | null {
  const payload = typeof envelope?.payload === "string" ? fromBase64(envelope.payload) : null;
  return payload === null ? null : (jsonObject(new TextDecoder().decode(payload)) as Statement | null);
}

interface EventLine {
  readonly kind: string;
  readonly rotations?: unknown;
  readonly stream?: { readonly type: string; readonly id: string };
  readonly seq: number;
  readonly header: string;
  readonly hash: string;
}

/** A run's own events: those of its subject, and those that happened in it. */
export function isOf(header: string, runId: string | null): boolean {
  const { subject, run_id } = (jsonObject(header) ?? {}) as { subject?: unknown; run_id?: unknown };
  return runId !== null && (subject === `run:${runId}` || run_id === runId);
}
