import { z } from "zod";
import { MicroUsd, ModelKeyId, PrincipalId, ReservationId, RoomId, RunId, SessionId, Timestamp } from "../primitives.ts";

/** Token counts of one model call, as metered. */
export const ModelUsage = z
  .object({
    input_tokens: z.int().min(0),
    output_tokens: z.int().min(0),
    /** Of the input tokens, those read from the upstream's prompt cache. */
    cached_input_tokens: z.int().min(0).optional(),
    /** Of the input tokens, those written to it. */
    cache_write_tokens: z.int().min(0).optional(),
    /** `reported`: the stream's own usage frame; `counted`: estimated from the text, because there was none. */
    source: z.enum(["reported", "counted"]),
  })
  .meta({ id: "ModelUsage" });

/** `reconciled`: nobody can say any more what the call cost (its process died), so the full worst case stands. */
export const SettlementOutcome = z.enum(["completed", "cut", "canceled", "reconciled"]);

/** Entries of the organization's ledger stream; subject `budget:<session_id>`. Money in integer micro-USD. */
export const LedgerEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("budget.set"), data: z.object({ session_id: SessionId, cap_micro_usd: MicroUsd }) }),
  z.object({
    type: z.literal("ledger.reserved"),
    data: z.object({
      reservation_id: ReservationId,
      session_id: SessionId,
      run_id: RunId.optional(),
      model: z.string(),
      amount_micro_usd: MicroUsd,
      /** The process that makes the call; when it is gone, reconciliation ends the reservation. */
      holder: z.string().optional(),
    }),
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
      /** What was held; a cost above it is an overrun, and shows as one. */
      reserved_micro_usd: MicroUsd.optional(),
      outcome: SettlementOutcome.optional(),
    }),
  }),
  /** Nothing was spent (the call never reached a model), so nothing is held any more. */
  z.object({
    type: z.literal("ledger.released"),
    data: z.object({ reservation_id: ReservationId, session_id: SessionId, reason: z.string() }),
  }),
  z.object({
    type: z.literal("budget.refused"),
    data: z.object({ session_id: SessionId, model: z.string(), needed_micro_usd: MicroUsd, remaining_micro_usd: MicroUsd }),
  }),
]);
export type LedgerEvent = z.infer<typeof LedgerEvent>;

/** Virtual keys of the model proxy: who holds one spends from its session's budget. Only the key's hash is ever stored. */
export const ModelKeyEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("model_key.issued"),
    data: z.object({
      key_id: ModelKeyId,
      session_id: SessionId,
      room_id: RoomId.optional(),
      principal_id: PrincipalId,
      key_hash: z.string(),
      /** Ids of the registry; empty means every model of the organization. */
      models: z.array(z.string()),
      expires_at: Timestamp,
    }),
  }),
  z.object({ type: z.literal("model_key.revoked"), data: z.object({ key_id: ModelKeyId, reason: z.string() }) }),
]);
export type ModelKeyEvent = z.infer<typeof ModelKeyEvent>;
