import type { FrameSink, StreamFrame } from "./handle.ts";

/**
 * The one rule under every door of the feed (SSE, `sync:v1`, Durable Streams): history waits for its reader; what is
 * live waits for nobody. A reader for whom more than this waits, in bytes, is cut off, never skipped over, and
 * resumes from the cursor of the last frame that it has read.
 */
export const MAX_BEHIND = 2 * 1024 * 1024;

/** History waits for its reader frame by frame: a page of large ones is more than may wait. */
export async function replay(sink: Pick<FrameSink, "frame" | "drained">, frames: readonly StreamFrame[]): Promise<void> {
  for (const frame of frames) {
    sink.frame(frame);
    await sink.drained();
  }
}
