/* What one anchored checkpoint says about the log, or the log about it. */
import type { AnchorFinding } from "@signalbox/contract/anchors";
import { keptCheckpoints } from "@signalbox/verify/consistency";
import { rootOf, type StreamHead } from "@signalbox/verify/merkle";
import { nodePrimitives } from "@signalbox/verify/node";
import { openNote } from "@signalbox/verify/note";
import { equal } from "@signalbox/verify/primitives";
import type pg from "pg";
import { ringOf } from "./key-ring.ts";
import type { SigningKeys } from "./signing-key.ts";

/** Of heads that do not recur, so many are named. */
const NAMED = 5;

/** Null: they agree. `there` is what the anchor has, null when it has nothing any more. */
export async function findingOf(
  { logPool, keys }: { readonly logPool: pg.Pool; readonly keys: SigningKeys },
  organizationId: string,
  position: number,
  there: string | null,
  where: string,
): Promise<AnchorFinding | null> {
  const finding = (kind: AnchorFinding["kind"], message: string): AnchorFinding => ({ position, kind, message });
  if (there === null) return finding("missing", `The checkpoint of position ${position} is gone from ${where}.`);
  const [kept] = keptCheckpoints(there) ?? [];
  if (kept === undefined) return finding("forged", `What lies in ${where} for position ${position} is not a signed checkpoint.`);
  const ring = await ringOf(logPool, organizationId, keys);
  const opened = await openNote(
    nodePrimitives,
    kept.note,
    ring.map(({ key }) => key),
  );
  if (!opened.ok)
    return finding(
      "forged",
      opened.reason === "unknown_key"
        ? `What lies in ${where} for position ${position} is signed by the key ${opened.keyId ?? "?"}, which is none of this log's.`
        : `What lies in ${where} for position ${position} has a signature that does not fit its text.`,
    );
  if (opened.checkpoint.position !== position || opened.checkpoint.origin !== `signalbox/${organizationId}`)
    return finding(
      "forged",
      `What lies in ${where} for position ${position} was signed for position ${opened.checkpoint.position} of ${opened.checkpoint.origin}.`,
    );
  const { rows } = await logPool.query<{ note: string; heads: string }>(
    "select note, audit_heads(c) as heads from audit_checkpoints c where organization_id = $1 and position = $2",
    [organizationId, position],
  );
  const ours = rows[0];
  if (ours === undefined)
    return finding("log_lost", `${where} has a checkpoint of position ${position}, signed on ${opened.checkpoint.time}; the log has none.`);
  // The heads from outside, where they are: what lies here may have been changed with the note.
  const heads = kept.heads ?? (JSON.parse(ours.heads) as StreamHead[]);
  if (heads.length !== opened.checkpoint.streams || !equal(await rootOf(nodePrimitives, heads), opened.checkpoint.rootHash))
    return kept.heads === null
      ? finding("log_replaced", `The heads that the log keeps for position ${position} are not those that were signed.`)
      : finding("forged", `The heads that lie in ${where} beside the checkpoint of position ${position} are not those that were signed.`);
  const changed = await notRecurring(logPool, organizationId, heads);
  if (changed.length > 0)
    return finding(
      "log_changed",
      `${changed.slice(0, NAMED).join("; ")}${changed.length > NAMED ? `; and ${changed.length - NAMED} more` : ""}: not what was signed at position ${position}.`,
    );
  return ours.note === kept.note
    ? null
    : finding("log_replaced", `${where} has another checkpoint of position ${position} than the log: both are signed by its keys.`);
}

/** Heads that the log does not have at their place. */
async function notRecurring(pool: pg.Pool, organizationId: string, heads: readonly StreamHead[]): Promise<string[]> {
  const { rows } = await pool.query<{ stream: string; seq: string; last: string | null; here: string | null }>(
    `select h.stream, h.seq, s.seq as last, 'sha256:' || encode(e.hash, 'hex') as here
       from unnest($2::text[], $3::bigint[], $4::text[]) as h (stream, seq, hash)
       left join evt_events e on e.organization_id = $1 and e.stream_type = split_part(h.stream, ':', 1)
                             and e.stream_id = split_part(h.stream, ':', 2) and e.seq = h.seq
       left join evt_stream_heads s on s.organization_id = $1 and s.stream_type = split_part(h.stream, ':', 1)
                                   and s.stream_id = split_part(h.stream, ':', 2)
      where 'sha256:' || encode(e.hash, 'hex') is distinct from h.hash`,
    [organizationId, heads.map(({ stream }) => stream), heads.map(({ seq }) => seq), heads.map(({ hash }) => hash)],
  );
  return rows.map(({ stream, seq, last, here }) =>
    here === null
      ? `${stream} ${last === null || Number(last) < Number(seq) ? `ends at ${last ?? 0}, it had ${seq} events` : `has no event ${seq}`}`
      : `${stream} ${seq} is ${here}`,
  );
}
