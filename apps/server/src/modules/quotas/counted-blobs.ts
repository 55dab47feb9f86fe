/*
 * The store of content, with what each organization keeps in it counted: a name once, however often it is put.
 *
 *   put ──► stored ──► counted            limited: ──► more than the organization may: erased again, refused
 *   erase ──► erased ──► not counted
 *
 * Killed between the two, content is stored and not counted, or gone and counted; `recount` mends both every night.
 */
import type { Blobs, BlobContent, StoredBlob } from "@signalbox/providers/blob/port";
import type pg from "pg";

/** Resolves to whether it may be kept. */
type Keep = (organizationId: string, blob: StoredBlob) => Promise<boolean>;

/** `most` null: whatever comes. False: that would be more. */
export async function keepIn(
  pool: pg.Pool,
  organizationId: string,
  { sha256, sizeBytes }: Pick<StoredBlob, "sha256" | "sizeBytes">,
  most: number | null,
): Promise<boolean> {
  const { rows } = await pool.query<{ ok: boolean }>("select quo_keep($1, $2, $3, $4) as ok", [organizationId, sha256, sizeBytes, most]);
  return rows[0]?.ok === true;
}

export function countedBlobs<B extends Blobs>(store: B, pool: pg.Pool): B {
  return {
    ...store,
    async put(organizationId: string, content: BlobContent, options?: Parameters<Blobs["put"]>[2]) {
      const stored = await store.put(organizationId, content, options);
      await keepIn(pool, organizationId, stored, null);
      return stored;
    },
    async erase(organizationId: string, sha256: string) {
      await store.erase(organizationId, sha256);
      await pool.query("select quo_drop($1, $2)", [organizationId, sha256]);
    },
  };
}

/** For bytes and text: what somebody else's refusal erased meanwhile is stored once more. */
export function limitedBlobs(store: Blobs, pool: pg.Pool, keep: Keep, refuse: (organizationId: string) => Promise<never>): Blobs {
  return {
    ...store,
    async put(organizationId, content, options) {
      const stored = await store.put(organizationId, content, options);
      if (!(await keep(organizationId, stored))) {
        await eraseUncounted(store, pool, organizationId, stored.sha256);
        return refuse(organizationId);
      }
      if ((await store.sizeOf(organizationId, stored.sha256)) === null) await store.put(organizationId, content, options);
      return stored;
    },
  };
}

/** Under the lock of whoever counts: the same content may be about to be kept by another. */
async function eraseUncounted(store: Blobs, pool: pg.Pool, organizationId: string, sha256: string): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query("begin");
    await client.query("select from quo_storage where organization_id = $1 for update", [organizationId]);
    const { rowCount } = await client.query("select from quo_blobs where organization_id = $1 and sha256 = $2", [organizationId, sha256]);
    if (rowCount === 0) await store.erase(organizationId, sha256);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

/** What is there and not counted is counted, and the other way round; what was put meanwhile is looked for once more. */
export async function recount(store: Blobs, pool: pg.Pool): Promise<void> {
  const there = new Map<string, Set<string>>();
  for await (const { organizationId, sha256, sizeBytes } of store.list()) {
    const names = there.get(organizationId) ?? new Set();
    there.set(organizationId, names.add(sha256));
    await keepIn(pool, organizationId, { sha256, sizeBytes }, null);
  }
  const { rows } = await pool.query<{ organization_id: string; sha256: string }>("select organization_id, sha256 from quo_blobs");
  for (const { organization_id: organizationId, sha256 } of rows)
    if (there.get(organizationId)?.has(sha256) !== true && (await store.sizeOf(organizationId, sha256)) === null)
      await pool.query("select quo_drop($1, $2)", [organizationId, sha256]);
}
