import type { PreviewId, PrincipalId, SessionId } from "@signalbox/contract/primitives";
import { WORKBENCH_LIMITS } from "@signalbox/contract/workbench";
import type { EventLog, Origin } from "@signalbox/eventlog/log";
import { newId } from "@signalbox/kernel/id";
import type { Clock } from "@signalbox/kernel/clock";
import { refused, type Refused, type RequestContext } from "../../http/handle.ts";
import { SYSTEM } from "../identity/public.ts";
import type { SessionAccess, SessionDoors } from "../sessions/public.ts";
import { isReserved } from "./ports.ts";
import { preview } from "./preview.ts";
import type { PreviewQueries, PreviewRow } from "./queries.ts";

export interface CommandDeps {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly doors: SessionDoors;
  readonly queries: PreviewQueries;
  readonly lifetimeMs: number;
  readonly onClosed: (previewId: string) => void;
}

type Asked = Pick<RequestContext, "caller" | "origin" | "now">;
type CreateRefusal = "sandbox_not_running" | "too_many_previews" | "port_not_allowed";

export interface PreviewCommands {
  create(asked: Asked, access: SessionAccess, port: number): Promise<{ ok: true; preview: PreviewRow } | Refused<CreateRefusal>>;
  /** Null when the session has no such preview. */
  revoke(asked: Asked, access: SessionAccess, previewId: string): Promise<PreviewRow | null>;
  close(row: PreviewRow, reason: "expired" | "session_ended"): Promise<void>;
}

export function previewCommands({ log, clock, doors, queries, lifetimeMs, onClosed }: CommandDeps): PreviewCommands {
  /** One after the other in a session, so that the limit holds when several are asked for at once. */
  const turns = new Map<string, Promise<unknown>>();
  function inTurn<T>(sessionId: string, work: () => Promise<T>): Promise<T> {
    const before = turns.get(sessionId) ?? Promise.resolve();
    const mine = before.then(work, work);
    turns.set(sessionId, mine);
    const forget = (): void => {
      if (turns.get(sessionId) === mine) turns.delete(sessionId);
    };
    mine.then(forget, forget);
    return mine;
  }

  async function close(row: PreviewRow, reason: "revoked" | "expired" | "session_ended", origin: Origin, by?: string): Promise<void> {
    await log.run(
      preview,
      {
        organizationId: row.organizationId,
        origin: { ...origin, roomId: row.roomId, sessionId: row.sessionId },
        stream: { type: "room", id: row.roomId },
        subject: `preview:${row.id}`,
      },
      { type: "delete", reason, by: by as PrincipalId | undefined },
    );
    onClosed(row.id);
  }

  return {
    create: ({ caller, origin }, access, port) =>
      inTurn(access.sessionId, async () => {
        const { organizationId } = caller;
        const reserved = await isReserved(doors.sandboxOf(organizationId, access.sessionId), port);
        if (reserved === null)
          return refused("sandbox_not_running", {
            message: "The sandbox is not running.",
            fix: "Send a message or resume the session to start it.",
          });
        if (reserved)
          return refused("port_not_allowed", {
            message: `Port ${port} is used by Signalbox or the agent itself.`,
            fix: "Choose the port of a program that runs in the sandbox; GET …/ports lists them.",
          });
        const now = new Date(clock.nowMs()).toISOString();
        const open = await queries.open(organizationId, access.sessionId, now);
        if (open.length >= WORKBENCH_LIMITS.previewsPerSession)
          return refused("too_many_previews", {
            message: `A session has at most ${WORKBENCH_LIMITS.previewsPerSession} previews.`,
            fix: "Close one that is not needed any more.",
          });
        const id = newId("prv");
        const expiresAt = new Date(clock.nowMs() + lifetimeMs).toISOString();
        await log.run(
          preview,
          {
            organizationId,
            origin: { ...origin, roomId: access.roomId, threadId: access.threadId, sessionId: access.sessionId },
            stream: { type: "room", id: access.roomId },
            subject: `preview:${id}`,
            newSubjects: [`preview:${id}`],
          },
          {
            type: "create",
            data: {
              session_id: access.sessionId as SessionId,
              preview_id: id as PreviewId,
              port,
              by: caller.principal.id as PrincipalId,
              expires_at: expiresAt,
            },
          },
        );
        const made = await queries.get(organizationId, id);
        if (made === null) throw new Error(`${id} was written and cannot be read`);
        return { ok: true as const, preview: made };
      }),

    async revoke({ caller, origin }, access, previewId) {
      const found = await queries.get(caller.organizationId, previewId);
      if (found === null || found.sessionId !== access.sessionId) return null;
      await close(found, "revoked", origin, caller.principal.id);
      return found;
    },

    close: (row, reason) => close(row, reason, { principal: SYSTEM }),
  };
}
