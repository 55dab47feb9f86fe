/*
 * Erasing what one event says, and the content that only it names: recorded first, done after, and never undone.
 *
 *   (present) ── redact ──► redacted
 *
 * The `event.redacted` stands in the log before anything is erased; a job erases, so a crash
 * between the two is made up for. Header and hashes stay, so the chain stays whole and provable.
 */
import type { Recorded } from "@signalbox/eventlog/log";
import type { AuditEvent } from "@signalbox/contract/events/audit";
import type { EventId } from "@signalbox/contract/primitives";
import { accept, refuse, type Decider } from "@signalbox/kernel/decider";

type Redacted = Extract<AuditEvent, { type: "event.redacted" }>;
export type RedactionCommand = {
  readonly type: "redact";
  readonly target: EventId;
  readonly reason: string;
  readonly content: readonly string[];
};

export const redaction: Decider<{ redacted: boolean }, RedactionCommand, Redacted, { code: "event_already_redacted" }> = {
  initial: { redacted: false },
  decide: (state, command) =>
    state.redacted
      ? refuse({ code: "event_already_redacted" })
      : accept<Redacted>({
          type: "event.redacted",
          data: {
            target_event_id: command.target,
            reason: command.reason,
            level: "full",
            ...(command.content.length === 0 ? {} : { content: [...command.content] }),
          },
        }),
  evolve: () => ({ redacted: true }),
};

/** Erasing one of these would take away what others are proved by. */
const EVIDENCE: ReadonlySet<string> = new Set([
  "event.redacted",
  "checkpoint.key_rotated",
  "log.imported",
  "log.import_removed",
  "log.archived",
]);
/** By its epoch whoever comes second is kept out (fencing); it says nothing else. */
const FENCES: ReadonlySet<string> = new Set(["session.starting"]);
/** The ledger too: it names nobody and quotes nothing, and an entry that is missing makes every sum after it wrong. */
export const isEvidence = ({ event, stream }: Recorded): boolean =>
  EVIDENCE.has(event.type) || FENCES.has(event.type) || stream.type === "ledger";
