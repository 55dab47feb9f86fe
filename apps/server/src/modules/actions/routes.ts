import { getInvocation, listInvocations, resolveInvocation } from "@signalbox/contract/gate";
import { type BoundRoute, type Caller, handle, refused } from "../../http/handle.ts";
import type { Execution } from "./execute.ts";
import type { ActionsDeps } from "./public.ts";
import { findInvocation, findInvocations, type StoredInvocation } from "./queries.ts";

const NO_INVOCATION = refused("invocation_not_found", {
  message: "There is no such invocation, or you are not in its room.",
  fix: "List them with GET /v1/invocations.",
});

/** An invocation in a room that the caller is not in does not exist for them. */
export function actionRoutes({ db, rooms, execution }: ActionsDeps & { execution: Execution }): readonly BoundRoute[] {
  async function visible(caller: Caller, id: string): Promise<StoredInvocation | null> {
    const found = await findInvocation(db, caller.organizationId, id);
    if (found === null || found.roomId === null) return found;
    return (await rooms.roleIn(caller, found.roomId)) === null ? null : found;
  }

  return [
    handle(listInvocations, async ({ caller, query }) => {
      const { limit, cursor, session_id: sessionId, status } = query;
      return findInvocations(db, caller.organizationId, { sessionId, status, rooms: await rooms.visibleRooms(caller) }, { limit, cursor });
    }),
    handle(getInvocation, async ({ caller, params }) => (await visible(caller, params.id))?.view ?? NO_INVOCATION),
    handle(resolveInvocation, async ({ caller, params, body, origin }) => {
      if ((await visible(caller, params.id)) === null) return NO_INVOCATION;
      const found = await execution.find(caller.organizationId, params.id);
      if (found === null) return NO_INVOCATION;
      const by = { ...found, origin: { ...found.origin, ...origin } };
      const comment = body.comment ?? "said by a person";
      const decision = await execution.decide(
        caller.organizationId,
        by,
        body.outcome === "completed"
          ? {
              type: "complete",
              invocationId: params.id,
              attempt: "reconciled",
              result: { resolved_by: caller.principal.id, comment },
              durationMs: 0,
            }
          : { type: "fail", invocationId: params.id, attempt: "reconciled", code: "resolved_as_failed", message: comment },
      );
      if (!decision.ok)
        return refused("invocation_not_unknown", { message: "Only an invocation of unknown outcome waits for a person's word." });
      const after = await findInvocation(db, caller.organizationId, params.id);
      return after?.view ?? NO_INVOCATION;
    }),
  ];
}
