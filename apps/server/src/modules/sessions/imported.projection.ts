/* Sessions that came with an imported log: shown like any other, over, and forgotten with their import. */
import { importProjection } from "@signalbox/eventlog/append-foreign";
import type { Projection } from "@signalbox/eventlog/log";

const taking = (projection: Projection): Projection => ({ ...projection, imported: projection.types });

/** These tables only show: what runs, boots or spends is decided from the subjects' events, which imports cannot add to. */
export const withImported = (projections: readonly Projection[]): readonly Projection[] => [
  ...projections.map(taking),
  importProjection({
    name: "sessions.imported",
    tables: ["proj_sessions", "proj_session_turns", "proj_session_items", "proj_session_moves", "proj_questions"],
    end: [
      `update proj_sessions s set status = 'stopped', status_reason = 'It was still open when it was exported.'
         from import i where s.id = any(i.sessions) and s.status not in ('completed', 'stopped', 'failed')`,
      `update proj_sessions s set current_run_id = null, pending_approvals = 0, pending_questions = 0 from import i where s.id = any(i.sessions)`,
      `update proj_questions q set status = 'dismissed' from import i where q.session_id = any(i.sessions) and q.status = 'open'`,
      `update proj_session_turns t set status = 'canceled' from import i where t.session_id = any(i.sessions) and t.status in ('queued', 'running')`,
    ],
    remove: [
      "proj_session_items t using import i where t.session_id",
      "proj_session_turns t using import i where t.session_id",
      "proj_sessions t using import i where t.id",
    ].map((rows) => `delete from ${rows} = any(i.sessions)`),
  }),
];
