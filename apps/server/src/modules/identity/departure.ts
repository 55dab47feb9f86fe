/*
 * Going out of an organization, and what the organization keeps about whoever goes.
 *
 *   member.left or member.removed, and out of every team (one unit) ─► cached identities forgotten, sockets closed
 */
import type { TokenView } from "@signalbox/contract/identity";
import type { PrincipalId, TokenId } from "@signalbox/contract/primitives";
import type { Origin } from "@signalbox/eventlog/log";
import { sql } from "kysely";
import type { z } from "zod";
import type { Deps } from "../../module.ts";
import { organization, type OrganizationRefusal } from "./organization.ts";
import { principal } from "./principal.ts";
import { team } from "./team.ts";
import { token } from "./token.ts";
import { type TokenRow, tokenView } from "./token-view.ts";

type In = { readonly organizationId: string; readonly origin: Origin };

export interface Departures {
  /** They leave, or are removed `by` somebody. Done when it returns null: whoever is told so may rely on it. */
  end(at: In, principalId: string, how: "leave" | { readonly by: PrincipalId }): Promise<OrganizationRefusal | null>;
  /** Revokes each of their tokens. Again: nothing. */
  endTokens(at: In, principalId: string): Promise<void>;
  /** Their name is not theirs any more, in every list (`principal.deleted`); nobody who is in. Again: nothing. */
  forget(at: In, principalId: string): Promise<void>;
  held(organizationId: string, principalId: string): Promise<HeldAbout>;
}
/** For whoever asks what is held about them. */
export interface HeldAbout {
  readonly teamIds: readonly string[];
  readonly tokens: readonly z.input<typeof TokenView>[];
  readonly changes: readonly { readonly eventId: string; readonly type: string; readonly at: string; readonly detail: string | null }[];
}

export function createDepartures({
  log,
  db,
  membershipEnded,
  revoked,
  suspendedMembers,
}: Pick<Deps, "log" | "db"> & {
  readonly suspendedMembers: (organizationId: string) => Promise<ReadonlySet<string>>;
  readonly membershipEnded: (organizationId: string, principalId: string) => Promise<void>;
  readonly revoked: (credentialId: string) => void;
}): Departures {
  const stream = (id: string) => ({ type: "organization" as const, id });

  return {
    /** Whoever goes leaves the teams too, so that coming back brings none of them back. */
    async end({ organizationId, origin }, id, how) {
      const principalId = id as PrincipalId;
      const suspended = await suspendedMembers(organizationId);
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<{ team_id: string }>`select team_id from proj_team_members where principal_id = ${principalId}`.execute(tx),
      );
      const { value } = await log.unit({ organizationId, origin }, async (unit) => {
        const decision = await unit.decide(organization, stream(organizationId), `organization:${organizationId}`, {
          principalId,
          suspended,
          ...(how === "leave" ? { type: "leave" } : { type: "remove", by: how.by }),
        });
        if (decision.ok)
          for (const { team_id } of rows)
            await unit.decide(team, stream(organizationId), `team:${team_id}`, {
              type: "remove_member",
              principalId,
            });
        return decision.ok ? null : decision.refusal;
      });
      if (value === null) await membershipEnded(organizationId, principalId);
      return value;
    },

    async endTokens({ organizationId, origin }, principalId) {
      const { rows } = await db.inOrganization(organizationId, (tx) =>
        sql<{ id: TokenId }>`select id from proj_tokens where principal_id = ${principalId} and revoked_at is null`.execute(tx),
      );
      for (const { id } of rows) {
        await log.run(
          token,
          { organizationId, origin, stream: stream(organizationId), subject: `token:${id}` },
          { type: "revoke", by: principalId as PrincipalId },
        );
        revoked(id);
      }
    },

    async forget({ organizationId, origin }, principalId) {
      await log.run(
        principal,
        { organizationId, origin, stream: stream(organizationId), subject: `principal:${principalId}` },
        { type: "delete", id: principalId as PrincipalId },
      );
    },

    held: (organizationId, principalId) =>
      db.inOrganization(organizationId, async (tx) => {
        const teams = await sql<{ team_id: string }>`
          select team_id from proj_team_members where principal_id = ${principalId} order by 1`.execute(tx);
        const tokens = await sql<TokenRow>`
          select t.*, s.last_used_at from proj_tokens t left join idn_token_secrets s on s.token_id = t.id
           where t.principal_id = ${principalId} order by t.id`.execute(tx);
        const changes = await sql<{ event_id: string; type: string; at: Date; detail: string | null }>`
          select event_id, type, at, detail from proj_identity_changes where about = ${principalId} order by seq`.execute(tx);
        return {
          teamIds: teams.rows.map((row) => row.team_id),
          tokens: tokens.rows.map(tokenView),
          changes: changes.rows.map((row) => ({ eventId: row.event_id, type: row.type, at: row.at.toISOString(), detail: row.detail })),
        };
      }),
  };
}
