/* "Needs you": what waits for a person, derived from the log; and what they took off their own list. */
import path from "node:path";
import type { ApprovalView } from "@signalbox/contract/approvals";
import type { z } from "zod";
import type { Deps, Module } from "../../module.ts";
import type { RoomAccess } from "../rooms/public.ts";
import { attentionList } from "./attention.projection.ts";
import { createInbox, type Inbox } from "./inbox.ts";
import { attentionRoutes } from "./routes.ts";

export interface AttentionModule extends Module {
  readonly inbox: Pick<Inbox, "source">;
}

export interface AttentionDeps extends Deps {
  readonly rooms: Pick<RoomAccess, "visibleRooms" | "roleIn">;
  readonly approvals: { views(organizationId: string, ids: readonly string[]): Promise<ReadonlyMap<string, z.input<typeof ApprovalView>>> };
  /** As their own route answers them. */
  readonly questions?: ((organizationId: string, ids: readonly string[]) => Promise<ReadonlyMap<string, z.core.util.JSONType>>) | undefined;
  /** A run that works and said nothing for so long is stuck. */
  readonly stuckAfterMs: number;
}

export function createAttention(deps: AttentionDeps): AttentionModule {
  const inbox = createInbox({
    ...deps,
    onError: (error) => deps.logger.warn({ err: error }, "the topic inbox could not be read"),
  });
  return {
    routes: attentionRoutes({ ...deps, changed: inbox.changed }),
    projections: [attentionList],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {},
    inbox,
    stop: async () => inbox.close(),
  };
}
