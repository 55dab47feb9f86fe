import type { Tx } from "@signalbox/eventlog/log";
import { sql } from "kysely";
import type pg from "pg";
import type { Database } from "../../module.ts";

export interface PreviewRow {
  readonly id: string;
  readonly organizationId: string;
  readonly sessionId: string;
  readonly roomId: string;
  readonly port: number;
  readonly createdBy: string;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly closedAt: string | null;
  readonly reason: string | null;
}

interface Stored {
  readonly organization_id: string;
  readonly id: string;
  readonly session_id: string;
  readonly room_id: string;
  readonly port: number;
  readonly created_by: string;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly closed_at: Date | null;
  readonly reason: string | null;
}

const rowOf = (row: Stored): PreviewRow => ({
  id: row.id,
  organizationId: row.organization_id,
  sessionId: row.session_id,
  roomId: row.room_id,
  port: row.port,
  createdBy: row.created_by,
  createdAt: row.created_at.toISOString(),
  expiresAt: row.expires_at.toISOString(),
  closedAt: row.closed_at?.toISOString() ?? null,
  reason: row.reason,
});

export interface PreviewQueries {
  /** Neither closed nor expired, oldest first. */
  open(organizationId: string, sessionId: string, now: string): Promise<PreviewRow[]>;
  get(organizationId: string, previewId: string): Promise<PreviewRow | null>;
  /** Across organizations: a host name says none. */
  anywhere(previewId: string): Promise<PreviewRow | null>;
  /** Past their deadline and not recorded as closed. */
  due(now: string): Promise<PreviewRow[]>;
  ofSessions(tx: Tx, sessionIds: readonly string[]): Promise<PreviewRow[]>;
}

export function previewQueries(db: Database, pool: pg.Pool): PreviewQueries {
  return {
    async open(organizationId, sessionId, now) {
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<Stored>`select * from proj_previews where session_id = ${sessionId} and closed_at is null and expires_at > ${now} order by created_at, id`.execute(
          tx,
        ),
      );
      return rows.map(rowOf);
    },
    async get(organizationId, previewId) {
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<Stored>`select * from proj_previews where id = ${previewId}`.execute(tx),
      );
      return rows[0] === undefined ? null : rowOf(rows[0]);
    },
    async anywhere(previewId) {
      const { rows } = await pool.query<Stored>({
        name: "preview_anywhere",
        text: "select * from proj_previews where id = $1",
        values: [previewId],
      });
      return rows[0] === undefined ? null : rowOf(rows[0]);
    },
    async due(now) {
      const { rows } = await pool.query<Stored>("select * from proj_previews where closed_at is null and expires_at <= $1 limit 500", [
        now,
      ]);
      return rows.map(rowOf);
    },
    async ofSessions(tx, sessionIds) {
      const { rows } = await tx.query<Stored>("select * from proj_previews where session_id = any($1) and closed_at is null", [sessionIds]);
      return rows.map(rowOf);
    },
  };
}
