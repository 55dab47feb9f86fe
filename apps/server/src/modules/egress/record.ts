/*
 * What the log says of a session's egress: refusals, and one digest a run over the rows of its
 * requests. Subject `egress:<session_id>`. A run has one digest: recording it again changes nothing.
 */
import type { GateEvent } from "@signalbox/contract/events/gate";
import { canonicalJson, sha256 } from "@signalbox/kernel/canonical";
import { accept, type Decider, unreachable } from "@signalbox/kernel/decider";

export type EgressEvent = Extract<GateEvent, { type: "egress.blocked" | "egress.digest_recorded" }>;
/** The run that was digested last; runs of a session end one after the other. */
export type EgressRecordState = { readonly digested: string | null };

export const egressRecord: Decider<EgressRecordState, EgressEvent, EgressEvent, never> = {
  initial: { digested: null },
  decide(state, event) {
    switch (event.type) {
      case "egress.blocked":
        return accept(event);
      case "egress.digest_recorded":
        return event.data.run_id !== undefined && event.data.run_id === state.digested ? accept() : accept(event);
      default:
        return unreachable(event);
    }
  },
  evolve: (state, event) => (event.type === "egress.digest_recorded" ? { digested: event.data.run_id ?? null } : state),
};

export interface DigestedRow {
  readonly id: string;
  readonly at: string;
  readonly method: string;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: string | null;
  readonly decision: string;
  readonly reason_code: string;
  readonly status: number | null;
  readonly bytes_sent: number;
  readonly bytes_received: number;
  readonly duration_ms: number;
}

/** sha256 over the rows in the order of their ids, each as canonical JSON (RFC 8785) and a line feed. */
export const digestOf = (rows: readonly DigestedRow[]): string => sha256(rows.map((row) => `${canonicalJson({ ...row })}\n`).join(""));
