/**
 * The one rule under every door of the feed (SSE, `sync:v1`, Durable Streams): history waits for its reader; what is
 * live waits for nobody. A reader for whom more than this waits, in bytes, is cut off, never skipped over, and
 * resumes from the cursor of the last frame that it has read.
 */
export const MAX_BEHIND = 2 * 1024 * 1024;
