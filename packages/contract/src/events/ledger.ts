import { z } from "zod";
import { MicroUsd, ReservationId, RunId, SessionId } from "../primitives.ts";

/** Token counts of one model call, as metered. */
export const ModelUsage = z
  .object({
    input_tokens: z.int().min(0),
    output_tokens: z.int().min(0),
    cached_input_tokens: z.int().min(0).optional(),
    /** `reported`: the stream's own usage frame; `counted`: estimated from the text, because there was none. */
    source: z.enum(["reported", "counted"]),
  })
  .meta({ id: "ModelUsage" });

/** Entries of the organization's ledger stream; subject `budget:<session_id>`. Money in integer micro-USD. */
export const LedgerEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("budget.set"), data: z.object({ session_id: SessionId, cap_micro_usd: MicroUsd }) }),
  z.object({
    type: z.literal("ledger.reserved"),
    data: z.object({ reservation_id: ReservationId, session_id: SessionId, run_id: RunId.optional(), model: z.string(), amount_micro_usd: MicroUsd }),
  }),
  z.object({
    type: z.literal("ledger.settled"),
    data: z.object({
      reservation_id: ReservationId,
      session_id: SessionId,
      run_id: RunId.optional(),
      model: z.string(),
      upstream: z.string(),
      cost_micro_usd: MicroUsd,
      usage: ModelUsage,
      duration_ms: z.int().min(0),
    }),
  }),
  /** Nothing was spent (the call never reached a model), so nothing is held any more. */
  z.object({ type: z.literal("ledger.released"), data: z.object({ reservation_id: ReservationId, session_id: SessionId, reason: z.string() }) }),
  z.object({ type: z.literal("budget.refused"), data: z.object({ session_id: SessionId, model: z.string(), needed_micro_usd: MicroUsd, remaining_micro_usd: MicroUsd }) }),
]);
export type LedgerEvent = z.infer<typeof LedgerEvent>;
