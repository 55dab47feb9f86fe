/* Which contents of the store an event keeps: those whose hash stands in its data. */
const HASH = /sha256:[0-9a-f]{64}/g;

/** As a pattern of Postgres. */
export const HASH_PATTERN = "sha256:[0-9a-f]{64}";

/** These name content that they tell about: what was erased, and where history lies (`evt_archives` knows where it lies today). */
export const TELL_ONLY: readonly string[] = ["event.redacted", "log.archived"];

/** Each once. `data` as it is stored; null: erased. */
export function contentsNamed(type: string, data: string | null): string[] {
  return TELL_ONLY.includes(type) ? [] : [...new Set(data?.match(HASH))];
}
