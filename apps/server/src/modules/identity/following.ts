/*
 * What changed in an organization, in this process or another, is felt by what is open here.
 *
 *   appended here       ─► who they are is looked up anew, what is held is looked at again
 *   appended elsewhere  ─► the organization's newest events are read: what they ended is closed here too
 */
import type { AdminEvent } from "@signalbox/contract/events/admin";
import type { IdentityEvent } from "@signalbox/contract/events/identity";
import type { MembershipEvent } from "@signalbox/contract/events/organizations";
import type { SingleSignOnEvent } from "@signalbox/contract/events/single-sign-on";
import type { EventLog, Recorded } from "@signalbox/eventlog/log";
import type { Logger } from "pino";
import type { createCredentials } from "./credentials.ts";
import type { createHolding } from "./holding.ts";

export interface FollowingDeps {
  readonly log: EventLog;
  readonly logger: Logger;
  readonly credentials: Pick<ReturnType<typeof createCredentials>, "forgetOrganization">;
  readonly holding: Pick<ReturnType<typeof createHolding>, "isHolding" | "recheck">;
  /** Null: everybody's. */
  readonly membershipEnded: (organizationId: string, principalId: string | null) => Promise<void>;
  readonly revoked: (credentialId: string) => void;
}

export interface Following {
  start(): void;
  stop(): void;
}

const RETRY_MS = 250;
const MAY_CHANGE_ROLES = /^(principal|member)\.|^organization\.(ownership_transferred|deleted)$/;

export function createFollowing({ log, logger, credentials, holding, membershipEnded, revoked }: FollowingDeps): Following {
  let unsubscribe: (() => void) | undefined;
  let isStopped = false;
  /** `seen` only saves reading twice: hints may repeat and come out of order. */
  const seen = new Map<string, number>();

  const recheck = async (organizationId: string): Promise<void> => {
    if (holding.isHolding(organizationId)) await holding.recheck(organizationId);
  };
  /** What could not be read or asked is tried again: a hint comes once. */
  function trying(work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      logger.warn({ err: error }, "an organization's changes could not be followed; trying again");
      setTimeout(() => isStopped || trying(work), RETRY_MS).unref();
    });
  }

  async function follow(organizationId: string, head: number): Promise<void> {
    const afterSeq = seen.get(organizationId) ?? Math.max(0, head - 20);
    if (afterSeq >= head) return;
    const events = await log.readStream(organizationId, { type: "organization", id: organizationId }, { afterSeq, limit: 500 });
    if (events.some(({ event }) => MAY_CHANGE_ROLES.test(event.type))) await recheck(organizationId);
    for (const { event, subjectId } of events as readonly Recorded<IdentityEvent | MembershipEvent | SingleSignOnEvent | AdminEvent>[]) {
      if (event.type === "token.revoked") revoked(subjectId);
      else if (event.type === "login.ended") revoked(event.data.login_id);
      else if (event.type === "member.removed" || event.type === "member.left")
        await membershipEnded(organizationId, event.data.principal_id);
      else if (event.type === "single_sign_on.configured" && event.data.is_required) await membershipEnded(organizationId, null);
      else if (event.type === "organization.suspended") await membershipEnded(organizationId, null);
      else if (event.type === "impersonation.started" || event.type === "impersonation.stopped")
        credentials.forgetOrganization(organizationId);
      else if (event.type === "organization.deleted") await membershipEnded(organizationId, null);
    }
    // Last: what failed half-way is read again.
    seen.set(organizationId, Math.max(seen.get(organizationId) ?? 0, events.at(-1)?.seq ?? head));
  }

  return {
    start() {
      unsubscribe = log.onAppended(({ streams, recorded }) => {
        for (const { organizationId, stream, seq } of streams) {
          if (stream.type !== "organization") continue;
          credentials.forgetOrganization(organizationId);
          if (recorded === undefined) trying(() => follow(organizationId, seq));
          else if (recorded.some((r) => r.organizationId === organizationId && MAY_CHANGE_ROLES.test(r.event.type)))
            trying(() => recheck(organizationId));
        }
      });
    },
    stop() {
      isStopped = true;
      unsubscribe?.();
    },
  };
}
