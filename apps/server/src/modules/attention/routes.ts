import { type AttentionItem, dismissAttention, dismissManyAttention, listAttention, restoreAttention } from "@signalbox/contract/attention";
import { plusMs } from "@signalbox/kernel/clock";
import type { OrganizationRole } from "@signalbox/contract/primitives";
import type { z } from "zod";
import { hasRole } from "../../http/authenticate.ts";
import { type BoundRoute, type Caller, handle, refused } from "../../http/handle.ts";
import type { AttentionDeps } from "./public.ts";
import { dismiss, findItems, type ItemRow, listItems, restore, type Viewer } from "./queries.ts";

type Item = z.input<typeof AttentionItem>;

/** A dismissal can be taken back for so long. */
const UNDO_MS = 30 * 24 * 3600_000;

const NOT_FOUND = refused("attention_not_found", {
  message: "There is nothing of that id on your list.",
  fix: "Read the list again with GET /v1/attention.",
});

export function attentionRoutes(
  deps: AttentionDeps & { changed: (of: { organizationId: string; principalId: string; id: string }) => void },
): {
  readonly routes: readonly BoundRoute[];
  readonly openItem: (who: { organizationId: string; principalId: string; role: OrganizationRole }, id: string) => Promise<Item | null>;
} {
  const { db, clock, rooms, approvals, questions } = deps;

  const viewerOf = async (caller: Pick<Caller, "organizationId" | "principal" | "role">): Promise<Viewer> => {
    const maySettle = hasRole(caller.role, "approver");
    const [visible, deciding] = await Promise.all([rooms.visibleRooms(caller), maySettle ? rooms.visibleRooms(caller, "approver") : []]);
    return {
      organizationId: caller.organizationId,
      principalId: caller.principal.id,
      isAdmin: hasRole(caller.role, "admin"),
      rooms: visible,
      deciding,
      maySettle,
    };
  };
  const stuckBefore = (): string => plusMs(clock.now(), -deps.stuckAfterMs);

  async function views(organizationId: string, rows: readonly ItemRow[]): Promise<Item[]> {
    const of = (kind: ItemRow["kind"]): string[] => rows.filter((row) => row.kind === kind).map((row) => row.subject_id);
    const [approvalViews, questionViews] = await Promise.all([
      approvals.views(organizationId, of("approval")),
      questions?.(organizationId, of("question")),
    ]);
    return rows.map((row) => {
      const approval = row.kind === "approval" ? (approvalViews.get(row.subject_id) ?? null) : null;
      return {
        id: row.id,
        kind: row.kind,
        at: row.opened_at.toISOString(),
        title: approval?.title ?? row.title ?? TITLE[row.kind],
        detail: row.kind === "run_stuck" ? stuckDetail(row.opened_at, clock.nowMs()) : (approval?.request.purpose ?? row.detail),
        room_id: row.room_id,
        session: row.session_id === null ? null : { id: row.session_id, title: row.session_title ?? "Session" },
        run_id: row.run_id,
        approval,
        question: (row.kind === "question" ? questionViews?.get(row.subject_id) : undefined) ?? null,
        invocation_id: row.kind === "invocation_unknown" ? row.subject_id : null,
        undoable_until: row.dismissed_at === null ? null : plusMs(row.dismissed_at.toISOString(), UNDO_MS),
        dismissed_at: row.dismissed_at?.toISOString() ?? null,
        outcome: row.outcome,
        done_at: (row.closed_at ?? row.dismissed_at)?.toISOString() ?? null,
      };
    });
  }

  async function one(viewer: Viewer, id: string): Promise<Item | null> {
    const [row] = await findItems(db, viewer, [id], stuckBefore());
    return row === undefined ? null : ((await views(viewer.organizationId, [row]))[0] ?? null);
  }

  const routes = [
    handle(listAttention, async ({ caller, query }) => {
      const found = await listItems(db, await viewerOf(caller), { ...query, stuckBefore: stuckBefore() });
      return {
        items: await views(caller.organizationId, found.items),
        next_cursor: found.next_cursor,
        counts: { total: [...found.counts.values()].reduce((sum, n) => sum + n, 0), by_kind: Object.fromEntries(found.counts) },
      };
    }),

    handle(dismissAttention, async ({ caller, params }) => {
      const viewer = await viewerOf(caller);
      const found = await findItems(db, viewer, [params.id], stuckBefore());
      if (found.length === 0) return NOT_FOUND;
      await dismiss(db, viewer, [params.id], clock.now());
      deps.changed({ ...viewer, id: params.id });
      return (await one(viewer, params.id)) ?? NOT_FOUND;
    }),

    handle(restoreAttention, async ({ caller, params }) => {
      const viewer = await viewerOf(caller);
      const [row] = await findItems(db, viewer, [params.id], stuckBefore());
      if (row === undefined) return NOT_FOUND;
      if (row.dismissed_at !== null && clock.nowMs() - row.dismissed_at.getTime() > UNDO_MS) return NOT_FOUND;
      await restore(db, viewer, params.id);
      deps.changed({ ...viewer, id: params.id });
      return (await one(viewer, params.id)) ?? NOT_FOUND;
    }),

    handle(dismissManyAttention, async ({ caller, body }) => {
      const viewer = await viewerOf(caller);
      const now = clock.now();
      const found = new Set((await findItems(db, viewer, body.ids, stuckBefore())).map(({ id }) => id));
      await dismiss(db, viewer, [...found], now);
      for (const id of found) deps.changed({ ...viewer, id });
      return {
        dismissed: [...found],
        not_found: body.ids.filter((id) => !found.has(id)),
        undoable_until: plusMs(now, UNDO_MS),
      };
    }),
  ];
  return {
    routes,
    async openItem({ organizationId, principalId, role }, id) {
      const viewer = await viewerOf({ organizationId, principal: { id: principalId, type: "user", displayName: "" }, role });
      const item = await one(viewer, id);
      return item === null || item.done_at !== null ? null : item;
    },
  };
}

/** What stands where nothing says it better, or what did was erased. */
const TITLE: Readonly<Record<ItemRow["kind"], string>> = {
  approval: "An approval",
  question: "A question",
  environment_request: "A request for environment variables",
  run_failed: "A run failed",
  run_needs_human: "A run needs a person",
  run_stuck: "A run says nothing",
  session_failed: "A session failed",
  invocation_unknown: "It is not known whether an effect happened",
  projection_drifted: "What is shown differs from the log",
};

function stuckDetail(since: Date, nowMs: number): string {
  const minutes = Math.floor((nowMs - since.getTime()) / 60_000);
  return `Nothing has been heard of it for ${minutes} minute${minutes === 1 ? "" : "s"}, and it waits for nobody.`;
}
