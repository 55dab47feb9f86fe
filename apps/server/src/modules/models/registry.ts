/*
 * Which models there are, who serves them and what they cost. Asked of the upstreams and remembered
 * for a minute; while an upstream is away its last list stands and the problem is named.
 *
 * A model's id is the upstream's own name for it; when two upstreams have the same name, the first
 * configured keeps it and the other's is `<upstream>/<name>`, a form that always works.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ModelInfo, ModelUpstream } from "@signalbox/providers/model/port";
import type { PricedModel } from "@signalbox/providers/model/prices";

export interface RegisteredModel {
  readonly id: string;
  readonly upstream: ModelUpstream;
  /** What the upstream calls it. */
  readonly upstreamModel: string;
  readonly name: string;
  readonly isDemo: boolean;
  readonly contextTokens: number | undefined;
  readonly maxOutputTokens: number | undefined;
  readonly price: PricedModel;
}

export interface RegistryOptions {
  /** In the order of their precedence. */
  readonly upstreams: readonly ModelUpstream[];
  readonly priceOf: (upstream: ModelUpstream, model: string) => PricedModel;
  /** Default: the first model of the first real upstream that has one, else the demo's. */
  readonly defaultModel?: string | undefined;
  readonly rememberMs?: number | undefined;
}

export interface Registry {
  list(): Promise<{ models: readonly RegisteredModel[]; problems: readonly { upstream: string; message: string }[] }>;
  resolve(id: string): Promise<RegisteredModel | null>;
  defaultModel(): Promise<RegisteredModel | null>;
}

const REMEMBER_MS = 60_000;
const LIST_TIMEOUT_MS = 10_000;
const FIRST_WAIT_MS = 2_000;

interface Listing {
  models: readonly ModelInfo[];
  problem: string | null;
  at: number;
}

export function createRegistry({ upstreams, priceOf, defaultModel, rememberMs = REMEMBER_MS }: RegistryOptions): Registry {
  const listings = new Map<ModelUpstream, Listing>();
  const refreshing = new Map<ModelUpstream, Promise<void>>();

  async function ask(upstream: ModelUpstream): Promise<void> {
    const answer = await upstream
      .models(AbortSignal.timeout(LIST_TIMEOUT_MS))
      .catch((cause: unknown) => ({ ok: false as const, message: String(cause) }));
    listings.set(upstream, {
      models: answer.ok ? answer.models : (listings.get(upstream)?.models ?? []),
      problem: answer.ok ? null : answer.message,
      at: performance.now(),
    });
  }

  /** The first question waits for the answer; later ones take what is known while it is renewed. */
  async function fresh(upstream: ModelUpstream): Promise<Listing> {
    const known = listings.get(upstream);
    // An upstream that is away is asked again sooner, so that it is back soon after it is back.
    const old = known === undefined || performance.now() - known.at > (known.problem === null ? rememberMs : rememberMs / 12);
    if (old && !refreshing.has(upstream))
      refreshing.set(
        upstream,
        ask(upstream).finally(() => refreshing.delete(upstream)),
      );
    // One upstream that does not answer must not keep the others' models waiting.
    if (known === undefined) await Promise.race([refreshing.get(upstream), sleep(FIRST_WAIT_MS, undefined, { ref: false })]);
    return listings.get(upstream) ?? { models: [], problem: "it has not answered yet", at: 0 };
  }

  const registered = (upstream: ModelUpstream, info: ModelInfo, id: string): RegisteredModel => ({
    id,
    upstream,
    upstreamModel: info.id,
    name: info.name,
    isDemo: info.scripted,
    contextTokens: info.contextTokens,
    maxOutputTokens: info.maxOutputTokens,
    price: priceOf(upstream, info.id),
  });

  async function list(): ReturnType<Registry["list"]> {
    const found = await Promise.all(upstreams.map(async (upstream) => ({ upstream, listing: await fresh(upstream) })));
    const models = new Map<string, RegisteredModel>();
    for (const { upstream, listing } of found) {
      for (const info of listing.models) {
        const id = models.has(info.id) ? `${upstream.name}/${info.id}` : info.id;
        models.set(id, registered(upstream, info, id));
      }
    }
    const problems = found.flatMap(({ upstream, listing }) =>
      listing.problem === null ? [] : [{ upstream: upstream.name, message: listing.problem }],
    );
    return { models: [...models.values()], problems };
  }

  async function resolve(id: string): Promise<RegisteredModel | null> {
    const { models } = await list();
    const plain = models.find((model) => model.id === id);
    if (plain !== undefined) return plain;
    for (const upstream of upstreams) {
      if (!id.startsWith(`${upstream.name}/`)) continue;
      const name = id.slice(upstream.name.length + 1);
      return models.find((model) => model.upstream === upstream && model.upstreamModel === name) ?? null;
    }
    return null;
  }

  return {
    list,
    resolve,
    async defaultModel() {
      if (defaultModel !== undefined) return resolve(defaultModel);
      const { models } = await list();
      return models.find((model) => !model.isDemo) ?? models.find((model) => model.isDemo) ?? null;
    },
  };
}
