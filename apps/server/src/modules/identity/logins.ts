/*
 * Login codes and cookie sessions.
 *
 *   code:     issued ──use (once, within 15 min)──► used
 *   session:  opened ──seen──► its end slides to 30 days from now ──end / close──► gone
 *             vouched for by an organization's provider: its end, a day on, stays where it is
 *
 * Every login opens a new session with a new secret: a cookie planted before it is worth nothing.
 */
import { newId, newSecret } from "@signalbox/kernel/id";
import { plusMs } from "@signalbox/kernel/clock";
import { sql } from "kysely";
import { secretHash } from "./credentials.ts";
import type { RequestContext } from "../../http/handle.ts";
import type { IdentityDeps } from "./public.ts";

const CODE_TTL_MS = 15 * 60_000;
const SESSION_TTL_MS = 30 * 24 * 3_600_000;
/** What a provider vouched for is asked again after a day, so that whoever it lets go is out by then. */
const VOUCHED_TTL_MS = 24 * 3_600_000;

export interface Logins {
  readonly markEveryMs: number;
  /** `onlyIn`: what comes of it acts in that organization alone. */
  issue(organizationId: string, principalId: string, onlyIn?: string): Promise<{ code: string; url: string; expiresAt: string }>;
  /** Null when the code is wrong, used or too old; nothing tells which. */
  use(code: string): Promise<{ organizationId: string; principalId: string; onlyIn: string | null } | null>;
  open(organizationId: string, principalId: string, onlyIn?: string | null): Promise<{ id: string; secret: string }>;
  /** By another's word, in that organization alone. */
  openVouched(of: {
    readonly id: string;
    readonly organizationId: string;
    readonly principalId: string;
    readonly method: string;
    readonly from: RequestContext["from"];
  }): Promise<{ readonly secret: string; readonly ttlS: number }>;
  /** Whose it was and where it acted; null: it was over. */
  close(sessionId: string): Promise<{ readonly principalId: string; readonly organizationId: string } | null>;
  slide(sessionId: string): Promise<unknown>;
  /** From now on the session acts in that organization. */
  move(sessionId: string, organizationId: string): Promise<void>;
  /** Drops what ended. */
  sweep(): Promise<void>;
}

export function createLogins({ db, clock, anywhere, publicUrl }: IdentityDeps): Logins {
  return {
    markEveryMs: 60_000,

    async issue(organizationId, principalId, onlyIn) {
      const code = newSecret("sbl");
      const expiresAt = plusMs(clock.now(), CODE_TTL_MS);
      await db.inOrganization(organizationId, (tx) =>
        sql`insert into idn_login_codes (organization_id, code_hash, principal_id, expires_at, only_in)
            values (${organizationId}, ${secretHash(code)}, ${principalId}, ${expiresAt}, ${onlyIn ?? null})`.execute(tx),
      );
      return { code, url: `${publicUrl()}/login?code=${code}`, expiresAt };
    },

    async use(code) {
      const { rows } = await anywhere.query<{ organization_id: string; principal_id: string; only_in: string | null }>(
        "select * from idn_use_login_code($1, $2)",
        [secretHash(code), clock.now()],
      );
      const row = rows[0];
      return row === undefined ? null : { organizationId: row.organization_id, principalId: row.principal_id, onlyIn: row.only_in };
    },

    async open(organizationId, principalId, onlyIn) {
      const id = newId("login");
      const secret = newSecret("sbc");
      const now = clock.now();
      await anywhere.query(
        `insert into idn_sessions (organization_id, id, secret_hash, principal_id, created_at, seen_at, expires_at, only_in)
         values ($1, $2, $3, $4, $5, $5, $6, $7)`,
        [organizationId, id, secretHash(secret), principalId, now, plusMs(now, SESSION_TTL_MS), onlyIn ?? null],
      );
      return { id, secret };
    },

    async openVouched({ id, organizationId, principalId, method, from }) {
      const secret = newSecret("sbc");
      const now = clock.now();
      await anywhere.query(
        `insert into idn_sessions (organization_id, id, secret_hash, principal_id, created_at, seen_at, expires_at, only_in, method, ip_address, user_agent)
         values ($1, $2, $3, $4, $5, $5, $6, $1, $7, $8, $9)`,
        [
          organizationId,
          id,
          secretHash(secret),
          principalId,
          now,
          plusMs(now, VOUCHED_TTL_MS),
          method,
          from?.address ?? null,
          from?.userAgent ?? null,
        ],
      );
      return { secret, ttlS: VOUCHED_TTL_MS / 1000 };
    },

    async close(sessionId) {
      const { rows } = await anywhere.query<{ principal_id: string; organization_id: string }>(
        "delete from idn_sessions where id = $1 returning principal_id, organization_id",
        [sessionId],
      );
      const row = rows[0];
      return row === undefined ? null : { principalId: row.principal_id, organizationId: row.organization_id };
    },

    slide: (sessionId) =>
      anywhere.query(
        "update idn_sessions set seen_at = $2, expires_at = case when method = 'single_sign_on' then expires_at else $3 end where id = $1",
        [sessionId, clock.now(), plusMs(clock.now(), SESSION_TTL_MS)],
      ),

    async move(sessionId, organizationId) {
      await anywhere.query("update idn_sessions set organization_id = $2 where id = $1", [sessionId, organizationId]);
    },

    async sweep() {
      await anywhere.query("select idn_sweep($1)", [clock.now()]);
    },
  };
}
