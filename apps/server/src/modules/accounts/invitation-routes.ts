import {
  acceptInvitation,
  createInvitation,
  listInvitations,
  listMyInvitations,
  resendInvitation,
  revokeInvitation,
  showInvitation,
  type InvitationView,
  type ShownInvitation,
} from "@signalbox/contract/invitations";
import type { InvitationId, OrganizationId, OrganizationRole, PrincipalId } from "@signalbox/contract/primitives";
import { plusMs } from "@signalbox/kernel/clock";
import { newId } from "@signalbox/kernel/id";
import { sql } from "kysely";
import { z } from "zod";
import { hasRole } from "../../http/authenticate.ts";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import { handle, refused, type BoundRoute } from "../../http/handle.ts";
import { ShellRefused } from "../../http/refusal.ts";
import { accountEnds } from "../identity/public.ts";
import { LIMITS } from "./attempts.ts";
import { normalEmail, provenEmail } from "./email.ts";
import { invitation, type InvitationCommand, type InvitationRefusal } from "./invitation.ts";
import type { AccountParts } from "./public.ts";
import { NOT_CONFIGURED } from "./routes.ts";

const TTL_MS = 7 * 24 * 3_600_000;

interface Row {
  id: InvitationId;
  email: string;
  role: OrganizationRole;
  status: "open" | "accepted" | "revoked";
  invited_by: PrincipalId;
  created_at: Date;
  expires_at: Date;
}
interface Found extends Omit<Row, "invited_by" | "created_at"> {
  organization_id: OrganizationId;
  organization_name: string;
}

export function invitationRoutes(parts: AccountParts): readonly BoundRoute[] {
  const { log, db, anywhere, clock, identity, mailer, publicUrl } = parts;
  const target = (organizationId: string, id: string) => ({
    organizationId,
    stream: { type: "organization" as const, id: organizationId },
    subject: `invitation:${id}`,
  });
  const url = (id: string): string => `${publicUrl()}/invite/${id}`;
  const statusOf = ({ status, expires_at }: Pick<Row, "status" | "expires_at">) =>
    status === "open" && expires_at.getTime() <= clock.nowMs() ? ("expired" as const) : status;
  const view = (row: Row): z.input<typeof InvitationView> => ({
    id: row.id,
    email: row.email,
    role: row.role,
    status: statusOf(row),
    invited_by: row.invited_by,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
    url: url(row.id),
  });
  const shown = (row: Found): z.input<typeof ShownInvitation> => ({
    id: row.id,
    organization_name: row.organization_name,
    email_hint: `${row.email[0]}…${row.email.slice(row.email.lastIndexOf("@"))}`,
    role: row.role,
    status: statusOf(row),
    expires_at: row.expires_at.toISOString(),
  });

  async function rowOf(organizationId: string, id: string): Promise<Row | undefined> {
    const { rows } = await db.inOrganization(organizationId, (tx) => sql<Row>`select * from proj_invitations where id = ${id}`.execute(tx));
    return rows[0];
  }
  async function find(id: string): Promise<Found | undefined> {
    return (await anywhere.query<Found>("select * from idn_invitation($1)", [id])).rows[0];
  }
  async function post(organizationId: string, row: Pick<Row, "id" | "email" | "role">, by: string): Promise<void> {
    const name = await identity.organizationName(organizationId);
    await mailer.send({
      to: row.email,
      subject: `${oneLine(by)} invites you to ${oneLine(name)} on Signalbox`,
      text: `${oneLine(by)} invites you to ${oneLine(name)} as ${row.role}.\n\nOpen this within a week, and sign in with this address:\n\n${url(row.id)}`,
      lifetimeMs: TTL_MS,
    });
  }

  return [
    handle(createInvitation, async ({ caller, origin, body }) => {
      const { organizationId } = caller;
      if (!parts.isOn) return NOT_CONFIGURED;
      const email = normalEmail(body.email);
      if (email === null)
        return refused("email_invalid", {
          message: "That is not an e-mail address that is accepted here.",
          fix: "Write it like name@example.com.",
        });
      if (!hasRole(caller.role, body.role))
        return refused("role_too_low", {
          message: `You are ${caller.role} and cannot invite an ${body.role}.`,
          fix: "Invite with a role up to your own.",
        });
      if (!(await parts.attempts.take(LIMITS.invite, organizationId)))
        throw new ShellRefused("rate_limited", "Too many invitations in this hour.", { fix: "Wait a while." });
      const { rows: known } = await anywhere.query<{ id: string }>("select id from auth_users where email = $1", [email]);
      if (known[0] !== undefined && (await identity.roleOf(organizationId, known[0].id)) !== null)
        return refused("already_member", { message: "Somebody with that address is in the organization already." });
      const { rows: open } = await db.inOrganization(organizationId, (tx) =>
        sql`select 1 from proj_invitations where email = ${email} and status = 'open' and expires_at > ${clock.now()}`.execute(tx),
      );
      if (open.length > 0)
        return refused("already_invited", {
          message: "That address is invited already.",
          fix: "Send the invitation again, or take it back first.",
        });
      const id = newId("inv") as InvitationId;
      await log.run(
        invitation,
        { ...target(organizationId, id), origin },
        { type: "create", id, email, role: body.role, expiresAt: plusMs(clock.now(), TTL_MS) },
      );
      await post(organizationId, { id, email, role: body.role }, caller.principal.displayName);
      return view((await rowOf(organizationId, id))!);
    }),

    handle(listInvitations, async ({ caller, query }) => {
      const after = decodeCursor(query.cursor, z.tuple([z.string()]));
      const { rows } = await db.inOrganization(caller.organizationId, (tx) =>
        sql<Row>`select * from proj_invitations where ${after?.[0] ?? null}::text is null or id < ${after?.[0] ?? null}
                  order by id desc limit ${query.limit + 1}`.execute(tx),
      );
      return pageOf(rows, query.limit, view, (row) => [row.id]);
    }),

    handle(resendInvitation, async ({ caller: { organizationId, principal }, origin, params }) => {
      const refusal = await decide(organizationId, params.id, origin, { type: "send_again", expiresAt: plusMs(clock.now(), TTL_MS) });
      if (refusal !== null) return managed(refusal);
      const row = (await rowOf(organizationId, params.id))!;
      await post(organizationId, row, principal.displayName);
      return view(row);
    }),

    handle(revokeInvitation, async ({ caller: { organizationId }, origin, params }) => {
      const refusal = await decide(organizationId, params.id, origin, { type: "revoke" });
      return refusal === null ? { ok: true as const } : managed(refusal);
    }),

    handle(listMyInvitations, async ({ caller }) => {
      const person = await provenEmail(anywhere, caller.principal.id);
      if (person === null) return { items: [] };
      const { rows } = await anywhere.query<Found>("select * from idn_invitations_to($1, $2)", [person.email, clock.now()]);
      return { items: rows.map(shown) };
    }),

    handle(showInvitation, async ({ params }) => {
      const found = await find(params.id);
      return found === undefined ? NO_INVITATION : shown(found);
    }),

    handle(acceptInvitation, async ({ caller, origin, params, now }) => {
      const found = await find(params.id);
      if (found === undefined) return NO_INVITATION;
      const { organization_id: organizationId, role } = found;
      const person = await provenEmail(anywhere, caller.principal.id);
      const accept = () =>
        log.unit({ organizationId, origin }, async (unit) => {
          const { stream, subject } = target(organizationId, params.id);
          const decision = await unit.decide(invitation, stream, subject, {
            type: "accept",
            principalId: caller.principal.id as PrincipalId,
            provenEmail: person?.email ?? null,
            now,
          });
          if (!decision.ok) return decision.refusal;
          if (decision.events.length > 0)
            await identity.addMember(unit, {
              organizationId,
              id: caller.principal.id,
              displayName: person?.name ?? caller.principal.displayName,
              role,
              joinedBy: "invitation",
            });
          return null;
        });
      const { value } = await identity.admission.give(caller.principal.id, accept, accountEnds);
      if (value !== null) return ACCEPT_REFUSALS[value.code];
      identity.changed(caller.principal.id);
      return { organization_id: organizationId, role };
    }),
  ];

  async function decide(
    organizationId: string,
    id: string,
    origin: Parameters<typeof log.run>[1]["origin"],
    command: InvitationCommand,
  ): Promise<InvitationRefusal | null> {
    const decision = await log.run(invitation, { ...target(organizationId, id), origin }, command);
    return decision.ok ? null : decision.refusal;
  }
}

/** A name must not become a header, or look like a line of ours. */
const oneLine = (text: string): string => text.replaceAll(/\p{Cc}+/gu, " ").slice(0, 100);

const NO_INVITATION = refused("invitation_not_found", { message: "There is no such invitation.", fix: "Ask whoever sent it for another." });
const CLOSED = refused("invitation_closed", { message: "This invitation was used or taken back.", fix: "Ask for another." });
const managed = ({ code }: InvitationRefusal) => (code === "invitation_not_found" ? NO_INVITATION : CLOSED);
const ACCEPT_REFUSALS = {
  invitation_not_found: NO_INVITATION,
  invitation_closed: CLOSED,
  invitation_expired: refused("invitation_expired", { message: "This invitation has expired.", fix: "Ask for it to be sent again." }),
  invitation_for_another: refused("invitation_for_another", {
    message: "This invitation is for another address than the one that you have proven.",
    fix: "Sign in with the address that it was sent to.",
  }),
} as const;
