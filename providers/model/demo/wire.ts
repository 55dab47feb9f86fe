/* What the three formats have in common: a request read, and an answer written whole or as SSE frames. */
import type { Conversation, Reply } from "./conversation.ts";

export type Asked = { conversation: Conversation; model: string; stream: boolean; includeUsage: boolean };

export type AnswerMeta = {
  /** Unique part of every id in the answer. */
  id: string;
  model: string;
  createdS: number;
  inputTokens: number;
  outputTokens: number;
  includeUsage: boolean;
};

export type WireFormat = {
  read(body: Record<string, unknown>): Asked;
  whole(reply: Reply, meta: AnswerMeta): Record<string, unknown>;
  /** Complete SSE frames, blank line included, in the order and number in which a model would stream them. */
  frames(reply: Reply, meta: AnswerMeta): Iterable<string>;
  error(code: string, message: string): Record<string, unknown>;
};

export const frame = (data: unknown, event?: string): string =>
  `${event === undefined ? "" : `event: ${event}\n`}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
