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
import type { TopicDocument, TopicDocuments } from "../feed/public.ts";
import { dismissedDocument, inboxTopic, notifications } from "./notifications.ts";
import { attentionRoutes } from "./routes.ts";

export { openingOf } from "./item.ts";

export interface AttentionModule extends Module {
  /** As it stands on that person's open list; null when it does not. */
  openItem(
    who: { readonly organizationId: string; readonly principalId: string; readonly role: OrganizationRole },
    id: string,
  ): Promise<z.input<typeof AttentionItem> | null>;
  /** For the feed: `inbox` and `runtime.notifications`. */
  readonly topics: readonly TopicDocuments[];
}

export interface AttentionDeps extends Deps {
  readonly rooms: Pick<RoomAccess, "visibleRooms" | "roleIn">;
  readonly approvals: { views(organizationId: string, ids: readonly string[]): Promise<ReadonlyMap<string, z.input<typeof ApprovalView>>> };
  /** As their own route answers them. */
  readonly questions?:
    | ((organizationId: string, ids: readonly string[]) => Promise<ReadonlyMap<string, z.input<typeof QuestionView>>>)
    | undefined;
  /** Says in the feed what is no event. */
  readonly tell: (organizationId: string, topic: string, document: TopicDocument) => Promise<void>;
  /** A run that works and said nothing for so long is stuck. */
  readonly stuckAfterMs: number;
}

export function createAttention(deps: AttentionDeps): AttentionModule {
  const { routes, openItem } = attentionRoutes({
    ...deps,
    changed({ organizationId, principalId, id }) {
      // It stands all the same; their other tabs read it with the next change.
      deps
        .tell(organizationId, "inbox", dismissedDocument(principalId, id, deps.clock.now()))
        .catch((error: unknown) => deps.logger.warn({ err: error }, "a dismissal could not be told"));
    },
  });
  return {
    routes,
    openItem,
    projections: [attentionList],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {},
    topics: [inboxTopic, notifications(deps.db)],
  };
}
