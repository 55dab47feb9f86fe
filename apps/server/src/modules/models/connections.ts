/*
 * Which upstreams an organization has: the configuration's, then those it saved, the demo last.
 *
 * A saved connection becomes an upstream when it is first asked for, with its key unsealed, and stays
 * that one until its row says a newer version. The one before lives on for calls under way, and is
 * closed a while later. Rows are read anew after every append to the organization's stream, so another
 * process's change is seen as soon as our own.
 */
import type { ModelConnectionKind } from "@signalbox/contract/events/models";
import { unreachable } from "@signalbox/kernel/decider";
import type { ModelUpstream, UpstreamTimeouts } from "@signalbox/providers/model/port";
import { createUpstream, type UpstreamConfig } from "@signalbox/providers/model/upstreams";
import { sql } from "kysely";
import type { Deps } from "../../module.ts";
import type { SecretsModule } from "../secrets/public.ts";

export interface ConfiguredConnection {
  readonly name: string;
  readonly kind: ModelConnectionKind;
  readonly baseUrl: string | undefined;
  readonly keyHint: string | null;
  readonly hasKey: boolean;
}

export interface SavedConnection {
  readonly name: string;
  readonly kind: ModelConnectionKind;
  readonly baseUrl: string | null;
  readonly hasKey: boolean;
  readonly keyHint: string | null;
  /** Null, and why: its key cannot be had. */
  readonly upstream: ModelUpstream | null;
  readonly problem: string | null;
}

export interface Connections {
  upstreams(organizationId: string | null): Promise<readonly ModelUpstream[]>;
  saved(organizationId: string): Promise<readonly SavedConnection[]>;
  preferredModels(organizationId: string | null): Promise<readonly string[]>;
  changed(organizationId: string): void;
  close(): Promise<void>;
}

export interface ConnectionsDeps extends Deps {
  readonly upstreams: readonly ModelUpstream[];
  readonly secrets: Pick<SecretsModule, "put" | "get" | "delete">;
  readonly defaultModel?: string | undefined;
}

interface Row {
  name: string;
  kind: ModelConnectionKind;
  base_url: string | null;
  has_key: boolean;
  subject_version: string;
}
interface Known {
  readonly saved: readonly SavedConnection[];
  readonly preferred: string | null;
}

/** A call may stream for minutes; its upstream's connections must outlive it. */
const CLOSE_AFTER_MS = 30 * 60_000;

export const keyName = (connection: string): string => `model-connection/${connection}`;
/** Enough to tell keys apart, and too little of a short one to be worth anything. */
export const keyHint = (key: string): string | null => (key.length >= 12 ? key.slice(-4) : null);

export function createConnections({ log, db, secrets, upstreams: configured, defaultModel }: ConnectionsDeps): Connections {
  const known = new Map<string, Promise<Known>>();
  const made = new Map<string, { readonly version: string; readonly connection: SavedConnection }>();
  const retired = new Set<{ readonly upstream: ModelUpstream; readonly timer: NodeJS.Timeout }>();
  const unsubscribe = log.onAppended(({ streams }) => {
    if (streams.length === 0) known.clear();
    for (const { organizationId, stream } of streams) if (stream.type === "organization") known.delete(organizationId);
  });

  function retire(upstream: ModelUpstream | null): void {
    if (upstream === null) return;
    const entry = {
      upstream,
      timer: setTimeout(() => {
        retired.delete(entry);
        void upstream.close();
      }, CLOSE_AFTER_MS).unref(),
    };
    retired.add(entry);
  }

  async function connect(organizationId: string, row: Row): Promise<SavedConnection> {
    const place = `${organizationId} ${row.name}`;
    const before = made.get(place);
    if (before?.version === row.subject_version && before.connection.problem === null) return before.connection;
    const facts = { name: row.name, kind: row.kind, baseUrl: row.base_url, hasKey: row.has_key };
    const key = row.has_key ? await secrets.get(organizationId, keyName(row.name)) : null;
    const connection: SavedConnection =
      key === null || key.ok
        ? {
            ...facts,
            keyHint: key === null ? null : keyHint(key.value),
            upstream: createUpstream(upstreamConfig(row.kind, row.name, row.base_url ?? undefined, key?.value)),
            problem: null,
          }
        : {
            ...facts,
            keyHint: null,
            upstream: null,
            problem:
              key.code === "sealed"
                ? `Its key cannot be opened: ${key.reason}`
                : "Its key is gone. Save the connection again with its key.",
          };
    made.set(place, { version: row.subject_version, connection });
    retire(before?.connection.upstream ?? null);
    return connection;
  }

  async function read(organizationId: string): Promise<Known> {
    const { rows, preferred } = await db.inOrganization(organizationId, async (tx) => ({
      rows: (
        await sql<Row>`select name, kind, base_url, has_key, subject_version from proj_model_connections
                        where is_present order by saved_at, name`.execute(tx)
      ).rows,
      preferred: (await sql<{ model: string | null }>`select model from proj_model_defaults`.execute(tx)).rows[0]?.model ?? null,
    }));
    const saved: SavedConnection[] = [];
    for (const row of rows) saved.push(await connect(organizationId, row));
    for (const [place, { connection }] of made) {
      if (!place.startsWith(`${organizationId} `) || rows.some((row) => place === `${organizationId} ${row.name}`)) continue;
      made.delete(place);
      retire(connection.upstream);
    }
    return { saved, preferred };
  }

  function of(organizationId: string): Promise<Known> {
    let found = known.get(organizationId);
    if (found === undefined) {
      found = read(organizationId);
      known.set(organizationId, found);
      const forget = (): void => void (known.get(organizationId) === found && known.delete(organizationId));
      // What could not be read, or has a key that could not be opened, is looked at again next time.
      found.then(({ saved }) => (saved.some(({ problem }) => problem !== null) ? forget() : undefined), forget);
    }
    return found;
  }

  const isDemo = (upstream: ModelUpstream): boolean => upstream.kind === "demo";

  return {
    async upstreams(organizationId) {
      if (organizationId === null) return configured;
      const { saved } = await of(organizationId);
      return [
        ...configured.filter((upstream) => !isDemo(upstream)),
        ...saved.flatMap(({ upstream }) => upstream ?? []),
        ...configured.filter(isDemo),
      ];
    },
    saved: async (organizationId) => (await of(organizationId)).saved,
    async preferredModels(organizationId) {
      const chosen = organizationId === null ? null : (await of(organizationId)).preferred;
      return [chosen, defaultModel].filter((id) => id !== null && id !== undefined);
    },
    changed: (organizationId) => void known.delete(organizationId),
    async close() {
      unsubscribe();
      for (const { timer } of retired) clearTimeout(timer);
      const all = [...[...made.values()].map(({ connection }) => connection.upstream), ...[...retired].map(({ upstream }) => upstream)];
      await Promise.all(all.filter((upstream) => upstream !== undefined && upstream !== null).map((upstream) => upstream.close()));
    },
  };
}

export function upstreamConfig(
  kind: ModelConnectionKind,
  name: string,
  baseUrl: string | undefined,
  apiKey: string | undefined,
  timeouts?: Partial<UpstreamTimeouts>,
): UpstreamConfig {
  switch (kind) {
    case "anthropic":
    case "openai":
      return { kind, name, apiKey: apiKey ?? "", baseUrl, timeouts };
    case "openai-compatible":
      if (baseUrl === undefined) throw new Error("a compatible server has an address");
      return { kind, name, baseUrl, apiKey, timeouts };
    case "ollama":
      return { kind, name, baseUrl, timeouts };
    case "demo":
      return { kind, name };
    default:
      return unreachable(kind);
  }
}
