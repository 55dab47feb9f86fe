/*
 * From a capability's token to who presents it.
 *
 *   token ─► signatures, narrowing, ends (chain.ts; remembered until it or its key ends) ─► standing in the database ─► caller
 *                                                                                                └─ remembered for a second
 *
 * What a holder made alone is told to the log at its first use; what they may not make is told as well, and admits
 * nobody. Whoever is not admitted learns not why.
 */
import { createHash } from "node:crypto";
import { type Chain, verify, type KeyOf, type Link, type Verified } from "@signalbox/capability/chain";
import type { CapabilityId } from "@signalbox/contract/primitives";
import type { DelegationDenial } from "@signalbox/contract/events/capabilities";
import type { Identification } from "../../http/authenticate.ts";
import type { Deps } from "../../module.ts";
import { capability } from "./capability.ts";
import type { CapabilityStore } from "./store.ts";

/** How old what is known of a revocation may be; in a process that hears of it, it is known at once. */
const FRESH_MS = 1000;
const MOST_REMEMBERED = 10_000;
/** Known children of one root, of whatever depth: who can make them without asking must not fill the database. */
const MOST_OF_A_ROOT = 1000;
const MOST_DENIALS_A_MINUTE = 30;
const MARK_EVERY_MS = 60_000;

export interface Presented {
  identify(token: string): Promise<Identification | null>;
  /** Whether the chain holds now, asked anew. */
  holds(chain: Chain): Promise<boolean>;
  /** What is wrong with a token, told to the log when it is a delegation that is not allowed. */
  check(token: string): Promise<Verified>;
  deny(chain: Chain, tried: Pick<Link, "name" | "grant">, reason: DelegationDenial): Promise<void>;
  /** What was known of an organization's capabilities is asked anew. */
  forget(organizationId: string): void;
}

const DENIED: Partial<Record<string, DelegationDenial>> = { wider: "wider", outlives: "outlives", too_deep: "too_deep" };

export function createPresented(
  deps: Deps & {
    readonly store: CapabilityStore;
    readonly keyOf: KeyOf;
    readonly replaced: (organizationId: string, id: CapabilityId) => Promise<void>;
  },
): Presented {
  const { log, clock, store, logger } = deps;
  const chains = new Map<string, Chain>();
  const callers = new Map<
    string,
    { readonly found: Identification; readonly endsMs: number; readonly atMs: number; readonly organizationId: string }
  >();
  const denied = new Set<string>();
  let generation = 0;
  let minute = { startMs: 0, denials: 0 };

  const end = (chain: Chain): number => Math.min(...chain.links.map(({ expiresAtMs }) => expiresAtMs));
  const byHolder = (chain: Chain) => ({
    organizationId: chain.organizationId,
    origin: { principal: { id: chain.principalId, type: principalType(chain.principalId) } },
    stream: { type: "organization", id: chain.organizationId } as const,
  });

  async function deny(chain: Chain, tried: Pick<Link, "name" | "grant">, reason: DelegationDenial): Promise<void> {
    const nowMs = clock.nowMs();
    if (nowMs - minute.startMs >= 60_000) minute = { startMs: nowMs, denials: 0 };
    if (++minute.denials > MOST_DENIALS_A_MINUTE) return;
    const { id } = chain.links.at(-1)!;
    await log.run(
      capability,
      { ...byHolder(chain), subject: `capability:${id}` },
      { type: "deny", data: { capability_id: id, reason, name: tried.name, grant: tried.grant, by: chain.principalId } },
    );
  }

  async function check(token: string): Promise<Verified> {
    const verified = await verify(token, { keyOf: deps.keyOf, nowMs: clock.nowMs() });
    if (verified.ok) return verified;
    const reason = DENIED[verified.problem];
    const key = hashOf(token);
    if (reason !== undefined && verified.genuine !== undefined && verified.tried !== undefined && !denied.has(key)) {
      if (denied.size >= MOST_REMEMBERED) denied.clear();
      denied.add(key);
      // Of one that has ended nothing can be made anyway; and an unknown root is none of ours.
      if (await holds(verified.genuine)) await deny(verified.genuine, verified.tried, reason);
    }
    return verified;
  }

  async function holds(chain: Chain): Promise<boolean> {
    const ids = chain.links.map(({ id }) => id);
    const standing = await store.standing(chain.organizationId, ids, chain.principalId);
    return standing.known.includes(ids[0]!) && !standing.is_revoked && standing.role !== null;
  }

  /** Those that were made since the last one that is known. */
  async function tell(chain: Chain, known: readonly string[]): Promise<void> {
    for (const [depth, { id, name, grant, expiresAtMs }] of chain.links.entries()) {
      if (depth === 0 || known.includes(id)) continue;
      await log.run(
        capability,
        { ...byHolder(chain), subject: `capability:${id}` },
        {
          type: "delegate",
          data: {
            capability_id: id,
            kind: chain.kind,
            name,
            principal_id: chain.principalId,
            parent_id: chain.links[depth - 1]!.id,
            path: chain.links.slice(0, depth + 1).map((link) => link.id),
            grant,
            expires_at: new Date(expiresAtMs).toISOString(),
            offline: true,
          },
        },
      );
    }
  }

  async function find(chain: Chain): Promise<Identification | null> {
    const { organizationId, principalId } = chain;
    const ids = chain.links.map(({ id }) => id);
    const standing = await store.standing(organizationId, ids, principalId);
    if (!standing.known.includes(ids[0]!) || standing.is_revoked || standing.role === null || standing.principal_type === null) return null;
    if (standing.known.length < ids.length) {
      if (Number(standing.made_of_root) >= MOST_OF_A_ROOT) return null;
      await tell(chain, standing.known);
    }
    if (standing.replaces !== null) await deps.replaced(organizationId, standing.replaces);
    const leaf = chain.links.at(-1)!;
    if (clock.nowMs() - (standing.last_used_at?.getTime() ?? 0) >= MARK_EVERY_MS)
      // The request itself must not wait for this, nor fail with it.
      store
        .markUsed(organizationId, leaf.id, clock.now())
        .catch((error: unknown) => logger.warn({ err: error }, "could not mark a capability as used"));
    return {
      credential: { kind: "capability", id: leaf.id, path: ids, expiresAtMs: end(chain) },
      principal: { id: principalId, type: standing.principal_type, displayName: standing.display_name ?? "" },
      organizations: [{ organizationId, role: standing.role }],
      scopes: leaf.grant.scopes,
      grant: leaf.grant,
    };
  }

  return {
    async identify(token) {
      const key = hashOf(token);
      const nowMs = clock.nowMs();
      const known = callers.get(key);
      if (known !== undefined && nowMs - known.atMs < FRESH_MS && nowMs >= known.atMs) return known.endsMs > nowMs ? known.found : null;
      callers.delete(key);
      let chain = chains.get(key);
      if (chain !== undefined && (await deps.keyOf(chain.kid)) === null) {
        // What was checked once was checked by a key that is not there any more.
        chains.delete(key);
        return null;
      }
      if (chain === undefined) {
        const verified = await check(token);
        if (!verified.ok) return null;
        chain = verified.chain;
        if (chains.size >= MOST_REMEMBERED) chains.clear();
        chains.set(key, chain);
      }
      const endsMs = end(chain);
      if (endsMs <= nowMs) return null;
      const asked = generation;
      const found = await find(chain);
      if (found !== null && asked === generation) {
        if (callers.size >= MOST_REMEMBERED) callers.clear();
        callers.set(key, { found, endsMs, atMs: nowMs, organizationId: chain.organizationId });
      }
      return found;
    },
    check,
    holds,
    deny,
    forget(organizationId) {
      generation++;
      for (const [key, known] of callers) if (known.organizationId === organizationId) callers.delete(key);
    },
  };
}

const hashOf = (token: string): string => createHash("sha256").update(token).digest("base64");
const principalType = (id: string): "user" | "agent" | "service" =>
  id.startsWith("agt_") ? "agent" : id.startsWith("svc_") ? "service" : "user";
