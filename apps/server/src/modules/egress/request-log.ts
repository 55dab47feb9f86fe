/*
 * The request log: rows gathered for a moment and inserted together, so that a busy sandbox costs a
 * few statements a second. The queue is bounded; while it is full nothing new is let out, because a
 * request that cannot be recorded must not happen.
 */
import { type Kysely, sql } from "kysely";
import type { Logger } from "pino";
import type { Database } from "../../module.ts";

export interface RequestRow {
  readonly organizationId: string;
  readonly id: string;
  readonly sessionId: string;
  readonly sandboxId: string;
  readonly at: string;
  readonly method: string;
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
  readonly path: string | null;
  readonly address: string | null;
  readonly decision: "allow" | "deny";
  readonly reasonCode: string;
  readonly status: number | null;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly durationMs: number;
}

export interface RequestLog {
  push(row: RequestRow): void;
  readonly isFull: boolean;
  /** Resolves when everything pushed before is in the table. Throws when it cannot be. */
  flush(): Promise<void>;
  /** Rows that found no place; the requests themselves had been refused. */
  readonly dropped: number;
  stop(): Promise<void>;
}

const FLUSH_MS = 200;
const AT_ONCE = 500;

export function createRequestLog(db: Database, logger: Logger, capacity = 10_000): RequestLog {
  let queue: RequestRow[] = [];
  let dropped = 0;
  let tail = Promise.resolve();
  let timer: NodeJS.Timeout | null = null;

  function schedule(): void {
    timer ??= setTimeout(() => {
      timer = null;
      flush().catch((error: unknown) => {
        logger.error({ err: error, waiting: queue.length }, "the egress log cannot be written; nothing more leaves once it is full");
        schedule();
      });
    }, FLUSH_MS);
    timer.unref();
  }

  async function write(): Promise<void> {
    while (queue.length > 0) {
      const batch = queue.slice(0, AT_ONCE);
      for (const [organizationId, rows] of Map.groupBy(batch, (row) => row.organizationId)) await insert(db, organizationId, rows);
      // Only what is in the table leaves the queue. A repeat after a half-written batch is ignored by its id.
      queue = queue.slice(batch.length);
    }
  }

  function flush(): Promise<void> {
    // One at a time; whoever asked before hears of its own failure, and what is left is tried again here.
    tail = tail.catch(() => undefined).then(write);
    return tail;
  }

  return {
    push(row) {
      // Twice the capacity: what was let out before the queue was full must still find its place.
      if (queue.length >= capacity * 2) dropped++;
      else queue.push(row);
      schedule();
    },
    get isFull() {
      return queue.length >= capacity;
    },
    get dropped() {
      return dropped;
    },
    flush,
    async stop() {
      if (timer !== null) clearTimeout(timer);
      await flush().catch((error: unknown) =>
        logger.error({ err: error, lost: queue.length }, "the last egress requests could not be written"),
      );
    },
  };
}

async function insert(db: Database, organizationId: string, rows: readonly RequestRow[]): Promise<void> {
  const column = <T>(of: (row: RequestRow) => T): T[] => rows.map(of);
  await db.inOrganization(organizationId, (tx: Kysely<unknown>) =>
    sql`insert into egress_requests
          (organization_id, id, session_id, sandbox_id, at, method, scheme, host, port, path, address, decision, reason_code, status, bytes_sent, bytes_received, duration_ms)
        select ${organizationId}, * from unnest(
          ${column((r) => r.id)}::text[], ${column((r) => r.sessionId)}::text[], ${column((r) => r.sandboxId)}::text[], ${column((r) => r.at)}::timestamptz[],
          ${column((r) => r.method)}::text[], ${column((r) => r.scheme)}::text[], ${column((r) => r.host)}::text[], ${column((r) => r.port)}::int[],
          ${column((r) => r.path)}::text[], ${column((r) => r.address)}::text[], ${column((r) => r.decision)}::text[], ${column((r) => r.reasonCode)}::text[],
          ${column((r) => r.status)}::int[], ${column((r) => r.bytesSent)}::bigint[], ${column((r) => r.bytesReceived)}::bigint[], ${column((r) => r.durationMs)}::int[])
        on conflict do nothing`.execute(tx),
  );
}
