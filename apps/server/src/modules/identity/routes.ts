import {
  createLoginCode,
  createToken,
  getMe,
  listPrincipals,
  listTokens,
  login,
  logout,
  revokeToken,
  type MeView,
} from "@signalbox/contract/identity";
import type { OrganizationRole, PrincipalId, PrincipalType, TokenId } from "@signalbox/contract/primitives";
import { SCOPES } from "@signalbox/contract/identity";
import { newId } from "@signalbox/kernel/id";
import { sql } from "kysely";
import { z } from "zod";
import { hasRole, SESSION_COOKIE } from "../../http/authenticate.ts";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import { handle, refused, type BoundRoute, type Caller } from "../../http/handle.ts";
import { principal } from "./principal.ts";
import type { IdentityParts } from "./public.ts";
import { token } from "./token.ts";
import { type TokenRow, tokenView } from "./token-view.ts";

interface PrincipalRow {
  id: string;
  type: PrincipalType;
  display_name: string;
  role: OrganizationRole | null;
  created_at: Date;
}

const organizationStream = (organizationId: string) => ({ type: "organization" as const, id: organizationId });

export function identityRoutes({
  log,
  db,
  logins,
  publicUrl,
  revoked,
  loginEnded,
  saveTokenSecret,
  localOrganizationId,
  displayNames,
}: IdentityParts): readonly BoundRoute[] {
  async function me(
    organizationId: string,
    of: Pick<Caller, "principal" | "role" | "scopes" | "impersonatedBy">,
  ): Promise<z.input<typeof MeView>> {
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<{ name: string }>`select name from proj_organizations`.execute(tx),
    );
    const operator = of.impersonatedBy;
    return {
      ...(operator === undefined
        ? {}
        : {
            impersonation: {
              operator_id: operator.id,
              operator_name: (await displayNames(organizationId, [operator.id])).get(operator.id) ?? operator.id,
              expires_at: new Date(operator.untilMs).toISOString(),
            },
          }),
      principal: { id: of.principal.id, type: of.principal.type, display_name: of.principal.displayName },
      organization: { id: organizationId, name: rows[0]?.name ?? organizationId },
      role: of.role,
      scopes: [...of.scopes],
    };
  }

  async function tokenRow(organizationId: string, id: string): Promise<TokenRow> {
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<TokenRow>`select t.*, s.last_used_at from proj_tokens t left join idn_token_secrets s on s.token_id = t.id where t.id = ${id}`.execute(
        tx,
      ),
    );
    const row = rows[0];
    if (row === undefined) throw new Error(`${id} was written but cannot be read`);
    return row;
  }

  /** Lax would let other sites open our pages with it; nobody links into a control room from elsewhere. */
  const cookie = (value: string, maxAgeS: number): string =>
    `${SESSION_COOKIE}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAgeS}${publicUrl().startsWith("https:") ? "; Secure" : ""}`;

  return [
    handle(login, async ({ body, origin, responseHeaders }) => {
      const used = await logins.use(body.code);
      if (used === null) {
        return refused("login_code_invalid", {
          message: "This login link is not valid: it was used already, is older than 15 minutes, or is incomplete.",
          fix: "Make a new one with `signalbox login`, or restart the server: it prints one.",
        });
      }
      const { organizationId, principalId, onlyIn } = used;
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<PrincipalRow>`select * from proj_principals where id = ${principalId}`.execute(tx),
      );
      const person = rows[0];
      if (person === undefined || person.role === null)
        return refused("login_code_invalid", {
          message: "Whoever this link was made for may not log in.",
          fix: "Ask an owner of the organization.",
        });
      await log.run(
        principal,
        {
          organizationId,
          stream: organizationStream(organizationId),
          subject: `principal:${principalId}`,
          origin: { ...origin, principal: { id: principalId, type: person.type } },
        },
        { type: "log_in", id: principalId as PrincipalId },
      );
      const session = await logins.open(organizationId, principalId, onlyIn);
      // Browsers cap a cookie's age at 400 days; the session's own end is the server's to keep.
      if (responseHeaders !== undefined) responseHeaders["set-cookie"] = cookie(session.secret, 400 * 24 * 3600);
      return me(organizationId, {
        principal: { id: principalId, type: person.type, displayName: person.display_name },
        role: person.role,
        scopes: SCOPES,
      });
    }),

    handle(logout, async ({ caller, responseHeaders }) => {
      if (caller.credential?.kind === "session") {
        // Its own person's, whoever it acts as.
        const closed = await logins.close(caller.credential.id);
        if (closed !== null) await loginEnded({ id: caller.credential.id, ...closed });
      }
      if (responseHeaders !== undefined) responseHeaders["set-cookie"] = cookie("", 0);
      return { ok: true };
    }),

    handle(createLoginCode, async ({ caller, origin }) => {
      const { organizationId, principal: of } = caller;
      await log.run(
        principal,
        { organizationId, origin, stream: organizationStream(organizationId), subject: `principal:${of.id}` },
        { type: "make_link", id: of.id as PrincipalId },
      );
      const { code, url, expiresAt } = await logins.issue(
        caller.organizationId,
        caller.principal.id,
        // What one organization gave out opens no other; the installation's own is its operator's.
        caller.organizationId === localOrganizationId || (caller.credential?.kind === "session" && caller.credential.onlyIn === undefined)
          ? undefined
          : caller.organizationId,
      );
      return { code, url, expires_at: expiresAt };
    }),

    handle(getMe, ({ caller }) => me(caller.organizationId, caller)),

    handle(listPrincipals, async ({ caller, query }) => {
      const after = decodeCursor(query.cursor, z.tuple([z.iso.datetime(), z.string()]));
      const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
        sql<PrincipalRow>`
          select id, type, display_name, role, created_at from proj_principals
           where (${query.type ?? null}::text is null or type = ${query.type ?? null})
             and (${after?.[0] ?? null}::timestamptz is null or (created_at, id) < (${after?.[0] ?? null}::timestamptz, ${after?.[1] ?? null}::text))
           order by created_at desc, id desc limit ${query.limit + 1}`.execute(tx),
      );
      return pageOf(rows, query.limit, principalView, (row) => [row.created_at.toISOString(), row.id]);
    }),

    handle(createToken, async ({ caller, body, origin, now }) => {
      const { organizationId } = caller;
      const id = newId("tok") as TokenId;
      const secret = await saveTokenSecret(organizationId, id);
      const decision = await log.run(
        token,
        { organizationId, origin, stream: organizationStream(organizationId), subject: `token:${id}` },
        {
          type: "create",
          id,
          name: body.name,
          principalId: caller.principal.id as PrincipalId,
          scopes: body.scopes,
          held: caller.scopes,
          expiresAt: body.expires_at,
          now,
        },
      );
      if (!decision.ok) {
        const { code } = decision.refusal;
        if (code === "expires_at_invalid")
          return refused(code, { message: "expires_at lies in the past.", fix: `Give a time after ${now}.` });
        if (code === "scope_not_held")
          return refused(code, {
            message: `You do not hold: ${decision.refusal.details.scopes.join(", ")}.`,
            fix: "Ask only for scopes that your own token has.",
          });
        throw new Error(`a new token cannot be refused as ${code}`);
      }
      return { ...tokenView(await tokenRow(organizationId, id)), secret };
    }),

    handle(listTokens, async ({ caller, query }) => {
      const after = decodeCursor(query.cursor, z.tuple([z.string()]));
      const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
        sql<TokenRow>`
          select t.*, s.last_used_at from proj_tokens t left join idn_token_secrets s on s.token_id = t.id
           where t.principal_id = ${caller.principal.id} and (${after?.[0] ?? null}::text is null or t.id < ${after?.[0] ?? null})
           order by t.id desc limit ${query.limit + 1}`.execute(tx),
      );
      return pageOf(rows, query.limit, tokenView, (row) => [row.id]);
    }),

    handle(revokeToken, async ({ caller, params, origin }) => {
      const { organizationId } = caller;
      const by = hasRole(caller.role, "admin") ? null : (caller.principal.id as PrincipalId);
      const decision = await log.run(
        token,
        { organizationId, origin, stream: organizationStream(organizationId), subject: `token:${params.id}` },
        { type: "revoke", by },
      );
      if (!decision.ok) return refused("token_not_found", { message: "There is no such token.", fix: "List yours with GET /v1/tokens." });
      // Before the answer: whoever was told that it is revoked may rely on it.
      revoked(params.id);
      return tokenView(await tokenRow(organizationId, params.id));
    }),
  ];
}

const principalView = (row: PrincipalRow) => ({
  id: row.id,
  type: row.type,
  display_name: row.display_name,
  role: row.role,
  created_at: row.created_at.toISOString(),
});
