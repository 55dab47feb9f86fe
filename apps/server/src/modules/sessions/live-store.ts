/* `session_live`: what was streamed, for a day. Written by all sessions of a process in one insert, read by cursor. */
import type { SessionDelta } from "@signalbox/contract/sync";
import type pg from "pg";

export interface Entry {
  readonly n: number;
  readonly delta: SessionDelta;
}
/** What one session said between two flushes; `n` ascends without gaps. */
export interface Batch {
  readonly organizationId: string;
  readonly sessionId: string;
  readonly epoch: number;
  readonly entries: readonly Entry[];
  readonly beginsTurn: boolean;
}

export interface LiveStore {
  write(batches: readonly Batch[]): Promise<void>;
  /** Rows with something after the cursor, ascending. */
  read(sessionId: string, after: { epoch: number; n: number }, rows: number): Promise<Batch[]>;
  head(sessionId: string): Promise<{ epoch: number; n: number } | null>;
  /** Where the last turn began: the cursor right before it. */
  turnStart(sessionId: string): Promise<{ epoch: number; n: number } | null>;
  /** Drops whole hours that are over `retentionMs` old. */
  expire(retentionMs: number): Promise<number>;
}

interface Row {
  organization_id: string;
  session_id: string;
  epoch: string;
  entries: string;
  begins_turn: boolean;
}

export function createLiveStore(pool: pg.Pool, nowMs: () => number): LiveStore {
  let hourMade = 0;
  const batchOf = (row: Row): Batch => ({
    organizationId: row.organization_id,
    sessionId: row.session_id,
    epoch: Number(row.epoch),
    beginsTurn: row.begins_turn,
    entries: (JSON.parse(row.entries) as [number, SessionDelta][]).map(([n, delta]) => ({ n, delta })),
  });
  const COLUMNS = "organization_id, session_id, epoch, entries, begins_turn";

  return {
    async write(batches) {
      const now = nowMs();
      const hour = Math.floor(now / 3_600_000);
      if (hour !== hourMade) {
        await pool.query("select public.session_live_hour($1)", [new Date(now)]);
        hourMade = hour;
      }
      await pool.query({
        name: "session_live_write",
        text: `insert into session_live (organization_id, session_id, epoch, from_n, to_n, at, begins_turn, entries)
               select o, s, e, f, t, $8::timestamptz, b, j from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::boolean[], $7::text[]) as u (o, s, e, f, t, b, j)
               on conflict do nothing`,
        values: [
          batches.map((b) => b.organizationId),
          batches.map((b) => b.sessionId),
          batches.map((b) => b.epoch),
          batches.map((b) => b.entries[0]!.n),
          batches.map((b) => b.entries.at(-1)!.n),
          batches.map((b) => b.beginsTurn),
          batches.map((b) => JSON.stringify(b.entries.map((e) => [e.n, e.delta]))),
          new Date(now),
        ],
      });
    },
    async read(sessionId, after, rows) {
      const found = await pool.query<Row>({
        name: "session_live_read",
        text: `select ${COLUMNS} from session_live where session_id = $1 and (epoch, to_n) > ($2, $3) order by epoch, to_n limit $4`,
        values: [sessionId, after.epoch, after.n, rows],
      });
      return found.rows.map(batchOf);
    },
    async head(sessionId) {
      const { rows } = await pool.query<{ epoch: string; to_n: string }>(
        `select epoch, to_n from session_live where session_id = $1 order by epoch desc, to_n desc limit 1`,
        [sessionId],
      );
      return rows[0] === undefined ? null : { epoch: Number(rows[0].epoch), n: Number(rows[0].to_n) };
    },
    async turnStart(sessionId) {
      const { rows } = await pool.query<{ epoch: string; from_n: string }>(
        `select epoch, from_n from session_live where session_id = $1 and begins_turn order by epoch desc, to_n desc limit 1`,
        [sessionId],
      );
      return rows[0] === undefined ? null : { epoch: Number(rows[0].epoch), n: Number(rows[0].from_n) - 1 };
    },
    async expire(retentionMs) {
      const { rows } = await pool.query<{ dropped: number }>("select public.session_live_drop($1) as dropped", [
        new Date(nowMs() - retentionMs),
      ]);
      return rows[0]?.dropped ?? 0;
    },
  };
}
