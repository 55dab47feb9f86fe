/*
 * What our own log says of an archive. It stands there before anything is detached, and is never undone.
 *
 *   (absent) ── record ──► archived
 */
import type { AuditEvent } from "@signalbox/contract/events/audit";
import { accept, type Decider } from "@signalbox/kernel/decider";

type Archived = Extract<AuditEvent, { type: "log.archived" }>;
export const archiveRecord: Decider<{ recorded: boolean }, Archived["data"], Archived, never> = {
  initial: { recorded: false },
  decide: (state, data) => (state.recorded ? accept() : accept<Archived>({ type: "log.archived", data })),
  evolve: () => ({ recorded: true }),
};
