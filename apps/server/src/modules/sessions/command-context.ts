/* What every command on a session needs: where the session is, whether anything may be begun, and how one is refused. */
import type { Origin, StreamRef } from "@signalbox/eventlog/log";
import { ShellRefused } from "../../http/refusal.ts";
import type { Deps } from "../../module.ts";
import type { ApprovalsModule } from "../approvals/public.ts";
import type { ForgeModule } from "../forge/public.ts";
import type { GateModule } from "../gate/public.ts";
import type { IdentityModule } from "../identity/public.ts";
import type { LedgerModule } from "../ledger/public.ts";
import type { ModelsModule } from "../models/public.ts";
import type { QuotasModule } from "../quotas/public.ts";
import type { RoomCommands } from "../rooms/public.ts";
import type { Session } from "./session.ts";
import type { HarnessEntry } from "./ports.ts";
import type { SessionQueries } from "./queries.ts";

export interface CommandDeps extends Deps {
  readonly identity: Pick<IdentityModule, "ensurePrincipal">;
  readonly rooms: RoomCommands;
  readonly models: Pick<ModelsModule, "createVirtualKey" | "revokeVirtualKey" | "resolve" | "defaultModel">;
  readonly ledger: Pick<LedgerModule, "setBudget" | "changeBudget">;
  readonly gate: Pick<GateModule, "killSwitch">;
  readonly quotas: Pick<QuotasModule, "withSeat" | "admitWork">;
  readonly approvals: Pick<ApprovalsModule, "list">;
  readonly forge: Pick<ForgeModule, "check">;
  readonly queries: SessionQueries;
  /** Whether sandboxes can be made here; what to do about it otherwise. */
  readonly sandboxCheck: () => Promise<{ ok: true } | { ok: false; reason: string; fix: string }>;
  readonly harnesses: Readonly<Record<string, HarnessEntry>>;
  readonly defaultBudgetMicroUsd: number;
}

export type By = {
  readonly organizationId: string;
  readonly principal: { readonly id: string; readonly type: "user" | "agent" | "service" };
  readonly origin: Origin;
};
export type Idempotency = { readonly key: string; readonly bodyHash: string } | undefined;

export type Refused<Code extends string> = {
  readonly ok: false;
  readonly refusal: { readonly code: Code; readonly message?: string; readonly fix?: string; readonly details?: unknown };
};
export const refused = <Code extends string>(
  code: Code,
  extra: { message?: string; fix?: string; details?: unknown } = {},
): Refused<Code> => ({
  ok: false,
  refusal: { code, ...extra },
});

export type Ended = "session_not_found" | "session_ended";

export const KILLED = { message: "The kill switch is on: nothing may leave.", fix: "Ask an administrator to release it." };

/** Where the session's events go. */
interface Place {
  readonly stream: StreamRef;
  readonly subject: string;
  readonly origin: Origin;
  readonly roomId: string;
  readonly threadId: string;
  readonly status: string;
}

/** Null when this organization has none of that id. */
export async function placeOf({ queries }: Pick<CommandDeps, "queries">, by: By, sessionId: string): Promise<Place | null> {
  const found = await queries.get(by.organizationId, sessionId);
  if (found === null) return null;
  const { room_id: roomId, thread_id: threadId } = found.view;
  return {
    stream: { type: "room", id: roomId },
    subject: `session:${sessionId}`,
    roomId,
    threadId,
    status: found.view.status,
    origin: { ...by.origin, roomId, threadId, sessionId },
  };
}

/** Not known is not on: whoever asks again finds out. */
export async function isKilled({ gate }: Pick<CommandDeps, "gate">, organizationId: string): Promise<boolean> {
  const state = await gate.killSwitch(organizationId);
  if (state === "unknown")
    throw new ShellRefused("unavailable", "The state of the kill switch could not be read for a second, so nothing is started.", {
      fix: "Try again.",
    });
  return state === "engaged";
}

export function endedHint(state: Session): { message: string; fix: string; details: unknown } {
  const fix = state.status === "completed" ? "Start a new session." : "Resume it, then send the message again.";
  return { message: `The session has ended (${state.status}).`, fix, details: { status: state.status } };
}
