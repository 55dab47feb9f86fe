/*
 * The heads of an organization's streams as a checkpoint signs them. All of them are read once for a process; after
 * that only those which have moved since, by the events behind the position of the time before:
 *
 *   nothing known ─► read all ─► known at position p ─► read streams of events after p ─► known at position q …
 *         ▲                                                     │ fewer or more streams than that explains
 *         └─────────────────────────────────────────────────────┘
 *
 * Everything is read in the caller's snapshot: positions become visible in their order (0001-log.sql), so what was
 * known at p and the events after p are all that it sees. Forgetting is always right.
 */
import { growingTree, type GrowingTree, type StreamHead } from "@signalbox/verify/merkle";
import { nodePrimitives } from "@signalbox/verify/node";
import type pg from "pg";
import { createHash } from "node:crypto";

export interface Heads {
  readonly count: number;
  readonly rootHash: Uint8Array;
  /** In their order; put together with commas, `StreamHead[]` as JSON without its brackets. */
  readonly pages: readonly Page[];
}

/** Heads one after the other, kept once however many checkpoints have them. */
export interface Page {
  readonly hash: Buffer;
  readonly heads: string;
}

interface Known {
  readonly position: number;
  /** In the order of the tree, each with its own JSON. */
  readonly heads: readonly (StreamHead & { readonly json: string; readonly endsPage: boolean })[];
}

/** About so many heads to a page. */
const PAGE = 64;

/** So many events later it is quicker to read all heads again. */
const FAR = 20_000;
/** 2.5 MB each with 10,000 streams. */
const ORGANIZATIONS = 16;
const remembered = new WeakMap<pg.Pool, Map<string, { known: Known; readonly tree: GrowingTree }>>();

const SELECT = `select h.stream_type || ':' || h.stream_id as stream, h.seq, 'sha256:' || encode(h.hash, 'hex') as hash`;
const OF_OURS = `h.organization_id = $1 and h.seq > 0 and h.import_id is null`;

/**
 * `client` is one of `pool` and has a snapshot, in which `position` is the organization's last. Reading 10,001 heads and
 * hashing their tree took three quarters of a checkpoint.
 */
export async function headsAt(pool: pg.Pool, client: pg.ClientBase, organizationId: string, position: number): Promise<Heads> {
  const of = remembered.get(pool) ?? new Map<string, { known: Known; tree: GrowingTree }>();
  remembered.set(pool, of);
  const before = of.get(organizationId);
  const tree = before?.tree ?? growingTree(nodePrimitives);
  const known = (await moved(client, organizationId, before?.known, position)) ?? (await all(client, organizationId, position));
  const rootHash = await tree.rootOf(known.heads);
  of.delete(organizationId);
  of.set(organizationId, { known, tree });
  if (of.size > ORGANIZATIONS) of.delete(of.keys().next().value!);
  return { count: known.heads.length, rootHash, pages: pagesOf(known.heads) };
}

/** A page ends with certain names and not after a number of them, so that a stream that is new moves no page but its own. */
function pagesOf(heads: Known["heads"]): Page[] {
  const pages: Page[] = [];
  let from = 0;
  heads.forEach(({ endsPage }, i) => {
    if (!endsPage && i + 1 < heads.length) return;
    const text = heads
      .slice(from, i + 1)
      .map(({ json }) => json)
      .join(",");
    pages.push({ hash: createHash("sha256").update(text).digest(), heads: text });
    from = i + 1;
  });
  return pages;
}

async function all(client: pg.ClientBase, organizationId: string, position: number): Promise<Known> {
  const { rows } = await client.query<Row>(
    // As the tree has them: what is sorted is quickly sorted.
    `${SELECT} from evt_stream_heads h where ${OF_OURS} order by h.stream_type, h.stream_id`,
    [organizationId],
  );
  return { position, heads: rows.map(headOf).toSorted(byName) };
}

/** Null when that is not enough to know. */
async function moved(client: pg.ClientBase, organizationId: string, known: Known | undefined, position: number): Promise<Known | null> {
  if (known === undefined || known.position > position || position - known.position > FAR) return null;
  const { rows } = await client.query<Row>(
    `${SELECT} from evt_stream_heads h
      join (select distinct stream_type, stream_id from evt_events where position > $2 and organization_id = $1 and import_id is null) e
        on e.stream_type = h.stream_type and e.stream_id = h.stream_id
     where ${OF_OURS}`,
    [organizationId, known.position],
  );
  const fresh = new Map(rows.map((row) => [row.stream, headOf(row)]));
  const heads = known.heads.map((head) => {
    const now = fresh.get(head.stream);
    if (now === undefined) return head;
    fresh.delete(head.stream);
    return now;
  });
  const together = fresh.size === 0 ? heads : [...heads, ...fresh.values()].toSorted(byName);
  const { rows: there } = await client.query<{ n: string }>(`select count(*) as n from evt_stream_heads h where ${OF_OURS}`, [
    organizationId,
  ]);
  return Number(there[0]?.n) === together.length ? { position, heads: together } : null;
}

interface Row {
  readonly stream: string;
  readonly seq: string;
  readonly hash: string;
}

function headOf({ stream, seq, hash }: Row): Known["heads"][number] {
  const head: StreamHead = { stream, seq: Number(seq), hash };
  let sum = 0;
  for (let i = 0; i < stream.length; i++) sum = (Math.imul(sum, 31) + stream.charCodeAt(i)) | 0;
  return { ...head, json: JSON.stringify(head), endsPage: (sum ^ (sum >>> 12)) % PAGE === 0 };
}

const byName = (a: StreamHead, b: StreamHead): number => (a.stream < b.stream ? -1 : a.stream > b.stream ? 1 : 0);
