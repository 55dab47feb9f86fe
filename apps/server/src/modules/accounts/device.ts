/*
 * A program signs in (RFC 8628): it shows a short code and polls, the person types the code in a
 * browser where they are signed in, and the program gets an API token of theirs, once.
 *
 *   pending ──approve──► approved ──poll──► used        pending ──deny──► denied
 *   900 s after its start every state is expired.
 *
 * The token is made when it is handed out, so that its secret is kept nowhere. Both codes are useless
 * to whoever reads the database: the program's is hashed, the person's needs a signed-in person.
 */
import { answerDevice, getDevice, pollDevice, startDevice } from "@signalbox/contract/accounts";
import type { Scope } from "@signalbox/contract/route";
import type { Tx } from "@signalbox/eventlog/log";
import { plusMs, type Clock } from "@signalbox/kernel/clock";
import { newSecret } from "@signalbox/kernel/id";
import { randomInt } from "node:crypto";
import { handle, refused, type BoundRoute } from "../../http/handle.ts";
import { ShellRefused } from "../../http/refusal.ts";
import { type IdentityModule, secretHash } from "../identity/public.ts";
import { type Attempts, LIMITS } from "./attempts.ts";

const TTL_S = 900;
const INTERVAL_S = 5;
/** Clocks and networks jitter: a poll is too early only when it is clearly so. */
const GRACE_MS = 500;
/** No vowels and nothing that looks like something else. */
const LETTERS = "BCDFGHJKLMNPQRSTVWXZ";

interface Row {
  client_name: string;
  scopes: Scope[];
  expires_at: Date;
  polled_at: Date | null;
  status: "pending" | "approved" | "denied" | "used";
  organization_id: string | null;
  principal_id: string | null;
}

export function deviceRoutes(deps: {
  readonly anywhere: Tx;
  readonly clock: Clock;
  readonly identity: Pick<IdentityModule, "issueToken">;
  readonly attempts: Attempts;
  readonly publicUrl: () => string;
}): readonly BoundRoute[] {
  const { anywhere, clock, attempts } = deps;

  async function insist(ok: Promise<boolean>): Promise<void> {
    if (!(await ok)) throw new ShellRefused("rate_limited", "Too many tries.", { fix: "Wait a minute." });
  }

  return [
    handle(startDevice, async ({ body, from }) => {
      await insist(attempts.take(LIMITS.device, from?.address ?? ""));
      const device_code = newSecret("sbd");
      const letters = Array.from({ length: 4 }, () => LETTERS[randomInt(LETTERS.length)]).join("");
      const user_code = `${letters}-${String(randomInt(10_000)).padStart(4, "0")}`;
      // One in 1.6 thousand million collides with a living one, and is then a fault to be tried again.
      await anywhere.query(
        "insert into idn_devices (device_hash, user_code, client_name, scopes, expires_at) values ($1, $2, $3, $4, $5)",
        [secretHash(device_code), user_code, body.client_name, [...new Set(body.scopes)], plusMs(clock.now(), TTL_S * 1000)],
      );
      const verification_uri = `${deps.publicUrl()}/device`;
      return {
        device_code,
        user_code,
        verification_uri,
        verification_uri_complete: `${verification_uri}?code=${user_code}`,
        expires_in: TTL_S,
        interval: INTERVAL_S,
      };
    }),

    handle(pollDevice, async ({ body }) => {
      const hash = secretHash(body.device_code);
      const now = clock.now();
      // The time of the poll and what it found in one statement: two polls at once are one too early.
      const { rows } = await anywhere.query<Row & { polled_before: Date | null }>(
        `with before as (select * from idn_devices where device_hash = $1 for update)
         update idn_devices d set polled_at = $2, status = case when d.status = 'approved' and d.expires_at > $2 then 'used' else d.status end
           from before where d.device_hash = before.device_hash
         returning before.*, before.polled_at as polled_before`,
        [hash, now],
      );
      const row = rows[0];
      if (row === undefined || row.status === "used" || row.expires_at.getTime() <= Date.parse(now))
        return refused("expired_token", { message: "This sign-in has ended.", fix: "Begin again." });
      if (row.status === "denied")
        return refused("access_denied", { message: "It was denied.", fix: "Begin again if that was a mistake." });
      if (row.status === "pending") {
        const sinceMs = row.polled_before === null ? Number.POSITIVE_INFINITY : Date.parse(now) - row.polled_before.getTime();
        return sinceMs < INTERVAL_S * 1000 - GRACE_MS
          ? refused("slow_down", { message: `Ask every ${INTERVAL_S} seconds.`, fix: "Wait five seconds longer between polls." })
          : refused("authorization_pending", { message: "Nobody has answered yet.", fix: `Ask again in ${INTERVAL_S} seconds.` });
      }
      const { secret } = await deps.identity.issueToken({
        organizationId: row.organization_id!,
        principalId: row.principal_id!,
        name: row.client_name,
        scopes: row.scopes,
        // Whoever answered.
        by: { id: row.principal_id!, type: row.principal_id!.startsWith("usr_") ? "user" : "service" },
      });
      return { access_token: secret, token_type: "Bearer" as const, scope: row.scopes.join(" ") };
    }),

    handle(getDevice, async ({ params, caller }) => {
      await insist(attempts.take(LIMITS.userCode, caller.principal.id));
      const { rows } = await anywhere.query<Row>(
        "select * from idn_devices where user_code = $1 and status = 'pending' and expires_at > $2",
        [spelled(params.user_code), clock.now()],
      );
      const row = rows[0];
      return row === undefined ? NO_DEVICE : { client_name: row.client_name, scopes: row.scopes, expires_at: row.expires_at.toISOString() };
    }),

    handle(answerDevice, async ({ params, body, caller }) => {
      await insist(attempts.take(LIMITS.userCode, caller.principal.id));
      const code = spelled(params.user_code);
      const { rows: asked } = await anywhere.query<Row>("select * from idn_devices where user_code = $1 and status = 'pending'", [code]);
      const missing = (asked[0]?.scopes ?? []).filter((scope) => !caller.scopes.includes(scope));
      if (body.decision === "approve" && missing.length > 0)
        return refused("scope_not_held", {
          message: `You do not hold: ${missing.join(", ")}.`,
          fix: "Let it ask for less, or answer from a browser.",
        });
      const { rows } = await anywhere.query(
        `update idn_devices set status = $3, organization_id = $4, principal_id = $5
          where user_code = $1 and status = 'pending' and expires_at > $2 returning 1`,
        [code, clock.now(), body.decision === "approve" ? "approved" : "denied", caller.organizationId, caller.principal.id],
      );
      return rows.length === 0 ? NO_DEVICE : { ok: true as const };
    }),
  ];
}

const NO_DEVICE = refused("device_not_found", {
  message: "No program waits with this code: it was answered, is older than 15 minutes, or is mistyped.",
  fix: "Begin again in the program.",
});

const spelled = (code: string): string => {
  const plain = code.toUpperCase().replace("-", "");
  return `${plain.slice(0, 4)}-${plain.slice(4)}`;
};
