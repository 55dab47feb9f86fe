import { archiveRoom, readRoom as readUpTo, renameRoom, unarchiveRoom } from "@signalbox/contract/room-reading";
import type { PrincipalId } from "@signalbox/contract/primitives";
import { sql } from "kysely";
import { type BoundRoute, type Caller, handle, type RequestContext } from "../../http/handle.ts";
import { hasRoomRole } from "./access.ts";
import { room, type RoomCommand } from "./room.ts";
import type { RoomRow } from "./room-rows.ts";
import { roomView } from "./room-rows.ts";
import { NO_ROOM, NO_THREAD, type RoomRouteDeps, target, tooLow } from "./answers.ts";

/** What a person does with a room that is there: reads it, names it, puts it away. */
export function readingRoutes(deps: RoomRouteDeps & { readRoom: (caller: Caller, id: string) => Promise<RoomRow> }): readonly BoundRoute[] {
  const { log, db, access, readRoom } = deps;

  async function change(context: RequestContext, id: string, command: RoomCommand) {
    const { caller, origin } = context;
    const role = await access.roleIn(caller, id);
    if (role === null) return NO_ROOM;
    if (!hasRoomRole(role, "member")) return tooLow(role, "member");
    const decision = await log.run(room, target(caller, origin, id), command);
    return decision.ok ? roomView(await readRoom(caller, id)) : NO_ROOM;
  }
  /** False: the room has no such thread. */
  async function readThread({ organizationId, principal }: Caller, roomId: string, threadId: string, seq: number): Promise<boolean> {
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql`with thread as (select t.id, h.seq as head from proj_threads t
                            join evt_stream_heads h on h.organization_id = t.organization_id and h.stream_type = 'room' and h.stream_id = t.room_id
                           where t.organization_id = ${organizationId} and t.room_id = ${roomId} and t.id = ${threadId}),
               moved as (insert into room_thread_reads as c (organization_id, principal_id, thread_id, read_seq)
                         select ${organizationId}, ${principal.id}, id, least(${seq}::bigint, head) from thread
                         on conflict (organization_id, principal_id, thread_id)
                         do update set read_seq = excluded.read_seq, read_at = now() where c.read_seq < excluded.read_seq)
          select id from thread`.execute(tx),
    );
    return rows.length > 0;
  }
  const by = (context: RequestContext): PrincipalId => context.caller.principal.id as PrincipalId;

  return [
    handle(readUpTo, async ({ caller, params, body }) => {
      if ((await access.roleIn(caller, params.id)) === null) return NO_ROOM;
      const { organizationId, principal } = caller;
      const { thread_id: thread } = body;
      if (thread !== undefined && !(await readThread(caller, params.id, thread, body.seq))) return NO_THREAD;
      if (thread === undefined)
        await db.inOrganization(organizationId, (tx) =>
          // Of two tabs the one that read further stands; what is beyond the head has not been read.
          sql`insert into room_reads as c (organization_id, principal_id, room_id, read_seq)
            select ${organizationId}, ${principal.id}, ${params.id}, least(${body.seq}::bigint, coalesce(max(seq), 0)) from evt_stream_heads
             where organization_id = ${organizationId} and stream_type = 'room' and stream_id = ${params.id}
            on conflict (organization_id, principal_id, room_id) do update set read_seq = excluded.read_seq, read_at = now() where c.read_seq < excluded.read_seq`.execute(
            tx,
          ),
        );
      const { read_seq, unread_count, mention_count } = roomView(await readRoom(caller, params.id));
      return { read_seq, unread_count, mention_count };
    }),
    handle(renameRoom, async ({ params, body, ...context }) =>
      change(context, params.id, { type: "rename", title: body.title, by: by(context) }),
    ),
    handle(archiveRoom, async ({ params, ...context }) => change(context, params.id, { type: "archive", by: by(context) })),
    handle(unarchiveRoom, async ({ params, ...context }) => change(context, params.id, { type: "unarchive", by: by(context) })),
  ];
}
