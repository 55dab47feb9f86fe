/* A bucket of tokens by name: so many at once, so many a second. Memory only; the fullest are forgotten first. */
const MAX_NAMES = 10_000;

export function createLimit(of: { readonly burst: number; readonly perSecond: number }, nowMs: () => number): (name: string) => boolean {
  const buckets = new Map<string, { left: number; atMs: number }>();
  return (name) => {
    const now = nowMs();
    const known = buckets.get(name);
    const left = known === undefined ? of.burst : Math.min(of.burst, known.left + ((now - known.atMs) / 1000) * of.perSecond);
    buckets.delete(name);
    buckets.set(name, { left: left < 1 ? left : left - 1, atMs: now });
    // Whoever was not heard of for longest has a full bucket again by now.
    if (buckets.size > MAX_NAMES) buckets.delete(buckets.keys().next().value!);
    return left >= 1;
  };
}
