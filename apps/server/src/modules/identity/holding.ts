/*
 * What is open on somebody's behalf for longer than a request: event streams, long polls, sockets. Each ends when what
 * it was opened with does, whichever process took that away.
 *
 *   hold ──► held ──┬─ its credential was revoked, signed out of, has expired ──► end("revoked")
 *                   ├─ its holder left, was removed, or is something else there now ──► end("changed")
 *                   └─ let go
 *
 * Whoever is held is asked about once more right away: what ended between the request's own check and this would
 * never be told. Where that cannot be asked it ends: nobody can say that it still holds.
 */
import type { OrganizationRole } from "@signalbox/contract/primitives";
import type { Clock } from "@signalbox/kernel/clock";
import type { Standings } from "./standings.ts";

export interface Held {
  readonly organizationId: string;
  readonly principalId: string;
  readonly role: OrganizationRole;
  readonly credentialId: string;
  /** Of an API token that expires. */
  readonly expiresAtMs?: number | undefined;
}
export type EndedBy = "revoked" | "changed";

export interface Holding {
  /** `end` is called once at most. Returns how to let go. */
  hold(held: Held, end: (by: EndedBy) => void): () => void;
  /** In this process or another one: what was opened with it ends now. */
  revoked(credentialIds: ReadonlySet<string>): void;
  /** Somebody's place in the organization may have changed. Rejects when that could not be asked. */
  recheck(organizationId: string): Promise<void>;
  isHolding(organizationId: string): boolean;
}

interface Entry {
  readonly held: Held;
  end(by: EndedBy): void;
}

const MAX_TIMER_MS = 2 ** 31 - 1;

export function createHolding({
  standings,
  clock,
  onError,
}: {
  readonly standings: Standings;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}): Holding {
  const organizations = new Map<string, Set<Entry>>();

  async function ask({ held, end }: Entry): Promise<void> {
    const role = await standings.of(held);
    if (role === null) end("revoked");
    else if (role !== held.role) end("changed");
  }

  return {
    hold(held, end) {
      const { organizationId, expiresAtMs } = held;
      let theirs = organizations.get(organizationId);
      if (theirs === undefined) organizations.set(organizationId, (theirs = new Set()));
      const entries = theirs;
      const entry: Entry = {
        held,
        end(by) {
          if (!entries.has(entry)) return;
          letGo();
          end(by);
        },
      };
      const expiry =
        expiresAtMs === undefined
          ? undefined
          : setTimeout(() => entry.end("revoked"), Math.min(MAX_TIMER_MS, Math.max(0, expiresAtMs - clock.nowMs()))).unref();
      function letGo(): void {
        clearTimeout(expiry);
        entries.delete(entry);
        if (entries.size === 0 && organizations.get(organizationId) === entries) organizations.delete(organizationId);
      }
      entries.add(entry);
      ask(entry).catch((error: unknown) => {
        onError(error);
        entry.end("revoked");
      });
      return letGo;
    },
    revoked(credentialIds) {
      for (const theirs of organizations.values())
        for (const entry of theirs) if (credentialIds.has(entry.held.credentialId)) entry.end("revoked");
    },
    async recheck(organizationId) {
      standings.forgetOrganization(organizationId);
      await Promise.all([...(organizations.get(organizationId) ?? [])].map(ask));
    },
    isHolding: (organizationId) => organizations.has(organizationId),
  };
}
