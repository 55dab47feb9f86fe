/*
 * Which models there are, who serves them and what they cost. Asked of the upstreams and remembered
 * for a minute; while an upstream is away its last list stands and the problem is named.
 *
 * A model's id is the upstream's own name for it; when two upstreams have the same name, the first
 * configured keeps it and the other's is `<upstream>/<name>`, a form that always works.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ModelInfo, ModelUpstream, UpstreamFailure } from "@signalbox/providers/model/port";
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
  /** An organization's, in the order of their precedence. Null: those that the configuration gives everybody. */
  readonly upstreams: (organizationId: string | null) => Promise<readonly ModelUpstream[]>;
  readonly priceOf: (upstream: ModelUpstream, model: string) => PricedModel;
  /** In the order of their precedence; then the first model of the first real upstream that has one, else the demo's. */
  readonly preferred: (organizationId: string | null) => Promise<readonly string[]>;
  readonly rememberMs?: number | undefined;
}

/** What an upstream said when it was last asked. */
export interface Listing {
  readonly models: readonly ModelInfo[];
  readonly failure: UpstreamFailure | null;
  readonly at: number;
}

export interface Registry {
  list(
    organizationId: string | null,
  ): Promise<{ models: readonly RegisteredModel[]; problems: readonly { upstream: string; message: string }[] }>;
  resolve(organizationId: string | null, id: string): Promise<RegisteredModel | null>;
  defaultModel(organizationId: string | null): Promise<RegisteredModel | null>;
  /** Null: it has not answered yet. */
  listing(upstream: ModelUpstream): Listing | null;
}

const REMEMBER_MS = 60_000;
const LIST_TIMEOUT_MS = 10_000;
const FIRST_WAIT_MS = 2_000;

export function createRegistry({ upstreams: upstreamsOf, priceOf, preferred, rememberMs = REMEMBER_MS }: RegistryOptions): Registry {
  // Weak: an upstream that was replaced takes what is known of it along.
  const listings = new WeakMap<ModelUpstream, Listing>();
  const refreshing = new Map<ModelUpstream, Promise<void>>();

  async function ask(upstream: ModelUpstream): Promise<void> {
    const answer = await upstream.models(AbortSignal.timeout(LIST_TIMEOUT_MS)).catch((cause: unknown) => thrown(cause));
    listings.set(upstream, {
      models: answer.ok ? answer.models : (listings.get(upstream)?.models ?? []),
      failure: answer.ok ? null : answer,
      at: performance.now(),
    });
  }

  /** The first question waits for the answer; later ones take what is known while it is renewed. */
  async function fresh(upstream: ModelUpstream): Promise<Listing | null> {
    const known = listings.get(upstream);
    // An upstream that is away is asked again sooner, so that it is back soon after it is back.
    const old = known === undefined || performance.now() - known.at > (known.failure === null ? rememberMs : rememberMs / 12);
    if (old && !refreshing.has(upstream))
      refreshing.set(
        upstream,
        ask(upstream).finally(() => refreshing.delete(upstream)),
      );
    // One upstream that does not answer must not keep the others' models waiting.
    if (known === undefined) await Promise.race([refreshing.get(upstream), sleep(FIRST_WAIT_MS, undefined, { ref: false })]);
    return listings.get(upstream) ?? null;
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

  async function list(organizationId: string | null): ReturnType<Registry["list"]> {
    const found = await Promise.all(
      (await upstreamsOf(organizationId)).map(async (upstream) => ({ upstream, listing: await fresh(upstream) })),
    );
    const models = new Map<string, RegisteredModel>();
    for (const { upstream, listing } of found) {
      for (const info of listing?.models ?? []) {
        const id = models.has(info.id) ? `${upstream.name}/${info.id}` : info.id;
        models.set(id, registered(upstream, info, id));
      }
    }
    const problems = found.flatMap(({ upstream, listing }) => {
      if (listing === null) return [{ upstream: upstream.name, message: "it has not answered yet" }];
      return listing.failure === null ? [] : [{ upstream: upstream.name, message: listing.failure.message }];
    });
    return { models: [...models.values()], problems };
  }

  async function resolve(organizationId: string | null, id: string): Promise<RegisteredModel | null> {
    const { models } = await list(organizationId);
    const plain = models.find((model) => model.id === id);
    if (plain !== undefined) return plain;
    for (const upstream of await upstreamsOf(organizationId)) {
      if (!id.startsWith(`${upstream.name}/`)) continue;
      const name = id.slice(upstream.name.length + 1);
      return models.find((model) => model.upstream === upstream && model.upstreamModel === name) ?? null;
    }
    return null;
  }

  return {
    list,
    resolve,
    listing: (upstream) => listings.get(upstream) ?? null,
    async defaultModel(organizationId) {
      // One whose connection is gone gives way to the next.
      for (const id of await preferred(organizationId)) {
        const model = await resolve(organizationId, id);
        if (model !== null) return model;
      }
      const { models } = await list(organizationId);
      return models.find((model) => !model.isDemo) ?? models.find((model) => model.isDemo) ?? null;
    },
  };
}

const thrown = (cause: unknown): UpstreamFailure => ({
  ok: false,
  code: "unreachable",
  message: String(cause),
  retryable: true,
  status: undefined,
  retryAfterMs: undefined,
  body: undefined,
  contentType: undefined,
});
