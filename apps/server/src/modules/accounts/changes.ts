/*
 * From a change of an account or a sign-in to the log. Migration 0850 writes a job for each in the transaction of the
 * change, so there is none without: not by a path of better-auth, not by a function of the database, not by a crash.
 *
 *   change of auth_users, auth_accounts, auth_passkeys; row of idn_sessions deleted ──trigger──► job ──► event, once
 */
import { AccountEvent } from "@signalbox/contract/events/accounts";
import type { StreamRef } from "@signalbox/eventlog/log";
import { z } from "zod";
import type { Job } from "../../module.ts";
import { account } from "./account.ts";
import type { AccountDeps } from "./public.ts";

/** Named in the migration too. */
export const TELL_JOB = "accounts.tell";

const Told = z.looseObject({ change: z.string(), principal_id: z.string(), at: z.iso.datetime() });
const EndedLogin = z.object({ principal_id: z.string(), login_id: z.string(), organization_id: z.string() });

export async function tell(deps: AccountDeps, { payload }: Pick<Job, "payload">): Promise<void> {
  const { change, at, ...data } = Told.parse(payload);
  if (change === "login_ended") {
    const { login_id: id, principal_id: principalId, organization_id: organizationId } = EndedLogin.parse(data);
    return deps.identity.loginEnded({ id, principalId, organizationId });
  }
  const told = z.string().optional().parse(data["provider"]);
  const provider = told?.startsWith("sso:") === true ? "single_sign_on" : told;
  const event = AccountEvent.parse({ type: `account.${change}`, data: { ...data, ...(provider === undefined ? {} : { provider }) } });
  for (const organizationId of await organizationsOf(deps, data.principal_id, told)) {
    const stream: StreamRef = { type: "organization", id: organizationId };
    await deps.log.run(
      account,
      {
        organizationId,
        stream,
        subject: `account:${data.principal_id}`,
        origin: { principal: { id: data.principal_id, type: "user" }, occurredAt: at },
      },
      { type: "tell", event },
    );
  }
}

/** An organization's own provider is nobody else's to know of. */
async function organizationsOf(
  { anywhere, identity, localOrganizationId }: AccountDeps,
  person: string,
  provider: string | undefined,
): Promise<readonly string[]> {
  const own = /^sso:([^:]+):/.exec(provider ?? "")?.[1];
  if (own !== undefined) return (await identity.organizations()).includes(own) ? [own] : [];
  const { rows } = await anywhere.query<{ organization_id: string }>("select organization_id from idn_memberships($1)", [person]);
  return rows.length === 0 ? [localOrganizationId] : rows.map((row) => row.organization_id);
}
