/** So many requests a minute for each sandbox, as a bucket that fills evenly. */
export interface Quota {
  take(sandboxId: string): boolean;
}

export function createQuota(perMinute: number, nowMs: () => number = () => performance.now()): Quota {
  const buckets = new Map<string, { level: number; at: number }>();
  return {
    take(sandboxId) {
      const now = nowMs();
      const bucket = buckets.get(sandboxId) ?? { level: perMinute, at: now };
      bucket.level = Math.min(perMinute, bucket.level + ((now - bucket.at) * perMinute) / 60_000);
      bucket.at = now;
      buckets.set(sandboxId, bucket);
      // Sandboxes come and go; a full bucket says nothing that a new one would not.
      if (buckets.size > 1_000) for (const [id, b] of buckets) if (now - b.at > 60_000) buckets.delete(id);
      if (bucket.level < 1) return false;
      bucket.level -= 1;
      return true;
    },
  };
}
