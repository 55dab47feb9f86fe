import { getSecurity, type IdentityChange } from "@signalbox/contract/security";
import type { TokenView } from "@signalbox/contract/identity";
import type { LoginView } from "@signalbox/contract/accounts";
import { type Kysely, sql } from "kysely";
import type { z } from "zod";
import { hasRole } from "../../http/authenticate.ts";
import { handle, type BoundRoute } from "../../http/handle.ts";
import type { Database } from "../../module.ts";
import { type TokenRow, tokenView } from "./token-view.ts";

const MINE = 50;
const EVERYBODYS = 100;
const TOKENS = 200;

interface ChangeRow {
  event_id: string;
  type: string;
  at: Date;
  by_id: string;
  by_name: string | null;
  about: string | null;
  about_name: string | null;
  detail: string | null;
}
type Tx = Kysely<Record<string, never>>;

export interface SecurityDeps {
  readonly db: Database;
  /** A person's open sign-ins; `own` is the one that asks. */
  readonly loginsOf: (principalId: string, own: string | undefined) => Promise<z.input<typeof LoginView>[]>;
  readonly singleSignOn: (
    organizationId: string,
  ) => Promise<{ readonly issuer: string; readonly isRequired: boolean; readonly hasWorked: boolean } | null>;
  readonly domains: (organizationId: string) => Promise<readonly { readonly domain: string; readonly isProven: boolean }[]>;
}

export function securityRoute({ db, loginsOf, singleSignOn, domains }: SecurityDeps): BoundRoute {
  /** `of` null: everybody's. */
  async function changes(tx: Tx, of: string | null, limit: number): Promise<z.input<typeof IdentityChange>[]> {
    // Two indexes rather than an `or` over the join: a token's end says only which token.
    const wanted =
      of === null
        ? sql`select * from proj_identity_changes order by seq desc limit ${limit}`
        : sql`(select * from proj_identity_changes where about = ${of} order by seq desc limit ${limit})
              union
              (select c.* from proj_tokens t join proj_identity_changes c on c.organization_id = t.organization_id and c.ref = t.id
                where t.principal_id = ${of} order by c.seq desc limit ${limit})`;
    const { rows } = await sql<ChangeRow>`
      select c.event_id, c.type, c.at, c.by_id, b.display_name as by_name, coalesce(c.about, t.principal_id) as about, a.display_name as about_name,
             coalesce(c.detail, t.name) as detail
        from (${wanted}) c
        left join proj_tokens t on t.organization_id = c.organization_id and t.id = c.ref
        left join proj_principals b on b.organization_id = c.organization_id and b.id = c.by_id
        left join proj_principals a on a.organization_id = c.organization_id and a.id = coalesce(c.about, t.principal_id)
       order by c.seq desc limit ${limit}`.execute(tx);
    return rows.map((row) => ({
      event_id: row.event_id,
      type: row.type,
      at: row.at.toISOString(),
      by: { id: row.by_id, name: row.by_name ?? row.by_id },
      about: row.about === null ? null : { id: row.about, name: row.about_name ?? row.about },
      detail: row.detail,
    }));
  }

  /** Those that work. */
  async function tokens(tx: Tx, of: string | null, now: string): Promise<(z.input<typeof TokenView> & { principal_name: string })[]> {
    const { rows } = await sql<TokenRow & { principal_name: string | null }>`
      select t.*, s.last_used_at, p.display_name as principal_name
        from proj_tokens t
        join proj_principals p on p.organization_id = t.organization_id and p.id = t.principal_id and p.role is not null
        left join idn_token_secrets s on s.token_id = t.id
       where t.revoked_at is null and (t.expires_at is null or t.expires_at > ${now}) and (${of}::text is null or t.principal_id = ${of})
       order by t.id desc limit ${TOKENS}`.execute(tx);
    return rows.map((row) => ({ ...tokenView(row), principal_name: row.principal_name ?? row.principal_id }));
  }

  return handle(getSecurity, async ({ caller, now }) => {
    const { organizationId, principal } = caller;
    const isAdmin = hasRole(caller.role, "admin");
    const [signIns, provider, owned] = await Promise.all([
      loginsOf(principal.id, caller.credential?.id),
      singleSignOn(organizationId),
      isAdmin ? domains(organizationId) : [],
    ]);
    return db.inOrganization(organizationId, async (tx: Tx) => ({
      sign_ins: signIns,
      tokens: await tokens(tx, principal.id, now),
      changes: await changes(tx, principal.id, MINE),
      single_sign_on:
        provider === null ? null : { issuer: provider.issuer, is_required: provider.isRequired, has_worked: provider.hasWorked },
      organization: isAdmin
        ? {
            changes: await changes(tx, null, EVERYBODYS),
            tokens: await tokens(tx, null, now),
            domains: owned.map(({ domain, isProven }) => ({ domain, is_proven: isProven })),
          }
        : null,
    }));
  });
}
