/*
 * Comments on lines, collected until they are sent to the agent as one message. Kept in this browser, so that a reload
 * or a change of panes loses none.
 */
import type { SessionId } from "@signalbox/contract/primitives";
import { useKeptJson } from "../kept-json.ts";

export interface ReviewComment {
  readonly id: string;
  readonly path: string;
  /** Whether the lines are those before the change or those after it; a file's own are `after`. */
  readonly side: "before" | "after";
  readonly from: number;
  readonly to: number;
  /** The lines themselves, as they were when the comment was made. */
  readonly code: string;
  readonly text: string;
}

const NONE: readonly ReviewComment[] = [];

function isReview(value: unknown): value is readonly ReviewComment[] {
  return (
    Array.isArray(value) &&
    value.every(
      (each: unknown) =>
        typeof each === "object" &&
        each !== null &&
        ["id", "path", "code", "text"].every((name) => typeof (each as Record<string, unknown>)[name] === "string") &&
        ["from", "to"].every((name) => typeof (each as Record<string, unknown>)[name] === "number") &&
        /^(before|after)$/.test(String((each as Record<string, unknown>)["side"])),
    )
  );
}

export interface Review {
  readonly comments: readonly ReviewComment[];
  put(comment: ReviewComment): void;
  remove(id: string): void;
  clear(): void;
}

export function useReview(sessionId: SessionId): Review {
  const [comments, change] = useKeptJson(`signalbox.review.${sessionId}`, isReview, NONE);
  return {
    comments,
    put: (comment) =>
      change((before) =>
        before.some(({ id }) => id === comment.id) ? before.map((each) => (each.id === comment.id ? comment : each)) : [...before, comment],
      ),
    remove: (id) => change((before) => before.filter((each) => each.id !== id)),
    clear: () => change(() => NONE),
  };
}
