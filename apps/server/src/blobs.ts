/* Which store of content the configuration names. */
import { diskBlobs } from "@signalbox/providers/blob/disk/disk";
import type { Blobs } from "@signalbox/providers/blob/port";
import { s3Blobs } from "@signalbox/providers/blob/s3/s3";
import path from "node:path";
import type { Pool } from "pg";
import type { Config } from "./config/settings.ts";

export interface OpenBlobs extends Blobs {
  /** As `problem`, asked at most every 15 s: health is asked for often, and a bucket is far away. */
  recentProblem(): Promise<string | null>;
  close(): void;
}

const ASKED_EVERY_MS = 15_000;

/** `pool` (as `sb_log`) of whoever puts while others may collect what nobody names; a restore is alone. */
export function openBlobs(config: Config, pool?: Pool): OpenBlobs {
  const store = pool === undefined ? storeOf(config) : pardoning(storeOf(config), pool);
  let asked = -Infinity;
  let answer: Promise<string | null>;
  return {
    ...store,
    recentProblem() {
      if (performance.now() - asked < ASKED_EVERY_MS) return answer;
      asked = performance.now();
      return (answer = store.problem());
    },
  };
}

function storeOf(config: Config): Blobs & { close(): void } {
  if (config.blobs === "disk") return { ...diskBlobs(path.join(config.dataDir, "blobs")), close: () => undefined };
  return s3Blobs({
    bucket: config.s3Bucket!, // config.ts refuses to go without
    endpoint: config.s3Endpoint ?? null,
    region: config.s3Region,
    pathStyle: config.s3PathStyle,
    accessKeyId: config.s3AccessKeyId!,
    secretAccessKey: config.s3SecretAccessKey!,
    prefix: config.s3Prefix,
    spoolDirectory: path.join(config.dataDir, "spool"),
  });
}

/**
 * The store as whoever puts into it sees it: what is put is no orphan (modules/audit/contents.ts) from before it
 * has its name, and whoever erases it (modules/audit/redacted-content.ts) sees that somebody else has put it. Each
 * statement waits for whoever is erasing just then, and holds nothing when it is over. `pool` connects as `sb_log`.
 */
export function pardoning<B extends Blobs>(blobs: B, pool: Pick<Pool, "query">): B {
  return {
    ...blobs,
    put: (organizationId, content, options) =>
      blobs.put(organizationId, content, {
        ...options,
        async beforeNamed(sha256) {
          await options?.beforeNamed?.(sha256);
          await pool.query("delete from content_watch where organization_id = $1 and sha256 = $2 and named_at is null", [
            organizationId,
            sha256,
          ]);
          await pool.query(
            "insert into content_puts (organization_id, sha256) values ($1, $2) on conflict (organization_id, sha256) do update set again_at = now()",
            [organizationId, sha256],
          );
        },
      }),
  };
}
