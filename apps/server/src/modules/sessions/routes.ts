import {
  archiveSession,
  cancelTurn,
  createSession,
  getConversation,
  getDiff,
  getSession,
  getSessionStatus,
  listSessionActions,
  listSessions,
  listTurns,
  promptSession,
  renameSession,
  resumeSession,
  SessionStatus,
  stopSession,
  unarchiveSession,
} from "@signalbox/contract/sessions";
import { deleteSession } from "@signalbox/contract/session-queue";
import type { EventLog } from "@signalbox/eventlog/log";
import { InvalidCursor } from "../../http/cursor.ts";
import { handle, refused, type BoundRoute, type Caller, type RequestContext } from "../../http/handle.ts";
import { ShellRefused } from "../../http/refusal.ts";
import type { ActionsModule } from "../actions/public.ts";
import type { ForgeModule } from "../forge/public.ts";
import { hasRoomRole, type RoomAccess } from "../rooms/public.ts";
import type { RunsModule } from "../runs/public.ts";
import type { SessionCommands } from "./commands.ts";
import type { ConversationReader } from "./conversation.ts";
import type { Hubs } from "./hubs.ts";
import type { Leases } from "./lease.ts";
import { queueRoutes } from "./queued.ts";
import type { SessionQueries, SessionRow, SessionView_ } from "./queries.ts";

export interface RouteDeps {
  readonly log: EventLog;
  readonly conversation: ConversationReader;
  readonly queries: SessionQueries;
  readonly commands: SessionCommands;
  readonly rooms: RoomAccess;
  readonly runs: Pick<RunsModule, "list" | "view">;
  readonly actions: Pick<ActionsModule, "list">;
  readonly forge: Pick<ForgeModule, "diff">;
  readonly hubs: Hubs;
  readonly leases: Leases;
}

export function sessionRoutes({
  log,
  conversation,
  queries,
  commands,
  rooms,
  runs,
  actions,
  forge,
  hubs,
  leases,
}: RouteDeps): BoundRoute[] {
  /** Null alike for a session that is not there and one whose room the caller is not in. */
  async function visible(caller: Caller, id: string): Promise<SessionRow | null> {
    const found = await queries.get(caller.organizationId, id);
    if (found === null) return null;
    return (await rooms.roleIn(caller, found.view.room_id)) === null ? null : found;
  }
  async function writable(caller: Caller, id: string): Promise<SessionRow | null> {
    const found = await queries.get(caller.organizationId, id);
    if (found === null) return null;
    const role = await rooms.roleIn(caller, found.view.room_id);
    if (role === null) return null;
    if (!hasRoomRole(role, "member"))
      throw new ShellRefused("forbidden", "You may read this session, not take part in it.", {
        fix: "Ask an owner of its room to make you a member.",
      });
    return found;
  }
  const by = ({ caller, origin }: RequestContext) => ({ organizationId: caller.organizationId, principal: caller.principal, origin });
  const view = async (caller: Caller, id: string): Promise<SessionView_> => {
    const found = await queries.get(caller.organizationId, id);
    if (found === null) throw new Error(`${id} was written and cannot be read`);
    return found.view;
  };

  return [
    handle(createSession, async (request) => {
      const { body, caller } = request;
      if (body.room_id === undefined && caller.grant?.rooms !== undefined)
        throw new ShellRefused("forbidden", "This capability is for some rooms only, and a session without one makes a room.", {
          fix: "Name one of its rooms as room_id.",
        });
      if (body.room_id !== undefined) {
        const role = await rooms.roleIn(caller, body.room_id);
        if (role === null) return refused("room_not_found");
        if (!hasRoomRole(role, "member")) throw new ShellRefused("forbidden", "You may read this room, not start sessions in it.");
      }
      const created = await commands.create(
        by(request),
        {
          source: body.source,
          title: body.title,
          prompt: body.prompt,
          model: body.model,
          harness: body.harness,
          kind: body.kind,
          sandbox: body.sandbox,
          budgetMicroUsd: body.budget_micro_usd,
          roomId: body.room_id,
        },
        request.idempotency,
      );
      return created.ok ? view(caller, created.sessionId) : created;
    }),
    handle(listSessions, async ({ caller, query }) => {
      const { limit, cursor, status, q, archived, model, repository, created_by: createdBy, outcome, sort } = query;
      const wanted = status?.split(",");
      const unknown = wanted?.find((one) => !SessionStatus.safeParse(one).success);
      if (unknown !== undefined) throw new ShellRefused("invalid_request", `query.status: there is no status ${unknown}.`);
      return queries.list(
        caller.organizationId,
        {
          status: wanted,
          model,
          repository,
          createdBy,
          outcome,
          sort,
          q,
          archived: archived === "true",
          rooms: await rooms.visibleRooms(caller),
        },
        { limit, cursor },
      );
    }),
    handle(getSession, async ({ caller, params }) => (await visible(caller, params.id))?.view ?? refused("session_not_found")),
    handle(getSessionStatus, async ({ caller, params }) => {
      const found = await visible(caller, params.id);
      if (found === null) return refused("session_not_found");
      const hub = hubs.get(params.id);
      const elsewhere =
        hub === undefined && (await leases.holderOf(params.id)) !== null && (await leases.records(params.id)).sandbox !== null;
      return {
        state: found.view.status,
        reason: found.view.status_reason,
        sandbox_alive: hub === undefined ? elsewhere : (hub.workplace.sandbox?.alive() ?? false),
        sandbox_id: found.sandboxId as never,
      };
    }),
    handle(renameSession, async (request) => {
      if ((await writable(request.caller, request.params.id)) === null) return refused("session_not_found");
      const { title, model, budget_micro_usd: budgetMicroUsd } = request.body;
      const done = await commands.change(by(request), request.params.id, { title, model, budgetMicroUsd });
      return done.ok ? view(request.caller, request.params.id) : done;
    }),
    handle(promptSession, async (request) => {
      if ((await writable(request.caller, request.params.id)) === null) return refused("session_not_found");
      const done = await commands.prompt(by(request), request.params.id, request.body.content_md, request.idempotency);
      if (!done.ok) return done;
      const run = await runs.view(request.caller.organizationId, done.runId);
      if (run === null) throw new Error(`${done.runId} was written and cannot be read`);
      return run;
    }),
    handle(cancelTurn, async (request) => {
      if ((await writable(request.caller, request.params.id)) === null) return refused("session_not_found");
      const done = await commands.cancel(by(request), request.params.id, request.body.reason);
      return done.ok ? view(request.caller, request.params.id) : done;
    }),
    handle(stopSession, async (request) => {
      if ((await writable(request.caller, request.params.id)) === null) return refused("session_not_found");
      const done = await commands.stop(by(request), request.params.id, request.body.reason);
      return done.ok ? view(request.caller, request.params.id) : done;
    }),
    handle(resumeSession, async (request) => {
      if ((await writable(request.caller, request.params.id)) === null) return refused("session_not_found");
      const done = await commands.resume(by(request), request.params.id);
      return done.ok ? view(request.caller, request.params.id) : done;
    }),
    handle(archiveSession, async (request) => {
      if ((await writable(request.caller, request.params.id)) === null) return refused("session_not_found");
      const done = await commands.archive(by(request), request.params.id);
      return done.ok ? view(request.caller, request.params.id) : done;
    }),
    handle(unarchiveSession, async (request) => {
      if ((await writable(request.caller, request.params.id)) === null) return refused("session_not_found");
      const done = await commands.unarchive(by(request), request.params.id);
      return done.ok ? view(request.caller, request.params.id) : done;
    }),
    handle(getConversation, async ({ caller, params, query }) => {
      const found = await visible(caller, params.id);
      if (found === null) return refused("session_not_found");
      return conversation({ organizationId: caller.organizationId, sessionId: params.id, roomId: found.view.room_id }, query);
    }),
    handle(deleteSession, async (request) => {
      if ((await writable(request.caller, request.params.id)) === null) return refused("session_not_found");
      const done = await commands.delete(by(request), request.params.id);
      return done.ok ? { ok: true as const } : done;
    }),
    ...queueRoutes({ log, queries, visible, writable }),
    handle(listTurns, async ({ caller, params, query }) => {
      if ((await visible(caller, params.id)) === null) return refused("session_not_found");
      const page = await runs.list(caller.organizationId, { sessionId: params.id, kind: "turn", order: "oldest" }, query);
      if (page === null) throw new InvalidCursor("not a cursor of this list");
      return page;
    }),
    handle(getDiff, async ({ caller, params }) => {
      if ((await visible(caller, params.id)) === null) return refused("session_not_found");
      const sandbox = hubs.get(params.id)?.workplace.sandbox;
      if (sandbox === undefined || sandbox === null || !sandbox.alive()) {
        return refused("sandbox_not_running", {
          message: "The sandbox is not running; what the last turn changed is in the session's artifacts.",
          fix: "Send a message or resume the session to start it.",
        });
      }
      const diff = await forge.diff(sandbox, { sessionId: params.id });
      return { base_commit: diff.baseCommit, files: diff.files, patch: diff.patch, truncated: diff.truncated };
    }),
    handle(listSessionActions, async ({ caller, params, query }) => {
      if ((await visible(caller, params.id)) === null) return refused("session_not_found");
      return actions.list(caller.organizationId, { sessionId: params.id }, query);
    }),
  ];
}
