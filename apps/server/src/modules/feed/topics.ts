/*
 * Topics that are no stream of the log: documents, kept by the modules that know them, whose every change is an
 * update with a watermark of the topic's own. Who makes one:
 *
 *   implements `TopicDocuments`, names the topic and its collection in the contract, and hands it over in `compose.ts`
 */
import type { JsonValue } from "@signalbox/contract/primitives";
import type { Collection, Topic } from "@signalbox/contract/sync";
import type { Recorded } from "@signalbox/eventlog/log";
import type { z } from "zod";

/** Whom a document is for: members of one of `rooms` (null: everybody of the organization), and of those … */
export interface Audience {
  readonly rooms: readonly string[] | null;
  /** `everyone`; `concern`: `principalId` and the admins; `deciders`: who may decide there; `only`: `principalId`. */
  readonly kind: "everyone" | "concern" | "deciders" | "only";
  readonly principalId: string | null;
}

export interface TopicDocument {
  readonly key: string;
  /** Grows with every change. */
  readonly version: number;
  readonly payload: z.infer<typeof JsonValue>;
  readonly audience: Audience;
}

/** What decides, of one person, what they may see. */
export interface Viewer {
  readonly organizationId: string;
  readonly principalId: string;
  readonly isAdmin: boolean;
  /** Null: every room. */
  readonly rooms: ReadonlySet<string> | null;
  /** Rooms in which they may decide; null: every one. */
  readonly deciding: ReadonlySet<string> | null;
  /** They may decide what is in no room. */
  readonly maySettle: boolean;
}

export interface TopicDocuments {
  readonly topic: Topic;
  /** Types of events that may move a document. */
  readonly types: readonly string[];
  /** Of one organization's events: the documents that they moved, as they stand now, oldest change first. */
  moved(organizationId: string, events: readonly Recorded[]): Promise<readonly TopicDocument[]>;
  /** Absent: each update stands for itself, and there is nothing to hydrate. */
  readonly hydration?: Hydration | undefined;
}

export interface Hydration {
  readonly collection: Collection;
  /** What its documents' keys begin with. */
  readonly prefix: string;
  /** Newest first; at least what `viewer` may see, the feed looks again. */
  list(viewer: Viewer, page: { readonly limit: number; readonly cursor?: string | undefined }): Promise<DocumentPage>;
  find(organizationId: string, id: string): Promise<TopicDocument | null>;
}

export interface DocumentPage {
  readonly items: readonly TopicDocument[];
  readonly next_cursor: string | null;
}

export function admits({ rooms, kind, principalId }: Audience, viewer: Viewer): boolean {
  const isMine = principalId === viewer.principalId;
  if (kind === "only") return isMine;
  if (rooms !== null && viewer.rooms !== null && !rooms.some((room) => viewer.rooms!.has(room))) return false;
  switch (kind) {
    case "everyone":
      return true;
    case "concern":
      return viewer.isAdmin || isMine;
    case "deciders":
      return rooms === null ? viewer.maySettle : viewer.deciding === null || rooms.some((room) => viewer.deciding!.has(room));
  }
}
