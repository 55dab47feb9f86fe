/*
 * Who calls the model proxy: the holder of a virtual key, or a sandbox by its socket, for which the
 * newest key of its session stands in. Answers are remembered for half a second, so a revoked key or
 * an ended session is refused within one.
 */
import { type Kysely, sql } from "kysely";
import type { Database } from "../../module.ts";
import { hashKey, organizationOfKey } from "./model-key.ts";

export interface ModelCaller {
  readonly organizationId: string;
  readonly sessionId: string;
  readonly roomId: string | null;
  readonly agentId: string;
  /** Ids of the registry; empty means all. */
  readonly models: readonly string[];
}

/** `session_ended` and `expired_key` are told apart from `invalid_key`: whoever has the key may know. */
export interface Callers {
  byKey(key: string): Promise<Found>;
  bySandbox(identity: { readonly organizationId: string; readonly sessionId: string }): Promise<Found>;
  /** Whom a further key of the session would speak for; read now, not remembered. Null: no such session. */
  ofSession(organizationId: string, sessionId: string): Promise<Found | null>;
}
export type Found =
  | { readonly ok: true; readonly caller: ModelCaller }
  | { readonly ok: false; readonly code: "invalid_key" | "expired_key" | "session_ended" };

const REMEMBER_MS = 500;
const MAX_REMEMBERED = 10_000;

interface Row {
  session_id: string;
  room_id: string | null;
  principal_id: string;
  models: string[];
  expires_at: Date;
  revoked: boolean;
  has_ended: boolean | null;
  is_suspended: boolean;
}

export function createCallers(db: Database, nowMs: () => number): Callers {
  const remembered = new Map<string, { readonly at: number; readonly found: Promise<Found> }>();

  function once(key: string, look: () => Promise<Found>): Promise<Found> {
    const now = performance.now();
    const known = remembered.get(key);
    if (known !== undefined && now - known.at < REMEMBER_MS) return known.found;
    // Whoever tries keys must not fill the memory; what is dropped is only looked up again.
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    const found = look();
    remembered.set(key, { at: now, found });
    found.catch(() => remembered.delete(key));
    return found;
  }

  const query = (organizationId: string, where: ReturnType<typeof sql>) =>
    db.inOrganization(organizationId, async (tx: Kysely<unknown>) => {
      const { rows } = await sql<Row>`
        select k.session_id, k.room_id, k.principal_id, k.models, k.expires_at, k.revoked, s.has_ended,
               idn_is_suspended(k.organization_id, k.principal_id) as is_suspended
          from proj_model_keys k left join proj_model_sessions s using (organization_id, session_id)
         where k.organization_id = ${organizationId} and ${where} order by k.key_id desc limit 1`.execute(tx);
      return rows[0];
    });

  function judge(organizationId: string, row: Row | undefined): Found {
    if (row === undefined || row.revoked) return { ok: false, code: "invalid_key" };
    // A session that nobody has heard of is not one that may spend.
    if (row.has_ended !== false || row.is_suspended) return { ok: false, code: "session_ended" };
    const { session_id: sessionId, room_id: roomId, principal_id: agentId, models } = row;
    return { ok: true, caller: { organizationId, sessionId, roomId, agentId, models } };
  }

  return {
    byKey(key) {
      const organizationId = organizationOfKey(key);
      if (organizationId === null) return Promise.resolve({ ok: false, code: "invalid_key" });
      const hash = hashKey(key);
      return once(hash, async () => {
        const row = await query(organizationId, sql`k.key_hash = ${hash}`);
        if (row !== undefined && !row.revoked && row.expires_at.getTime() <= nowMs()) return { ok: false, code: "expired_key" };
        return judge(organizationId, row);
      });
    },
    async ofSession(organizationId, sessionId) {
      const row = await query(organizationId, sql`k.session_id = ${sessionId}`);
      return row === undefined ? null : judge(organizationId, { ...row, revoked: false });
    },
    // No expiry: the socket is the credential, and it lives exactly as long as the sandbox.
    bySandbox: ({ organizationId, sessionId }) =>
      once(`${organizationId} ${sessionId}`, async () =>
        judge(organizationId, await query(organizationId, sql`k.session_id = ${sessionId} and not k.revoked`)),
      ),
  };
}
