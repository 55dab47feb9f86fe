/*
 * The end of a person's account, in steps that can each be done again: by the request that asked for it, and by a job
 * that was enqueued with it, which goes on where a killed process was, and looks a second time at what was on its way.
 *
 *   account.deletion_requested
 *     ─► out of what they own       last owner of one after all: stopped, they keep the account
 *     ─► sign-ins ended             login.ended: whatever they opened closes, in every process
 *     ─► tokens, capabilities, memberships of every organization ended
 *     ─► invitations to their address revoked and erased
 *     ─► the account itself, one statement: nobody signs in to it any more, and the address is free   (account.deleted)
 *     ─► name gone from every organization: principal.deleted, principal.registered erased
 *
 * Nobody gives them a place, or a higher one, once it is recorded (identity/admission.ts): what they own is then found
 * whole, and each ownership given up against whoever else leaves. So nothing behind that step can be refused.
 * What needs the address or the name comes before the account goes; what follows needs ids alone. What they wrote stays
 * in the logs, by somebody without a name. Nothing here writes a name or an address anywhere.
 */
import type { OrganizationId, PrincipalId } from "@signalbox/contract/primitives";
import type { Origin } from "@signalbox/eventlog/log";
import { plusMs } from "@signalbox/kernel/clock";
import { accountDeletion } from "./account-deletion.ts";
import { invitation } from "./invitation.ts";
import type { AccountDeps } from "./public.ts";

export const DELETE_JOB = "accounts.delete";
/** By then the request has done it, or died. */
const AGAIN_MS = 10_000;
const REASON = "the person deleted their account";

/** An organization that knows somebody. */
export interface Place {
  readonly organization_id: OrganizationId;
  readonly name: string;
  readonly is_deleted: boolean;
  readonly display_name: string;
  readonly role: "viewer" | "member" | "approver" | "admin" | "owner" | null;
  readonly joined_at: Date | null;
  readonly is_last_owner: boolean;
}

/** Where a test may die: behind each step. */
export type DeletionStep =
  | "owned"
  | "logins"
  | "tokens"
  | "capabilities"
  | "memberships"
  | "invitations"
  | "account"
  | "principal"
  | "names";

export interface Deletion {
  placesOf(principalId: string): Promise<readonly Place[]>;
  /** Whether it is done, or will be. */
  isRequested(principalId: string): Promise<boolean>;
  /** Records it, and does it. Not empty: the organizations that they are the last owner of; then nothing but memberships has ended. */
  request(principalId: string, origin: Origin): Promise<readonly Place[]>;
  /** What the job does. */
  resume(principalId: string): Promise<void>;
}

export function createDeletion(deps: AccountDeps): Deletion {
  const { anywhere, clock, identity, log, localOrganizationId } = deps;
  const { departures } = identity;
  const at = async (step: DeletionStep): Promise<void> => deps.atDeletion?.(step);
  const target = (principalId: string, origin: Origin) => ({
    organizationId: localOrganizationId,
    stream: { type: "organization", id: localOrganizationId } as const,
    subject: `account_deletion:${principalId}`,
    origin,
  });

  async function placesOf(principalId: string): Promise<readonly Place[]> {
    return (await anywhere.query<Place>("select * from acc_places_of($1)", [principalId])).rows;
  }
  async function isRequested(principalId: string): Promise<boolean> {
    return (await log.state(accountDeletion, localOrganizationId, `account_deletion:${principalId}`)).state.status === "requested";
  }
  async function accountOf(principalId: string): Promise<{ readonly email: string; readonly name: string } | undefined> {
    return (await anywhere.query<{ email: string; name: string }>("select email, name from auth_users where id = $1", [principalId]))
      .rows[0];
  }

  /** The places that they cannot leave. */
  async function leave(places: readonly Place[], principalId: string, origin: Origin): Promise<readonly Place[]> {
    const held: Place[] = [];
    for (const place of places) {
      if (place.role === null || place.is_deleted) continue;
      const refusal = await departures.end({ organizationId: place.organization_id, origin }, principalId, "leave");
      if (refusal?.code === "last_owner") held.push(place);
    }
    return held;
  }

  async function endLogins(principalId: string): Promise<void> {
    const { rows } = await anywhere.query<{ id: string; organization_id: string }>(
      "delete from idn_sessions where principal_id = $1 returning id, organization_id",
      [principalId],
    );
    for (const { id, organization_id } of rows) await identity.loginEnded({ id, principalId, organizationId: organization_id });
    identity.changed(principalId);
  }

  async function endInvitations(address: string, origin: Origin): Promise<void> {
    const { rows } = await anywhere.query<{ organization_id: string; id: string; status: string }>("select * from acc_invitations_of($1)", [
      address,
    ]);
    for (const { organization_id: organizationId, id, status } of rows) {
      const subject = `invitation:${id}`;
      const stream = { type: "organization", id: organizationId } as const;
      if (status === "open") await log.run(invitation, { organizationId, origin, stream, subject }, { type: "revoke" });
      await deps.eraseOf({ organizationId, origin, subject, type: "invitation.created", reason: REASON });
    }
  }

  /** A token was often called after whoever it is of. */
  async function eraseTokenNames(place: Place, principalId: string, words: readonly string[], origin: Origin): Promise<void> {
    const organizationId = place.organization_id;
    for (const { id, name } of (await departures.held(organizationId, principalId)).tokens)
      if (words.some((word) => name.toLowerCase().includes(word)))
        await deps.eraseOf({ organizationId, origin, subject: `token:${id}`, type: "token.created", reason: REASON });
  }

  async function run(principalId: string, origin: Origin): Promise<readonly Place[]> {
    if (!(await isRequested(principalId))) return [];
    const account = await accountOf(principalId);
    const owned = (await placesOf(principalId)).filter(({ role }) => role === "owner");
    const held = await leave(owned, principalId, origin);
    if (held.length > 0) {
      // Found while the account ended under it; nobody can come back for it, so somebody has to look.
      if (account === undefined)
        throw new Error(`${principalId} is deleted, and the last owner of ${held.map((one) => one.organization_id).join(", ")}`);
      await log.run(accountDeletion, target(principalId, origin), {
        type: "stop",
        principalId: principalId as PrincipalId,
        organizationIds: held.map((place) => place.organization_id),
      });
      return held;
    }
    await at("owned");
    await endLogins(principalId);
    await at("logins");
    const places = await placesOf(principalId);
    for (const { organization_id: organizationId } of places) await departures.endTokens({ organizationId, origin }, principalId);
    await at("tokens");
    for (const { organization_id } of places) await deps.endCapabilities(organization_id, principalId, origin);
    await at("capabilities");
    if ((await leave(places, principalId, origin)).length > 0)
      throw new Error(`${principalId} was made an owner while their account ended`);
    await at("memberships");
    if (account !== undefined) {
      await endInvitations(account.email, origin);
      const words = [account.email, account.name, ...places.map((place) => place.display_name)].map((word) => word.trim().toLowerCase());
      const telling = [...new Set(words)].filter((word) => word.length > 2);
      for (const place of places) await eraseTokenNames(place, principalId, telling, origin);
    }
    await at("invitations");
    await anywhere.query("select acc_forget_person($1)", [principalId]);
    identity.changed(principalId);
    await at("account");
    for (const { organization_id: organizationId } of await placesOf(principalId)) {
      await departures.forget({ organizationId, origin }, principalId);
      await at("principal");
      await deps.eraseOf({ organizationId, origin, subject: `principal:${principalId}`, type: "principal.registered", reason: REASON });
    }
    await at("names");
    return [];
  }

  return {
    placesOf,
    isRequested,
    async request(principalId, origin) {
      const again = {
        kind: DELETE_JOB,
        organizationId: localOrganizationId,
        payload: { principal_id: principalId },
        key: principalId,
        runAt: plusMs(clock.now(), AGAIN_MS),
      };
      await identity.admission.end(principalId, () =>
        log.run(
          accountDeletion,
          { ...target(principalId, origin), jobs: () => [again] },
          { type: "request", principalId: principalId as PrincipalId },
        ),
      );
      return run(principalId, origin);
    },
    async resume(principalId) {
      await run(principalId, { principal: { id: principalId, type: "user" } });
    },
  };
}
