import { closeTerminal, createTerminal, listTerminals, type TerminalView } from "@signalbox/contract/workbench";
import type { z } from "zod";
import { handle, refused, type BoundRoute } from "../../http/handle.ts";
import type { SessionDoors } from "../sessions/public.ts";
import type { TerminalQueries, TerminalRow } from "./queries.ts";
import type { Terminals } from "./terminals.ts";

export interface RouteDeps {
  readonly doors: SessionDoors;
  readonly queries: TerminalQueries;
  readonly terminals: Terminals;
}

const ENDED_LISTED_MS = 3_600_000;

export function terminalRoutes({ doors, queries, terminals }: RouteDeps): BoundRoute[] {
  function view(row: TerminalRow): z.input<typeof TerminalView> {
    const live = terminals.live(row.id);
    const end = live?.end ?? (row.closedAt === null ? null : { code: row.exitCode, signal: row.signal });
    return {
      id: row.id,
      session_id: row.sessionId,
      title: live?.title ?? "shell",
      cols: live?.cols ?? row.cols,
      rows: live?.rows ?? row.rows,
      alive: end === null,
      exit: end === null || (end.code === null && end.signal === null) ? null : { code: end.code, signal: end.signal },
      created_by: row.createdBy,
      created_at: row.createdAt,
      viewers: live?.viewers ?? 0,
    };
  }
  const read = async (organizationId: string, id: string): Promise<TerminalRow> => {
    const row = await queries.get(organizationId, id);
    if (row === null) throw new Error(`${id} was written and cannot be read`);
    return row;
  };
  return [
    handle(createTerminal, async (request) => {
      const access = await doors.writeAccessOf(request.caller, request.params.id);
      if (access === null) return refused("session_not_found");
      const opened = await terminals.open(request, access, request.body);
      return opened.ok ? view(await read(request.caller.organizationId, opened.id)) : opened;
    }),
    handle(listTerminals, async ({ caller, params, now }) => {
      if ((await doors.accessOf(caller, params.id)) === null) return refused("session_not_found");
      const since = new Date(Date.parse(now) - ENDED_LISTED_MS).toISOString();
      return { items: (await queries.list(caller.organizationId, params.id, since)).map(view) };
    }),
    handle(closeTerminal, async (request) => {
      const { caller, params } = request;
      if ((await doors.writeAccessOf(caller, params.id)) === null) return refused("session_not_found");
      const row = await queries.get(caller.organizationId, params.terminal_id);
      if (row === null || row.sessionId !== params.id) return refused("terminal_not_found");
      await terminals.close(request, row);
      return view(await read(caller.organizationId, row.id));
    }),
  ];
}
