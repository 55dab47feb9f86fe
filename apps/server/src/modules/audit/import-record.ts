/*
 * What our own log says of imports; the copies themselves are the log's (eventlog/append-foreign.ts).
 *
 *   (absent) ── record ──► kept ── remove ──► removed ── record ──► kept
 *
 * The copy is kept, with a job, before it is recorded, and removed after: a crash in between is made
 * up for by the job, and both are idempotent.
 */
import type { AuditEvent } from "@signalbox/contract/events/audit";
import { accept, refuse, type Decider } from "@signalbox/kernel/decider";

type Imported = Extract<AuditEvent, { type: "log.imported" }>;
type Removed = Extract<AuditEvent, { type: "log.import_removed" }>;
export type ImportCommand =
  | { readonly type: "record"; readonly data: Imported["data"] }
  | { readonly type: "remove"; readonly data: Removed["data"] };

export const importRecord: Decider<{ kept: boolean }, ImportCommand, Imported | Removed, { code: "import_not_found" }> = {
  initial: { kept: false },
  decide(state, command) {
    switch (command.type) {
      case "record":
        return state.kept ? accept() : accept<Imported | Removed>({ type: "log.imported", data: command.data });
      case "remove":
        return state.kept
          ? accept<Imported | Removed>({ type: "log.import_removed", data: command.data })
          : refuse({ code: "import_not_found" });
    }
  },
  evolve: (_, event) => ({ kept: event.type === "log.imported" }),
};
