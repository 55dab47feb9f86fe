import { sql } from "kysely";
import type pg from "pg";
import type { Database } from "../../module.ts";
import type { EndReason } from "./live-terminal.ts";

export interface TerminalRow {
  readonly id: string;
  readonly organizationId: string;
  readonly sessionId: string;
  readonly roomId: string;
  readonly cols: number;
  readonly rows: number;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly closedAt: string | null;
  readonly reason: EndReason | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
}

interface Stored {
  readonly organization_id: string;
  readonly id: string;
  readonly session_id: string;
  readonly room_id: string;
  readonly cols: number;
  readonly rows: number;
  readonly created_by: string;
  readonly created_at: Date;
  readonly closed_at: Date | null;
  readonly reason: EndReason | null;
  readonly exit_code: number | null;
  readonly signal: string | null;
}

const rowOf = (row: Stored): TerminalRow => ({
  id: row.id,
  organizationId: row.organization_id,
  sessionId: row.session_id,
  roomId: row.room_id,
  cols: row.cols,
  rows: row.rows,
  createdBy: row.created_by,
  createdAt: row.created_at.toISOString(),
  closedAt: row.closed_at?.toISOString() ?? null,
  reason: row.reason,
  exitCode: row.exit_code,
  signal: row.signal,
});

export interface TerminalQueries {
  /** Open, or closed after `closedAfter`; oldest first. */
  list(organizationId: string, sessionId: string, closedAfter: string): Promise<TerminalRow[]>;
  get(organizationId: string, terminalId: string): Promise<TerminalRow | null>;
  /** Of whichever organization: for who has to find its process. */
  sessionOf(terminalId: string): Promise<string | null>;
  /** Of every organization. */
  open(): Promise<TerminalRow[]>;
}

export function terminalQueries(db: Database, pool: pg.Pool): TerminalQueries {
  return {
    async list(organizationId, sessionId, closedAfter) {
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<Stored>`select * from (select * from proj_terminals where session_id = ${sessionId} and (closed_at is null or closed_at > ${closedAfter})
                     order by created_at desc, id desc limit 50) newest order by created_at, id`.execute(tx),
      );
      return rows.map(rowOf);
    },
    async get(organizationId, terminalId) {
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<Stored>`select * from proj_terminals where id = ${terminalId}`.execute(tx),
      );
      return rows[0] === undefined ? null : rowOf(rows[0]);
    },
    async sessionOf(terminalId) {
      const { rows } = await pool.query<{ session_id: string }>("select session_id from proj_terminals where id = $1", [terminalId]);
      return rows[0]?.session_id ?? null;
    },
    async open() {
      const { rows } = await pool.query<Stored>("select * from proj_terminals where closed_at is null order by created_at limit 1000");
      return rows.map(rowOf);
    },
  };
}
