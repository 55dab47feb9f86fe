/*
 * Hydration: a topic's documents over HTTP, with the watermark to follow on from. The watermark is read first, so
 * whatever the documents do not say yet comes as an update after it.
 */
import { getDocument, listDocuments } from "@signalbox/contract/sync";
import { canonicalJson, sha256 } from "@signalbox/kernel/canonical";
import { handle, refused, type BoundRoute, type Caller } from "../../http/handle.ts";
import type { FeedParts } from "./public.ts";
import { admits, type TopicDocument, type Viewer } from "./topics.ts";

export function hydrationRoutes({ topics, topicSources, viewerOf }: FeedParts): readonly BoundRoute[] {
  const hydrated = topics.flatMap(({ topic, hydration }) => (hydration === undefined ? [] : [{ topic, ...hydration }]));
  const viewer = ({ organizationId, principal, role }: Caller): Promise<Viewer> =>
    viewerOf(organizationId, { principalId: principal.id, role });

  return [
    handle(listDocuments, async ({ caller, params, query }) => {
      const collection = hydrated.find((one) => one.collection === params.collection);
      if (collection === undefined)
        return refused("collection_not_found", {
          message: `There is no collection ${params.collection}.`,
          fix: `There are ${hydrated.map((one) => one.collection).join(", ")}.`,
        });
      const watermark = await topicSources.head(caller.organizationId, collection.topic);
      const who = await viewer(caller);
      const { items, next_cursor } = await collection.list(who, query);
      return {
        topic: collection.topic,
        watermark,
        items: items.filter((document) => admits(document.audience, who)).map(view),
        next_cursor,
      };
    }),

    handle(getDocument, async ({ caller, params }) => {
      const unknown = refused("document_not_found", {
        message: "There is no such document, or you may not see it.",
        fix: "Keys are those of GET /v1/sync/list/:collection, percent-encoded.",
      });
      const collection = hydrated.find(({ prefix }) => params.key.startsWith(prefix));
      if (collection === undefined) return unknown;
      const watermark = await topicSources.head(caller.organizationId, collection.topic);
      const document = await collection.find(caller.organizationId, params.key.slice(collection.prefix.length));
      if (document === null || !admits(document.audience, await viewer(caller))) return unknown;
      return { ...view(document), topic: collection.topic, watermark };
    }),
  ];
}

function view({ key, version, payload }: TopicDocument) {
  return { doc_key: key, doc_version: version, payload, payload_hash: sha256(canonicalJson(payload)) };
}
