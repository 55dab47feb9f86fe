/*
 * The operator's area: organizations and people of the whole installation, suspending them, mails that
 * nobody sends, and acting as somebody. Who operates is configuration of the machine, never a role that
 * could be given in the product. See specs/admin.md.
 */
import path from "node:path";
import {
  getAdminStatus,
  listAdminLogins,
  listAdminOrganizations,
  listAdminPeople,
  listOutbox,
  restoreOrganization,
  restorePerson,
  startImpersonation,
  stopImpersonation,
  suspendOrganization,
  suspendPerson,
  type AdminOrganizationView,
  type AdminPersonView,
} from "@signalbox/contract/admin";
import type { ImpersonationId, OrganizationId, OrganizationRole, PrincipalId } from "@signalbox/contract/primitives";
import { erasable } from "@signalbox/eventlog/erasable";
import type { Origin, Tx } from "@signalbox/eventlog/log";
import { plusMs } from "@signalbox/kernel/clock";
import { newId } from "@signalbox/kernel/id";
import { z } from "zod";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import { handle, refused, type RequestContext } from "../../http/handle.ts";
import type { Deps, Module } from "../../module.ts";
import type { AccountsModule } from "../accounts/public.ts";
import { type IdentityModule, SYSTEM } from "../identity/public.ts";
import type { QuotasModule } from "../quotas/public.ts";
import { adminProjection } from "./admin.projection.ts";
import { impersonation } from "./impersonation.ts";
import { suspension, type Suspended } from "./suspension.ts";

export interface AdminDeps extends Deps {
  readonly anywhere: Tx;
  readonly identity: IdentityModule;
  readonly accounts: Pick<AccountsModule, "loginsOf" | "provenEmail">;
  readonly quotas: Pick<QuotasModule, "viewsOf">;
  /** The installation's own, and who owns it. */
  readonly local: { readonly organizationId: string; readonly ownerId: string };
  /** Addresses, in their normal spelling, whose provers operate too. */
  readonly operators: readonly string[];
}
export interface AdminModule extends Module {
  isOperator(principalId: string): Promise<boolean>;
}

interface OrganizationRow {
  id: OrganizationId;
  name: string;
  created_at: Date;
  deleted_at: Date | null;
  suspended_at: Date | null;
  suspended_reason: string | null;
  member_count: string;
  live_session_count: string;
  event_count: string;
}
interface PersonRow {
  id: PrincipalId;
  name: string;
  email: string | null;
  is_email_proven: boolean;
  created_at: Date;
  suspended_at: Date | null;
  suspended_reason: string | null;
  seen_at: Date | null;
  organizations: { id: OrganizationId; name: string; role: OrganizationRole }[];
}
const END_JOB = "admin.end_impersonation";
const EndPayload = z.object({ id: z.string() });
const After = z.tuple([z.iso.datetime(), z.string()]);

export function createAdmin(deps: AdminDeps): AdminModule {
  const { log, anywhere, clock, identity, accounts, quotas, local, operators } = deps;

  async function isOperator(principalId: string): Promise<boolean> {
    if (principalId === local.ownerId) return true;
    if (operators.length === 0) return false;
    const proven = await accounts.provenEmail(principalId);
    return proven !== null && operators.includes(proven.email);
  }

  const like = (q: string | undefined): string | null => (q === undefined || q === "" ? null : `%${q.replaceAll(/[\\%_]/g, "\\$&")}%`);
  async function person(id: string): Promise<PersonRow | undefined> {
    return (await anywhere.query<PersonRow>("select * from adm_people(null, $1, null, null, 1)", [id])).rows[0];
  }
  /** Which of these organizations let nobody in. */
  async function suspendedOf(organizations: readonly string[]): Promise<ReadonlySet<string>> {
    const { rows } = await anywhere.query<{ id: string }>(
      "select id from unnest($1::text[]) as o (id) where idn_is_suspended(o.id, '') group by id",
      [organizations],
    );
    return new Set(rows.map(({ id }) => id));
  }
  async function hasOrganization(id: string): Promise<boolean> {
    return (await identity.organizations()).includes(id);
  }

  /** In the organization's log; a person's in the installation's own. Then nothing of theirs is open. */
  async function suspend({ origin }: Pick<RequestContext, "origin">, of: Suspended, reason: string | null): Promise<void> {
    const organizationId = of.kind === "organization" ? of.id : local.organizationId;
    await log.run(
      suspension,
      { organizationId, origin, stream: { type: "organization", id: organizationId }, subject: `suspension:${of.id}` },
      reason === null ? { ...of, type: "restore" } : { ...of, type: "suspend", reason },
    );
    if (of.kind === "organization") await identity.reconnect(of.id);
    else for (const { id } of (await person(of.id))?.organizations ?? []) await identity.membershipEnded(id, of.id);
    if (of.kind === "person") identity.changed(of.id);
  }

  /** In the log of where it acted, by the operator whose it was; nothing when it had stopped. */
  async function stop(of: { readonly organizationId: string; readonly id: string; readonly by: Origin }): Promise<void> {
    await log.run(
      impersonation,
      {
        organizationId: of.organizationId,
        origin: of.by,
        stream: { type: "organization", id: of.organizationId },
        subject: `impersonation:${of.id}`,
      },
      { type: "stop" },
    );
  }
  async function stopAllOf(loginId: string, origin?: Origin): Promise<number> {
    const { rows } = await anywhere.query<{ organization_id: string; id: string; operator_id: string }>(
      "select * from adm_impersonations_of($1)",
      [loginId],
    );
    for (const { organization_id: organizationId, id, operator_id } of rows)
      await stop({ organizationId, id, by: { ...origin, principal: { id: operator_id, type: "user" } } });
    return rows.length;
  }
  identity.provideOverlays(async (loginId) => void (await stopAllOf(loginId)));

  return {
    isOperator,
    routes: [
      handle(getAdminStatus, async () => ({ is_operator: true as const })),

      handle(listAdminOrganizations, async ({ query }) => {
        const after = decodeCursor(query.cursor, After);
        const { rows } = await anywhere.query<OrganizationRow>("select * from adm_organizations($1, $2, $3, $4)", [
          like(query.q),
          after?.[0] ?? null,
          after?.[1] ?? null,
          query.limit + 1,
        ]);
        const used = await quotas.viewsOf(rows.map(({ id }) => id));
        return pageOf(
          rows,
          query.limit,
          (row) => organizationView(row, used.get(row.id)!),
          (row) => [row.created_at.toISOString(), row.id],
        );
      }),

      handle(listAdminPeople, async ({ query }) => {
        const after = decodeCursor(query.cursor, After);
        const { rows } = await anywhere.query<PersonRow>("select * from adm_people($1, null, $2, $3, $4)", [
          like(query.q),
          after?.[0] ?? null,
          after?.[1] ?? null,
          query.limit + 1,
        ]);
        const closed = await suspendedOf(rows.flatMap(({ organizations }) => organizations.map(({ id }) => id)));
        const operating = new Set<string>();
        for (const { id } of rows) if (await isOperator(id)) operating.add(id);
        return pageOf(
          rows,
          query.limit,
          (row) => personView(row, operating.has(row.id), closed),
          (row) => [row.created_at.toISOString(), row.id],
        );
      }),

      handle(listAdminLogins, async ({ params }) =>
        (await person(params.id)) === undefined ? NO_PERSON : { items: await accounts.loginsOf(params.id, undefined) },
      ),

      handle(suspendOrganization, async (request) => {
        const { id } = request.params;
        if (!(await hasOrganization(id))) return NO_ORGANIZATION;
        if (id === local.organizationId)
          return refused("organization_is_local", { message: "The installation's own organization stays open: its owner operates it." });
        await suspend(request, { kind: "organization", id }, request.body.reason);
        return DONE;
      }),
      handle(restoreOrganization, async (request) => {
        if (!(await hasOrganization(request.params.id))) return NO_ORGANIZATION;
        await suspend(request, { kind: "organization", id: request.params.id }, null);
        return DONE;
      }),
      handle(suspendPerson, async (request) => {
        const { id } = request.params;
        if ((await person(id)) === undefined) return NO_PERSON;
        if (await isOperator(id)) return IS_OPERATOR;
        await suspend(request, { kind: "person", id }, request.body.reason);
        return DONE;
      }),
      handle(restorePerson, async (request) => {
        if ((await person(request.params.id)) === undefined) return NO_PERSON;
        await suspend(request, { kind: "person", id: request.params.id }, null);
        return DONE;
      }),

      handle(listOutbox, async () => {
        const { rows } = await anywhere.query<{
          id: string;
          recipient: string;
          subject: string;
          body: string;
          created_at: Date;
          expires_at: Date;
        }>("select * from acc_outbox where expires_at > $1 order by created_at desc, id desc limit 200", [clock.now()]);
        return {
          items: rows.map((row) => ({
            id: row.id,
            to: row.recipient,
            subject: row.subject,
            text: row.body,
            created_at: row.created_at.toISOString(),
            expires_at: row.expires_at.toISOString(),
          })),
        };
      }),

      handle(startImpersonation, async ({ caller, body, origin, now }) => {
        const { organization_id: organizationId, principal_id: principalId } = body;
        if (caller.credential?.kind !== "session")
          return refused("not_a_browser", {
            message: "Somebody is acted as in a browser, where it can be seen.",
            fix: "Sign in with one.",
          });
        const target = await person(principalId);
        if (target === undefined || !target.organizations.some(({ id }) => id === organizationId)) return NO_PERSON;
        if (await isOperator(principalId)) return IS_OPERATOR;
        if (target.suspended_at !== null)
          return refused("person_suspended", { message: "They get in nowhere: they are suspended.", fix: "Restore them first." });
        if ((await suspendedOf([organizationId])).size > 0)
          return refused("organization_suspended", { message: "Nobody gets into a suspended organization.", fix: "Restore it first." });
        const id = newId("imp") as ImpersonationId;
        const expiresAt = plusMs(now, body.minutes * 60_000);
        await log.unit({ organizationId, origin }, async (unit) => {
          // Their name is then known where their events are.
          await identity.ensurePrincipal(unit, {
            organizationId,
            id: caller.principal.id,
            type: "user",
            displayName: caller.principal.displayName,
          });
          await unit.decide(impersonation, { type: "organization", id: organizationId }, `impersonation:${id}`, {
            type: "start",
            id,
            principalId,
            operatorId: caller.principal.id as PrincipalId,
            loginId: caller.credential!.id,
            reason: body.reason,
            expiresAt,
          });
          // Its end is told whether or not anybody stops it.
          unit.enqueue({ kind: END_JOB, organizationId, payload: { id }, runAt: expiresAt, key: id });
        });
        identity.credentialChanged(caller.credential.id);
        return { id, expires_at: expiresAt };
      }),

      handle(stopImpersonation, async ({ caller, origin }) => {
        const { impersonatedBy, credential } = caller;
        if (impersonatedBy === undefined || credential === undefined) return NO_IMPERSONATION;
        await stopAllOf(credential.id, origin);
        identity.credentialChanged(credential.id);
        return DONE;
      }),
    ],
    projections: [erasable(adminProjection)],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {
      async [END_JOB]({ organizationId, payload }) {
        await stop({ organizationId, id: EndPayload.parse(payload).id, by: { principal: SYSTEM } });
      },
    },
  };
}

const DONE = { ok: true as const };
const NO_PERSON = refused("person_not_found", { message: "There is no such person.", fix: "List them with GET /v1/admin/people." });
const NO_ORGANIZATION = refused("organization_not_found", {
  message: "There is no such organization.",
  fix: "List them with GET /v1/admin/organizations.",
});
const IS_OPERATOR = refused("person_is_operator", { message: "They operate the installation themselves." });
const NO_IMPERSONATION = refused("impersonation_not_found", { message: "You act as nobody but yourself." });

const suspensionOf = (row: { suspended_at: Date | null; suspended_reason: string | null }) =>
  row.suspended_at === null ? null : { reason: row.suspended_reason ?? "", at: row.suspended_at.toISOString() };
type OrganizationView = z.input<typeof AdminOrganizationView>;
const organizationView = (row: OrganizationRow, quotas: OrganizationView["quotas"]): OrganizationView => ({
  id: row.id,
  name: row.name,
  state: row.deleted_at !== null ? "deleted" : row.suspended_at !== null ? "suspended" : "open",
  suspension: suspensionOf(row),
  created_at: row.created_at.toISOString(),
  member_count: Number(row.member_count),
  live_session_count: Number(row.live_session_count),
  event_count: Number(row.event_count),
  quotas,
});
const personView = (row: PersonRow, isOperator: boolean, closed: ReadonlySet<string>): z.input<typeof AdminPersonView> => ({
  id: row.id,
  name: row.name,
  email: row.email,
  is_email_proven: row.is_email_proven,
  suspension: suspensionOf(row),
  created_at: row.created_at.toISOString(),
  seen_at: row.seen_at?.toISOString() ?? null,
  is_operator: isOperator,
  organizations: row.organizations.map((each) => ({ ...each, is_suspended: closed.has(each.id) })),
});
