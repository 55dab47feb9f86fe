/*
 * What ends sockets from outside of them: a token revoked, a person whose role changed or who is no longer there.
 * Of organizations that have sockets here their stream is followed, whichever process appends.
 */
import type { EventLog, Recorded } from "@signalbox/eventlog/log";

const PAGE = 50;
const RETRY_MS = 250;
const MAY_CHANGE_ROLES = /^(principal|member)\.|^organization\.ownership_transferred$/;

export interface OrganizationWatch {
  close(): void;
}

export function watchOrganizations(deps: {
  readonly log: Pick<EventLog, "onAppended" | "readStream">;
  /** Those that matter, asked anew each time. */
  readonly organizations: () => ReadonlySet<string>;
  readonly onRevoked: (credentialId: string) => void;
  readonly onDeleted: (organizationId: string) => void;
  /** Somebody came, went, or may do something else than before. */
  readonly onMembers: (organizationId: string) => Promise<void>;
  readonly onError: (error: unknown) => void;
}): OrganizationWatch {
  let over = false;

  async function look(organizationId: string, events: readonly Recorded[]): Promise<void> {
    for (const { event, subjectId } of events) if (event.type === "token.revoked") deps.onRevoked(subjectId);
    if (events.some(({ event }) => event.type === "organization.deleted")) deps.onDeleted(organizationId);
    else if (events.some(({ event }) => MAY_CHANGE_ROLES.test(event.type))) await deps.onMembers(organizationId);
  }

  /** Other processes name the stream's new head only; one batch of theirs is rarely more than a few events. */
  async function read(organizationId: string, seq: number): Promise<void> {
    const stream = { type: "organization" as const, id: organizationId };
    await look(organizationId, await deps.log.readStream(organizationId, stream, { afterSeq: Math.max(0, seq - PAGE), limit: PAGE }));
  }

  function trying(work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      deps.onError(error);
      setTimeout(() => over || trying(work), RETRY_MS).unref();
    });
  }

  const close = deps.log.onAppended(({ streams, recorded }) => {
    const moved = streams.filter(({ stream }) => stream.type === "organization");
    if (moved.length === 0) return;
    const ours = deps.organizations();
    for (const { organizationId, seq } of moved) {
      if (!ours.has(organizationId)) continue;
      if (recorded === undefined) trying(() => read(organizationId, seq));
      else {
        const theirs = recorded.filter((r) => r.organizationId === organizationId && r.stream.type === "organization");
        trying(() => look(organizationId, theirs));
      }
    }
  });

  return {
    close() {
      over = true;
      close();
    },
  };
}
