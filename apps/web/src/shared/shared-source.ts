/* The conversation of a shared session: the token in the link is all there is, and it only reads. */
import { getSharedConversation, streamShared } from "@signalbox/contract/shares";
import { client } from "../data/api.ts";
import type { ConversationSource } from "../session/conversation-store.ts";

export function sharedSource(token: string, onEvent: () => void): ConversationSource {
  return {
    async window({ limit, before, asOf, signal }) {
      const page = await client.call(getSharedConversation, {
        params: { token },
        query: {
          limit,
          order: "newest",
          ...(before === undefined ? {} : { before_seq: before }),
          ...(asOf === undefined ? {} : { as_of_seq: asOf }),
        },
        signal,
      });
      return { items: page.items, lastSeq: page.last_seq, hasOlder: page.next_cursor !== null };
    },
    // What is told there has no ids of events, so it only says that there is something new to read.
    async *events(fromSeq, signal) {
      for await (const _ of client.events(streamShared, { params: { token }, query: { from_seq: fromSeq }, signal })) {
        onEvent();
        yield null;
      }
    },
    deltas: () => () => undefined,
  };
}
