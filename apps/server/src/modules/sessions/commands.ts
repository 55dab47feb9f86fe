/*
 * What people and programs ask of sessions. One creation service for every way in; each command is one unit, and what
 * has to be done about it is a job of the same transaction or is seen by the hub in the log.
 */
import type { SessionSource, HarnessName, SessionKind } from "@signalbox/contract/events/sessions";
import type { z } from "zod";
import type { By, CommandDeps, Ended, Idempotency, Refused } from "./command-context.ts";
import { createCommand } from "./creation.ts";
import { endingCommands } from "./ending.ts";
import { promptCommands } from "./prompting.ts";
import { settingsCommand } from "./settings.ts";

export interface CreateSession {
  readonly source: z.infer<typeof SessionSource>;
  readonly title?: string | undefined;
  readonly prompt?: string | undefined;
  readonly model?: string | undefined;
  readonly harness: z.infer<typeof HarnessName>;
  readonly kind: z.infer<typeof SessionKind>;
  readonly sandbox: "deferred" | "immediate";
  readonly budgetMicroUsd?: number | undefined;
  /** Asked about already: whether the caller may write there. */
  readonly roomId?: string | undefined;
}

export type CreateRefusal =
  | "source_not_found"
  | "source_not_allowed"
  | "model_not_found"
  | "no_model_configured"
  | "kill_switch_active"
  | "sandbox_unavailable";

export interface SessionCommands {
  create(by: By, request: CreateSession, idempotency?: Idempotency): Promise<{ ok: true; sessionId: string } | Refused<CreateRefusal>>;
  prompt(
    by: By,
    sessionId: string,
    text: string,
    idempotency?: Idempotency,
  ): Promise<{ ok: true; runId: string } | Refused<Ended | "kill_switch_active">>;
  /** The platform speaks; once for each `key`, an id of something that happened. False when it was said before or the session has ended. */
  tell(organizationId: string, sessionId: string, key: string, text: string): Promise<boolean>;
  cancel(by: By, sessionId: string, reason?: string): Promise<{ ok: true } | Refused<"session_not_found" | "no_turn_running">>;
  stop(by: By, sessionId: string, reason?: string): Promise<{ ok: true } | Refused<Ended>>;
  resume(by: By, sessionId: string): Promise<{ ok: true } | Refused<"session_not_found" | "session_not_resumable" | "kill_switch_active">>;
  /** All of it or none: title, model from the next turn on, what it may spend. */
  change(
    by: By,
    sessionId: string,
    to: { title?: string | undefined; model?: string | undefined; budgetMicroUsd?: number | undefined },
  ): Promise<{ ok: true } | Refused<Ended | "model_not_found" | "model_fixed" | "budget_below_spent">>;
  delete(by: By, sessionId: string): Promise<{ ok: true } | Refused<"session_not_found" | "session_not_ended">>;
  archive(by: By, sessionId: string): Promise<{ ok: true } | Refused<"session_not_found" | "session_not_ended">>;
  unarchive(by: By, sessionId: string): Promise<{ ok: true } | Refused<"session_not_found">>;
}

export const createSessionCommands = (deps: CommandDeps): SessionCommands => ({
  ...createCommand(deps),
  ...promptCommands(deps),
  ...endingCommands(deps),
  ...settingsCommand(deps),
});
