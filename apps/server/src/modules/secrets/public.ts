/*
 * Secrets by name, sealed at rest: value ─data key of the organization─► row; data key ─master key─► row.
 * Values go to whoever asks for them by name inside the server, and nowhere else: no route, no event,
 * no log line carries one. What is kept here is also taught to the DLP scanner. See specs/secrets.md.
 */
import { randomBytes } from "node:crypto";
import type { KnownSecret, SecretRegistry } from "@signalbox/eventlog/dlp";
import { sql, type Kysely } from "kysely";
import type { Deps, Module } from "../../module.ts";
import { KEY_BYTES, seal, unseal } from "./envelope.ts";
import { masterKeys } from "./master-key.ts";

export type SecretResult =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly code: "absent" }
  /** It is there and cannot be opened; `reason` says why and what to do. */
  | { readonly ok: false; readonly code: "sealed"; readonly reason: string };

/** For what is the installation's and no organization's: sealed with the master key itself, under the place it belongs to. */
export interface Sealer {
  seal(
    place: string,
    value: Buffer,
  ): Promise<{ readonly sealed: Buffer; readonly master: { readonly version: number; readonly id: string } }>;
  /** Null when it cannot be opened; the log says why. */
  unseal(master: { readonly version: number; readonly id: string }, place: string, sealed: Buffer): Promise<Buffer | null>;
}

export interface SecretsModule extends Module {
  readonly sealer: Sealer;
  /** Refused when what is kept already cannot be opened: a second key beside it would hide that. */
  put(
    organizationId: string,
    name: string,
    value: string,
  ): Promise<{ readonly ok: true } | { readonly ok: false; readonly reason: string }>;
  get(organizationId: string, name: string): Promise<SecretResult>;
  delete(organizationId: string, name: string): Promise<void>;
  /** What the scanner must know of; answers from memory. */
  readonly registry: SecretRegistry;
}

export interface SecretsDeps extends Deps {
  /** `<data-dir>/keys`. */
  readonly keysDirectory: string;
  readonly organizations: () => Promise<readonly string[]>;
}

interface DataKeyRow {
  wrapped: Buffer;
  master_version: number;
  master_id: string;
}
type DataKey = { readonly ok: true; readonly key: Buffer } | { readonly ok: false; readonly reason: string };
type Db = Kysely<Record<string, never>>;

const NONE: readonly KnownSecret[] = [];

export function createSecrets({ db, logger, keysDirectory, organizations }: SecretsDeps): SecretsModule {
  const masters = masterKeys(keysDirectory);
  const known = new Map<string, readonly KnownSecret[]>();
  const problems = new Map<string, string>();

  async function dataKey(tx: Db, organizationId: string): Promise<DataKey | null> {
    const { rows } = await sql<DataKeyRow>`select wrapped, master_version, master_id from secret_data_keys`.execute(tx);
    const row = rows[0];
    if (row === undefined) return null;
    const master = await masters.unwrapping(row.master_version, row.master_id);
    if ("problem" in master) return { ok: false, reason: master.problem };
    const key = unseal(master.key, dataKeyPlace(organizationId), row.wrapped);
    if (key === null) return { ok: false, reason: "The organization's data key is damaged in the database. Restore it from a backup." };
    return { ok: true, key };
  }

  async function madeDataKey(tx: Db, organizationId: string): Promise<DataKey> {
    const found = await dataKey(tx, organizationId);
    if (found !== null) return found;
    const master = await masters.current();
    const wrapped = seal(master.key, dataKeyPlace(organizationId), randomBytes(KEY_BYTES));
    await sql`insert into secret_data_keys (organization_id, wrapped, master_version, master_id)
              values (${organizationId}, ${wrapped}, ${master.version}, ${master.id}) on conflict do nothing`.execute(tx);
    // Of two that began at once one row stands: read which.
    const stands = await dataKey(tx, organizationId);
    if (stands === null) throw new Error("a data key was written but cannot be read");
    return stands;
  }

  function learn(organizationId: string, name: string, value: string | null): void {
    const others = (known.get(organizationId) ?? NONE).filter((secret) => secret.name !== name);
    known.set(organizationId, value === null ? others : [...others, { name, value }]);
  }

  async function load(organizationId: string): Promise<void> {
    await db.inOrganization(organizationId, async (tx: Db) => {
      const { rows } = await sql<{ name: string; sealed: Buffer }>`select name, sealed from secrets order by name`.execute(tx);
      if (rows.length === 0) return;
      const key = await dataKey(tx, organizationId);
      if (key === null || !key.ok) {
        const reason = key?.reason ?? "The organization's data key is gone from the database. Restore it from a backup.";
        problems.set(organizationId, reason);
        logger.error({ organizationId, secrets: rows.length, reason }, "secrets cannot be opened");
        return;
      }
      const opened = rows.flatMap(({ name, sealed }) => {
        const value = unseal(key.key, place(organizationId, name), sealed);
        return value === null ? [] : [{ name, value: value.toString("utf8") }];
      });
      known.set(organizationId, opened);
    });
  }

  return {
    routes: [],
    projections: [],
    schemas: [],
    jobs: {},
    sealer: {
      async seal(place, value) {
        const master = await masters.current();
        return { sealed: seal(master.key, place, value), master: { version: master.version, id: master.id } };
      },
      async unseal(of, place, sealed) {
        const master = await masters.unwrapping(of.version, of.id);
        const value = "problem" in master ? null : unseal(master.key, place, sealed);
        if (value === null)
          logger.error(
            { place, reason: "problem" in master ? master.problem : "It is damaged in the database." },
            "a sealed value cannot be opened",
          );
        return value;
      },
    },
    registry: { secretsOf: (organizationId) => known.get(organizationId) ?? NONE },

    async put(organizationId, name, value) {
      const outcome = await db.inOrganization(organizationId, async (tx: Db) => {
        const key = await madeDataKey(tx, organizationId);
        if (!key.ok) return key;
        const sealed = seal(key.key, place(organizationId, name), Buffer.from(value, "utf8"));
        await sql`insert into secrets (organization_id, name, sealed) values (${organizationId}, ${name}, ${sealed})
                  on conflict (organization_id, name) do update set sealed = excluded.sealed, updated_at = now()`.execute(tx);
        return { ok: true as const };
      });
      if (outcome.ok) learn(organizationId, name, value);
      return outcome;
    },

    get: (organizationId, name) =>
      db.inOrganization<SecretResult>(organizationId, async (tx: Db) => {
        const { rows } = await sql<{ sealed: Buffer }>`select sealed from secrets where name = ${name}`.execute(tx);
        const row = rows[0];
        if (row === undefined) return { ok: false, code: "absent" };
        const key = await dataKey(tx, organizationId);
        if (key === null || !key.ok)
          return { ok: false, code: "sealed", reason: key?.reason ?? "The organization's data key is gone from the database." };
        const value = unseal(key.key, place(organizationId, name), row.sealed);
        if (value === null) return { ok: false, code: "sealed", reason: "What is kept is damaged. Save it once more." };
        return { ok: true, value: value.toString("utf8") };
      }),

    async delete(organizationId, name) {
      await db.inOrganization(organizationId, async (tx: Db) => {
        await sql`delete from secrets where name = ${name}`.execute(tx);
        // A data key that guards nothing goes too, so that who lost the master key can begin anew.
        await sql`delete from secret_data_keys where not exists (select from secrets)`.execute(tx);
      });
      learn(organizationId, name, null);
      problems.delete(organizationId);
    },

    async start() {
      for (const organizationId of await organizations()) await load(organizationId);
    },

    async health() {
      const [problem] = problems.values();
      return { ok: problem === undefined, detail: problem ?? null };
    },
  };
}

const place = (organizationId: string, name: string): string => `signalbox/secret/${organizationId}/${name}`;
const dataKeyPlace = (organizationId: string): string => `signalbox/data-key/${organizationId}`;
