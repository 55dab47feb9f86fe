/* "Needs you": what waits for a person, derived from the log; and what they took off their own list. */
import path from "node:path";
import type { ApprovalView } from "@signalbox/contract/approvals";
import type { AttentionItem } from "@signalbox/contract/attention";
import type { OrganizationRole } from "@signalbox/contract/primitives";
import type { QuestionView } from "@signalbox/contract/questions";
import type { z } from "zod";
import type { Deps, Module } from "../../module.ts";
import type { RoomAccess } from "../rooms/public.ts";
import { attentionList } from "./attention.projection.ts";
import { createInbox, type Inbox } from "./inbox.ts";
import { attentionRoutes } from "./routes.ts";

export { openingOf } from "./item.ts";

export interface AttentionModule extends Module {
  /** As it stands on that person's open list; null when it does not. */
  openItem(
    who: { readonly organizationId: string; readonly principalId: string; readonly role: OrganizationRole },
    id: string,
  ): Promise<z.input<typeof AttentionItem> | null>;
  readonly inbox: Pick<Inbox, "source">;
}

export interface AttentionDeps extends Deps {
  readonly rooms: Pick<RoomAccess, "visibleRooms" | "roleIn">;
  readonly approvals: { views(organizationId: string, ids: readonly string[]): Promise<ReadonlyMap<string, z.input<typeof ApprovalView>>> };
  /** As their own route answers them. */
  readonly questions?:
    | ((organizationId: string, ids: readonly string[]) => Promise<ReadonlyMap<string, z.input<typeof QuestionView>>>)
    | undefined;
  /** A run that works and said nothing for so long is stuck. */
  readonly stuckAfterMs: number;
}

export function createAttention(deps: AttentionDeps): AttentionModule {
  const inbox = createInbox({
    ...deps,
    onError: (error) => deps.logger.warn({ err: error }, "the topic inbox could not be read"),
  });
  const { routes, openItem } = attentionRoutes({ ...deps, changed: inbox.changed });
  return {
    routes,
    openItem,
    projections: [attentionList],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {},
    inbox,
    stop: async () => inbox.close(),
  };
}
