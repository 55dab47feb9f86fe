/*
 * Makes the proof of one event (`packages/verify/src/proof.ts`): under the first checkpoint that covers it,
 * because then the fewest events lie between it and the head that was signed.
 */
import type { EventProof } from "@signalbox/contract/log";
import { isCold } from "@signalbox/eventlog/archived";
import type { EventLog, StreamType } from "@signalbox/eventlog/log";
import { inclusionOf } from "@signalbox/verify/inclusion";
import type { StreamHead } from "@signalbox/verify/merkle";
import { nodePrimitives } from "@signalbox/verify/node";
import { PROOF_FORMAT } from "@signalbox/verify/proof";
import { toBase64 } from "@signalbox/verify/primitives";
import { createHash } from "node:crypto";
import type pg from "pg";
import type { z } from "zod";
import { storedStream } from "./chain-reader.ts";
import { checkpoint } from "./checkpoint.ts";
import { ringOf } from "./key-ring.ts";
import type { SigningKeys } from "./signing-key.ts";
import type { Database } from "../../module.ts";

export interface ProofDeps {
  readonly db: Database;
  readonly log: Pick<EventLog, "hydrate">;
  /** Connects as `sb_log`. */
  readonly logPool: pg.Pool;
  readonly keys: SigningKeys;
}
interface Place {
  readonly stream: { readonly type: string; readonly id: string };
  readonly seq: number;
}
export type Found = Place & { readonly position: number; readonly importId: string | null };

export function createProofs({ db, log, logPool, keys }: ProofDeps) {
  async function find(organizationId: string, of: string | Place): Promise<Found | null> {
    const byId = typeof of === "string";
    const { rows } = await logPool.query<{ type: string; id: string; seq: string; position: string; import_id: string | null }>(
      `select stream_type as type, stream_id as id, seq, position, import_id from evt_events where organization_id = $1 and ${
        byId ? "event_id = $2::uuid" : "stream_type = $2 and stream_id = $3 and seq = $4"
      }`,
      byId ? [organizationId, of] : [organizationId, of.stream.type, of.stream.id, of.seq],
    );
    const row = rows[0];
    if (row === undefined) return null;
    return { stream: { type: row.type, id: row.id }, seq: Number(row.seq), position: Number(row.position), importId: row.import_id };
  }

  async function covering(organizationId: string, position: number): Promise<{ note: string; heads: StreamHead[] } | null> {
    const { rows } = await logPool.query<{ note: string; heads: string }>(
      "select note, audit_heads(c) as heads from audit_checkpoints c where organization_id = $1 and position >= $2 order by position limit 1",
      [organizationId, position],
    );
    return rows[0] === undefined ? null : { note: rows[0].note, heads: JSON.parse(rows[0].heads) as StreamHead[] };
  }

  async function prove(organizationId: string, { stream, seq, position }: Found, now: string): Promise<z.input<typeof EventProof>> {
    let signed = await covering(organizationId, position);
    if (signed === null) {
      await checkpoint(logPool, keys, organizationId, now);
      signed = await covering(organizationId, position);
    }
    const name = `${stream.type}:${stream.id}`;
    const head = signed?.heads.find((one) => one.stream === name);
    const inclusion = signed === null ? null : await inclusionOf(nodePrimitives, signed.heads, name);
    if (signed === null || head === undefined || inclusion === null || head.seq < seq)
      throw new Error(`no checkpoint covers ${name} ${seq}, though one was just signed`);
    const first = await storedStream(db, log, organizationId, stream, seq - 1).next();
    if (first.done === true) throw new Error(`${name} ${seq} was there a moment ago`);
    const ring = await ringOf(logPool, organizationId, keys);
    return {
      format: PROOF_FORMAT,
      organization_id: organizationId,
      event: { ...first.value, stream: { ...stream, type: stream.type as StreamType } },
      links: await links(organizationId, stream, seq, head.seq),
      inclusion: { index: inclusion.index, size: inclusion.size, path: inclusion.path.map(toBase64) },
      checkpoint: signed.note,
      keys: ring.map(({ key }) => key.text),
      rotations: ring.flatMap(({ statement }) => (statement === null ? [] : [statement])),
    };
  }

  /** After `from` up to and with `to`. */
  async function links(organizationId: string, stream: Place["stream"], from: number, to: number): Promise<string> {
    const { rows } = await logPool.query<{ entry: Buffer; position: string; header: string; data: null }>(
      `select sha256('\\x00'::bytea || convert_to(header, 'UTF8')) as entry, position, case when header = '' then '' else 'hot' end as header, null as data
         from evt_events
        where organization_id = $1 and stream_type = $2 and stream_id = $3 and seq > $4 and seq <= $5 order by seq`,
      [organizationId, stream.type, stream.id, from, to],
    );
    const cold = rows.map(isCold);
    const entries = (await log.hydrate(rows)).map(({ entry, header }, i) =>
      cold[i] === true ? createHash("sha256").update(Buffer.of(0)).update(header).digest() : entry,
    );
    return Buffer.concat(entries).toString("base64");
  }

  return { find, prove };
}
