/* Reading runs. A run in a room that the caller is not in does not exist for them. */
import { getArtifact, getRun, listArtifacts, listAttempts, listRuns, listSteps, listToolCalls } from "@signalbox/contract/runs";
import { type BoundRoute, type Caller, handle, refused } from "../../http/handle.ts";
import type { RunsDeps } from "./public.ts";
import {
  type ArtifactRecord,
  findArtifacts,
  findAttempts,
  findRun,
  findRuns,
  findSteps,
  findToolCalls,
  type RunRecord,
} from "./queries.ts";

type ReadDeps = RunsDeps & {
  artifact: (organizationId: string, id: string) => Promise<{ artifact: ArtifactRecord; roomId: string | null } | null>;
};

const NO_RUN = refused("run_not_found", {
  message: "There is no such run, or you are not in its room.",
  fix: "List the runs you may see with GET /v1/runs.",
});

export function readRoutes({ db, rooms, artifact }: ReadDeps): readonly BoundRoute[] {
  const mayKnow = async (caller: Caller, roomId: string | null): Promise<boolean> =>
    roomId === null || (await rooms.roleIn(caller, roomId)) !== null;
  async function visible(caller: Caller, runId: string): Promise<RunRecord | null> {
    const run = await findRun(db, caller.organizationId, runId);
    return run !== null && (await mayKnow(caller, run.room_id)) ? run : null;
  }

  return [
    handle(listRuns, async ({ caller, query }) => {
      const { limit, cursor, room_id: roomId, session_id: sessionId, status, kind, q, assignee, sort: order } = query;
      return findRuns(
        db,
        caller.organizationId,
        {
          roomId,
          sessionId,
          status,
          kind,
          q,
          assignee,
          order,
          correlationId: query.correlation_id,
          rooms: await rooms.visibleRooms(caller),
        },
        { limit, cursor },
      );
    }),
    handle(getRun, async ({ caller, params }) => (await visible(caller, params.id)) ?? NO_RUN),
    handle(listSteps, async ({ caller, params, query }) =>
      (await visible(caller, params.id)) === null ? NO_RUN : findSteps(db, caller.organizationId, params.id, query),
    ),
    handle(listAttempts, async ({ caller, params }) =>
      (await visible(caller, params.id)) === null ? NO_RUN : { items: await findAttempts(db, caller.organizationId, params.id) },
    ),
    handle(listToolCalls, async ({ caller, query }) =>
      (await visible(caller, query.run_id)) === null ? NO_RUN : findToolCalls(db, caller.organizationId, query.run_id, query),
    ),
    handle(listArtifacts, async ({ caller, query }) => {
      const { limit, cursor, run_id: runId, session_id: sessionId } = query;
      return findArtifacts(db, caller.organizationId, { runId, sessionId, rooms: await rooms.visibleRooms(caller) }, { limit, cursor });
    }),
    handle(getArtifact, async ({ caller, params }) => {
      const found = await artifact(caller.organizationId, params.id);
      if (found === null || !(await mayKnow(caller, found.roomId))) return refused("artifact_not_found");
      return found.artifact;
    }),
  ];
}
