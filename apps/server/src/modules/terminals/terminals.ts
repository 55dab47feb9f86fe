/*
 * The terminals of this process: opened, found again after a restart, closed with what they ran in.
 *
 *   open ──► event ──► process inside ──► live ──► exited, closed, sandbox or session ended ──► event
 *                                          ▲
 *   a killed server's (rows that are open) ┘ as soon as their sandbox is adopted: attached by name, from what is kept
 *
 * The event comes first, so that no shell was ever there of which the log knows nothing; one that then does not start,
 * or whose process is not found again, is closed.
 */
import type { PrincipalId, SessionId, TerminalId } from "@signalbox/contract/primitives";
import { WORKBENCH_LIMITS } from "@signalbox/contract/workbench";
import type { EventLog, Origin } from "@signalbox/eventlog/log";
import type { Clock } from "@signalbox/kernel/clock";
import { newId } from "@signalbox/kernel/id";
import type { Sandbox, SandboxProcess } from "@signalbox/providers/sandbox/port";
import type { Logger } from "pino";
import { refused, type Refused, type RequestContext } from "../../http/handle.ts";
import { SYSTEM } from "../identity/public.ts";
import type { SessionAccess, SessionDoors } from "../sessions/public.ts";
import { type EndReason, LiveTerminal, type TerminalEnd } from "./live-terminal.ts";
import type { TerminalQueries, TerminalRow } from "./queries.ts";
import { terminal } from "./terminal.ts";

export interface TerminalsDeps {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly doors: SessionDoors;
  readonly queries: TerminalQueries;
  readonly isElsewhere: (sessionId: string) => Promise<boolean>;
  readonly hasEnded: (organizationId: string, sessionId: string) => Promise<boolean>;
}

type Asked = Pick<RequestContext, "caller" | "origin">;
interface Held {
  readonly row: Pick<TerminalRow, "id" | "organizationId" | "sessionId" | "roomId">;
  readonly live: LiveTerminal;
  readonly sandbox: Sandbox;
  closedBy: string | null;
  endedMs: number | null;
}

export interface Terminals {
  open(
    asked: Asked,
    access: SessionAccess,
    size: { cols: number; rows: number },
  ): Promise<{ ok: true; id: string } | Refused<"sandbox_not_running" | "too_many_terminals">>;
  close(asked: Asked, row: TerminalRow): Promise<void>;
  /** Null when it is not in this process (any more). */
  live(terminalId: string): LiveTerminal | null;
  /** The same, attached first where it can be: a server that has just started may not have got to it. */
  find(row: TerminalRow): Promise<LiveTerminal | null>;
  start(): void;
  beat(nowMs: number): void;
  /** Waits until what ended is recorded. */
  stop(): Promise<void>;
}

const SHELL = `if [ -x /bin/bash ]; then export PS1='\\[\\e[2m\\]\\w\\[\\e[0m\\] \\$ '; exec /bin/bash -i; fi; export PS1='$ '; exec /bin/sh -i`;
const ENVIRONMENT = { TERM: "xterm-256color", COLORTERM: "truecolor" };
/** A shell may tidy up after a hang-up; then it is ended. */
const HANG_UP_MS = 2000;
const LOOK_AGAIN_MS = 500;
/** While all that is left is another process's. */
const LOOK_ELSEWHERE_MS = 10_000;
/** A sandbox that no hub has adopted by then is gone, and with it what ran there. */
const ADOPTED_WITHIN_MS = 60_000;
const ENDED_KEPT_MS = 10 * 60_000;
const ENDED_KEPT = 64;

export function createTerminals({ log, clock, logger, doors, queries, hasEnded, isElsewhere }: TerminalsDeps): Terminals {
  const held = new Map<string, Held>();
  const attaching = new Map<string, Promise<LiveTerminal | null>>();
  const turns = new Map<string, Promise<unknown>>();
  const watched = new WeakSet<Sandbox>();
  const recording = new Set<Promise<void>>();
  let looking: NodeJS.Timeout | null = null;
  let stopped = false;
  /** Open terminals that no process holds, and since when that is known. */
  const unowned = new Map<string, number>();

  /** One after the other in a session, so that the limit holds when several are asked for at once. */
  function inTurn<T>(sessionId: string, work: () => Promise<T>): Promise<T> {
    const mine = (turns.get(sessionId) ?? Promise.resolve()).then(work, work);
    turns.set(sessionId, mine);
    const forget = (): void => {
      if (turns.get(sessionId) === mine) turns.delete(sessionId);
    };
    mine.then(forget, forget);
    return mine;
  }

  async function record(row: Held["row"], end: TerminalEnd, origin: Origin, by?: string): Promise<void> {
    await log.run(
      terminal,
      {
        organizationId: row.organizationId,
        origin: { ...origin, roomId: row.roomId, sessionId: row.sessionId },
        stream: { type: "room", id: row.roomId },
        subject: `terminal:${row.id}`,
      },
      { type: "close", reason: end.reason, exit_code: end.code, signal: end.signal, by: by as PrincipalId | undefined },
    );
  }

  /** Nobody waits for it: a failure is made good by the next start, which finds the row open and its process gone. */
  function recordSoon(of: Held["row"], end: TerminalEnd, by: string | null): void {
    const work = record(of, end, { principal: by === null ? SYSTEM : { id: by, type: "user" } }, by ?? undefined)
      .catch((error: unknown) => logger.warn({ err: error, terminal_id: of.id }, "the end of a terminal was not recorded"))
      .finally(() => recording.delete(work));
    recording.add(work);
  }

  function hold(
    row: Held["row"],
    size: { cols: number; rows: number },
    sandbox: Sandbox,
    process: SandboxProcess,
    isResumed: boolean,
  ): LiveTerminal {
    const live: LiveTerminal = new LiveTerminal(process, {
      ...size,
      isResumed,
      now: clock.nowMs,
      onEnd: (end) => {
        entry.endedMs = clock.nowMs();
        recordSoon(row, end, entry.closedBy);
      },
      onLost: () => void reattach(entry),
    });
    const entry: Held = { row, live, sandbox, closedBy: null, endedMs: null };
    held.set(row.id, entry);
    if (!watched.has(sandbox)) {
      watched.add(sandbox);
      sandbox.onEnd(() => void endWith(sandbox));
    }
    return live;
  }

  async function endWith(sandbox: Sandbox): Promise<void> {
    for (const entry of held.values()) {
      if (entry.sandbox !== sandbox || entry.live.end !== null) continue;
      entry.live.finish({ code: null, signal: null, reason: await reasonOf(entry.row) });
    }
  }

  async function reasonOf({ organizationId, sessionId }: Held["row"]): Promise<EndReason> {
    const ended = await hasEnded(organizationId, sessionId).catch(() => false); // the log is away: the lesser claim
    return ended ? "session_ended" : "sandbox_ended";
  }

  /** The connection to the sandbox was lost, and sandboxd dials again: the terminal goes on where it was. */
  async function reattach({ live, sandbox, row }: Held): Promise<void> {
    while (live.end === null && sandbox.alive()) {
      if (stopped) return;
      try {
        const process = await sandbox.attach(row.id, { stdoutFrom: live.offset });
        return live.bind(process, () => void reattach(held.get(row.id)!));
      } catch (error) {
        if ((error as { code?: string }).code === "process_not_found")
          return live.finish({ code: null, signal: null, reason: "sandbox_ended" });
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      }
    }
  }

  /** Null when its sandbox is not there (yet), or the process is not in it any more; that is recorded. */
  async function attach(row: TerminalRow): Promise<LiveTerminal | null> {
    const sandbox = doors.sandboxOf(row.organizationId, row.sessionId);
    if (sandbox === null) return null;
    try {
      return hold(row, row, sandbox, await sandbox.attach(row.id, { stdoutFrom: 0 }), true);
    } catch (error) {
      if ((error as { code?: string }).code === "process_not_found")
        await record(row, { code: null, signal: null, reason: "sandbox_ended" }, { principal: SYSTEM });
      return null;
    }
  }

  async function find(row: TerminalRow): Promise<LiveTerminal | null> {
    const known = held.get(row.id);
    if (known !== undefined || row.closedAt !== null) return known?.live ?? null;
    let made = attaching.get(row.id);
    if (made === undefined) attaching.set(row.id, (made = attach(row).finally(() => attaching.delete(row.id))));
    return made;
  }

  /** Those of the server before this one, and of processes that are gone. */
  async function lookFor(sinceMs: number): Promise<void> {
    let left = 0;
    let others = 0;
    try {
      for (const row of await queries.open()) {
        if (held.has(row.id) || Date.parse(row.createdAt) > sinceMs) continue;
        if (await isElsewhere(row.sessionId)) {
          unowned.delete(row.id);
          others++;
          continue;
        }
        if ((await find(row)) !== null) continue;
        const ended = await hasEnded(row.organizationId, row.sessionId);
        const missedMs = unowned.get(row.id) ?? clock.nowMs();
        if (ended || clock.nowMs() - missedMs > ADOPTED_WITHIN_MS) {
          await record(row, { code: null, signal: null, reason: ended ? "session_ended" : "sandbox_ended" }, { principal: SYSTEM });
          unowned.delete(row.id);
        } else {
          unowned.set(row.id, missedMs);
          left++;
        }
      }
    } catch (error) {
      left++;
      logger.warn({ err: error }, "terminals of before could not be looked for; trying again");
    }
    if (left + others > 0 && !stopped) looking = setTimeout(() => void lookFor(sinceMs), left > 0 ? LOOK_AGAIN_MS : LOOK_ELSEWHERE_MS);
  }

  return {
    live: (terminalId) => held.get(terminalId)?.live ?? null,
    find,
    open: ({ caller, origin }, access, size) =>
      inTurn(access.sessionId, async () => {
        const { organizationId } = caller;
        const { sessionId, roomId, threadId } = access;
        const sandbox = doors.sandboxOf(organizationId, sessionId);
        const notRunning = (message: string) =>
          refused("sandbox_not_running", { message, fix: "Send a message or resume the session to start it." });
        if (sandbox === null) return notRunning("The sandbox is not running.");
        const alive = [...held.values()].filter((entry) => entry.row.sessionId === sessionId && entry.live.end === null).length;
        if (alive >= WORKBENCH_LIMITS.terminalsPerSession)
          return refused("too_many_terminals", {
            message: `A session has at most ${WORKBENCH_LIMITS.terminalsPerSession} terminals at a time.`,
            fix: "Close one that is not needed any more.",
          });
        const id = newId("trm");
        const row = { id, organizationId, sessionId, roomId };
        await log.run(
          terminal,
          {
            organizationId,
            origin: { ...origin, roomId, threadId, sessionId },
            stream: { type: "room", id: roomId },
            subject: `terminal:${id}`,
            newSubjects: [`terminal:${id}`],
          },
          {
            type: "open",
            data: {
              session_id: sessionId as SessionId,
              terminal_id: id as TerminalId,
              ...size,
              by: caller.principal.id as PrincipalId,
            },
          },
        );
        try {
          const process = await sandbox.spawn({ argv: ["/bin/sh", "-c", SHELL], env: ENVIRONMENT, id, pty: size });
          hold(row, size, sandbox, process, false);
          return { ok: true as const, id };
        } catch (error) {
          logger.warn({ err: error, session_id: sessionId }, "a terminal could not be opened");
          await record(row, { code: null, signal: null, reason: "sandbox_ended" }, { principal: SYSTEM });
          const { code } = error as { code?: string };
          if (code === "unsupported") return notRunning("The sandbox was started by an earlier version of this server, without terminals.");
          if (code === "pty_unavailable")
            return notRunning("This sandbox has no terminals: the server's host lacks the part that makes them.");
          return notRunning("The sandbox does not answer.");
        }
      }),

    async close({ caller, origin }, row) {
      if (row.closedAt !== null) return;
      const live = await find(row);
      if (live === null) {
        await record(row, { code: null, signal: null, reason: "closed" }, origin, caller.principal.id);
        return;
      }
      const entry = held.get(row.id)!;
      entry.closedBy ??= caller.principal.id;
      live.signal("SIGHUP");
      const gone = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, HANG_UP_MS);
        const poll = setInterval(() => {
          if (live.end === null) return;
          clearInterval(poll);
          clearTimeout(timer);
          resolve();
        }, 10);
        timer.unref();
        setTimeout(() => clearInterval(poll), HANG_UP_MS + 10).unref();
      });
      await gone;
      live.signal("SIGKILL");
      live.finish({ code: null, signal: "SIGHUP", reason: "closed" });
      await Promise.all(recording);
    },

    start() {
      stopped = false;
      void lookFor(clock.nowMs());
    },
    beat(nowMs) {
      const ended = [...held.values()].filter((entry) => entry.endedMs !== null);
      for (const entry of ended) if (nowMs - entry.endedMs! > ENDED_KEPT_MS) held.delete(entry.row.id);
      for (const entry of ended.slice(0, Math.max(0, ended.length - ENDED_KEPT))) held.delete(entry.row.id);
      for (const { live } of held.values()) live.dropStalled(nowMs);
    },
    async stop() {
      stopped = true;
      if (looking !== null) clearTimeout(looking);
      await Promise.all(recording);
    },
  };
}
