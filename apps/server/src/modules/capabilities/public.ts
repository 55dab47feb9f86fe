/* Capabilities: issued, handed on, used, ended. Their form and what holds of any chain is in `packages/capability`; see specs/capability.md. */
import { erasable } from "@signalbox/eventlog/erasable";
import path from "node:path";
import {
  attenuate,
  CAPABILITY_PREFIX,
  denial,
  issue,
  privateKeyOf,
  publicKeyOf,
  publicPart,
  verify,
  type Part,
} from "@signalbox/capability/chain";
import {
  delegateCapability,
  getCapability,
  inspectCapability,
  issueCapability,
  type CapabilityView,
  listCapabilities,
  listCapabilityKeys,
  revokeCapability,
} from "@signalbox/contract/capabilities";
import type { CapabilityEvent } from "@signalbox/contract/events/capabilities";
import type { CapabilityId, OrganizationId, PrincipalId } from "@signalbox/contract/primitives";
import type { Origin, Recorded } from "@signalbox/eventlog/log";
import { newId } from "@signalbox/kernel/id";
import { z } from "zod";
import { type Identification, hasRole } from "../../http/authenticate.ts";
import { decodeCursor, pageOf } from "../../http/cursor.ts";
import { handle, refused, type Caller } from "../../http/handle.ts";
import type { KeyRing } from "../../key-ring.ts";
import type { Deps, Module } from "../../module.ts";
import type { RoomAccess } from "../rooms/public.ts";
import { capabilitiesProjection } from "./capabilities.projection.ts";
import { capability, type CapabilityCommand } from "./capability.ts";
import { createPresented } from "./presented.ts";
import { capabilityStore, viewOf, type CapabilityRow } from "./store.ts";

export interface CapabilitiesModule extends Module {
  readonly prefix: string;
  /** Null for a token that is none, has ended, was revoked or allows more than it may; nothing tells which. */
  identify(token: string): Promise<Identification | null>;
  /** What is stored of one, for the gate. Null: there is none in the organization. */
  standingOf(
    organizationId: string,
    id: string,
  ): Promise<{
    readonly grant: CapabilityRow["grant"];
    readonly principalId: string;
    readonly status: "active" | "expired" | "revoked";
  } | null>;
  /** All that somebody issued, newest first. */
  issuedBy(organizationId: string, principalId: string): Promise<readonly z.input<typeof CapabilityView>[]>;
  /** Revokes each of them that works, and so what was made of it. Again: nothing. */
  endIssuedBy(organizationId: string, principalId: string, origin: Origin): Promise<void>;
}

export interface CapabilitiesDeps extends Deps {
  readonly ring: KeyRing;
  readonly rooms: Pick<RoomAccess, "roleIn">;
  /** Ends what was opened with it. */
  readonly credentialRevoked: (credentialId: string) => void;
}

const NONE = refused("capability_not_found", { message: "There is no such capability.", fix: "List them with GET /v1/capabilities." });

export function createCapabilities(deps: CapabilitiesDeps): CapabilitiesModule {
  const { log, db, clock, ring, logger } = deps;
  const store = capabilityStore(db);
  const keyOf = async (kid: string) => {
    const seed = await ring.named(kid);
    return seed === null ? null : publicKeyOf(publicPart(privateKeyOf(seed)));
  };
  const command = (organizationId: string, origin: Origin, id: string, of: CapabilityCommand) =>
    log.run(capability, { organizationId, origin, stream: { type: "organization", id: organizationId }, subject: `capability:${id}` }, of);

  async function ended(organizationId: string, id: string): Promise<void> {
    presented.forget(organizationId);
    for (const each of await store.descendants(organizationId, id)) deps.credentialRevoked(each);
  }
  const presented = createPresented({
    ...deps,
    store,
    keyOf,
    async replaced(organizationId, id) {
      const row = await store.get(organizationId, id);
      if (row === null) return;
      await command(organizationId, { principal: { id: row.issued_by, type: "user" } }, id, {
        type: "revoke",
        by: row.issued_by,
        reason: "replaced",
      });
      await ended(organizationId, id);
    },
  });

  /** Whose it is to see and to end: the issuer's, an administrator's, and that of whoever holds one that it was made of. */
  function concerns(caller: Caller, row: CapabilityRow): boolean {
    if (caller.credential?.kind === "capability") return row.path.includes(caller.credential.id as CapabilityId);
    return hasRole(caller.role, "admin") || row.issued_by === caller.principal.id;
  }
  async function find(caller: Caller, id: string): Promise<CapabilityRow | null> {
    const row = await store.get(caller.organizationId, id);
    return row === null || !concerns(caller, row) ? null : row;
  }
  async function written(organizationId: string, id: string) {
    const row = await store.get(organizationId, id);
    if (row === null) throw new Error(`${id} was written and cannot be read`);
    return viewOf(row, clock.now());
  }
  const seconds = (ms: number): number => Math.floor(ms / 1000);

  const routes = [
    handle(issueCapability, async ({ caller, body, origin }) => {
      const { organizationId } = caller;
      const missing = body.grant.scopes.filter((scope) => !caller.scopes.includes(scope));
      if (missing.length > 0)
        return refused("scope_not_held", {
          message: `You do not hold: ${missing.join(", ")}.`,
          fix: "Ask only for scopes that your own token has.",
        });
      for (const roomId of body.grant.rooms ?? [])
        if ((await deps.rooms.roleIn(caller, roomId)) === null)
          return refused("room_not_found", {
            message: `There is no room ${roomId}, or you are not in it.`,
            fix: "List yours with GET /v1/rooms.",
          });
      if (body.replaces !== undefined && (await find(caller, body.replaces)) === null) return NONE;
      const id = newId("cap") as CapabilityId;
      const iat = seconds(clock.nowMs());
      const part: Part = { id, name: body.name, grant: body.grant, iat, exp: iat + body.expires_in_s };
      const { kid, key } = await ring.current();
      const token = await issue(
        { kid, key: privateKeyOf(key) },
        { ...part, organizationId: organizationId as OrganizationId, principalId: caller.principal.id as PrincipalId, kind: body.kind },
      );
      await command(organizationId, origin, id, {
        type: "issue",
        data: {
          capability_id: id,
          kind: body.kind,
          name: body.name,
          principal_id: caller.principal.id as PrincipalId,
          grant: body.grant,
          expires_at: new Date(part.exp * 1000).toISOString(),
          ...(body.replaces === undefined ? {} : { replaces: body.replaces }),
          by: caller.principal.id as PrincipalId,
        },
      });
      return { ...(await written(organizationId, id)), token };
    }),

    handle(delegateCapability, async ({ caller, body, origin }) => {
      const verified = await presented.check(body.token);
      if (!verified.ok || verified.chain.organizationId !== caller.organizationId || !(await presented.holds(verified.chain)))
        return INVALID;
      const { chain } = verified;
      if (chain.isSealed)
        return refused("capability_sealed", { message: "It was given to you to use, not to hand on.", fix: "Ask whoever gave it to you." });
      const parent = chain.links.at(-1)!;
      const iat = seconds(clock.nowMs());
      const exp = body.expires_in_s === undefined ? seconds(parent.expiresAtMs) : iat + body.expires_in_s;
      const part: Part = { id: newId("cap") as CapabilityId, name: body.name, grant: body.grant, iat, exp };
      const reason = denial(parent, { grant: body.grant, expiresAtMs: exp * 1000 }, chain.links.length);
      if (reason !== null) {
        await presented.deny(chain, body, reason);
        return refused(DENIALS[reason].code, DENIALS[reason]);
      }
      const token = await attenuate(body.token, part);
      if (token === null) return INVALID;
      await command(caller.organizationId, origin, part.id, {
        type: "delegate",
        data: {
          capability_id: part.id,
          kind: chain.kind,
          name: body.name,
          principal_id: chain.principalId,
          parent_id: parent.id,
          path: [...chain.links.map(({ id }) => id), part.id],
          grant: body.grant,
          expires_at: new Date(exp * 1000).toISOString(),
          offline: false,
        },
      });
      return { ...(await written(caller.organizationId, part.id)), token };
    }),

    handle(listCapabilities, async ({ caller, query, now }) => {
      const before = decodeCursor(query.cursor, z.tuple([z.string()]))?.[0] ?? null;
      const by = hasRole(caller.role, "admin") ? null : caller.principal.id;
      const rows = await store.list(caller.organizationId, { by, before, limit: query.limit + 1 });
      return pageOf(
        rows,
        query.limit,
        (row) => viewOf(row, now),
        (row) => [row.id],
      );
    }),
    handle(getCapability, async ({ caller, params, now }) => {
      const row = await find(caller, params.id);
      return row === null ? NONE : viewOf(row, now);
    }),

    handle(inspectCapability, async ({ caller, body }) => {
      const verified = await verify(body.token, { keyOf, nowMs: clock.nowMs() });
      const chain = verified.ok ? verified.chain : verified.problem === "expired" ? verified.genuine : undefined;
      if (chain === undefined || chain.organizationId !== caller.organizationId) return INVALID;
      const leaf = chain.links.at(-1)!;
      return {
        organization_id: chain.organizationId,
        principal_id: chain.principalId,
        chain: chain.links.map(({ id, name, grant, expiresAtMs }) => ({
          id,
          name,
          grant,
          expires_at: new Date(expiresAtMs).toISOString(),
        })),
        effective: leaf.grant,
        expires_at: new Date(leaf.expiresAtMs).toISOString(),
        status: !(await presented.holds(chain)) ? ("revoked" as const) : verified.ok ? ("active" as const) : ("expired" as const),
      };
    }),

    handle(revokeCapability, async ({ caller, params, origin }) => {
      if ((await find(caller, params.id)) === null) return NONE;
      await command(caller.organizationId, origin, params.id, {
        type: "revoke",
        by: caller.principal.id as PrincipalId,
        reason: "revoked",
      });
      // Before the answer: whoever was told that it is revoked may rely on it.
      await ended(caller.organizationId, params.id);
      return written(caller.organizationId, params.id);
    }),

    handle(listCapabilityKeys, async () => ({
      keys: (await ring.all()).map(({ kid, key }) => ({
        kty: "OKP" as const,
        crv: "Ed25519" as const,
        alg: "EdDSA" as const,
        use: "sig" as const,
        kid,
        x: publicPart(privateKeyOf(key)),
      })),
    })),
  ];

  async function issuedBy(organizationId: string, principalId: string) {
    const found: z.input<typeof CapabilityView>[] = [];
    for (let before: string | null = null; ;) {
      const rows: readonly CapabilityRow[] = await store.list(organizationId, { by: principalId, before, limit: 200 });
      found.push(...rows.map((row) => viewOf(row, clock.now())));
      if (rows.length < 200) return found;
      before = rows.at(-1)!.id;
    }
  }

  let unsubscribe: (() => void) | undefined;
  const seen = new Map<string, number>();
  /** Ends here what another process ended. Hints may repeat and come out of order: to end twice is to end once. */
  async function follow(organizationId: string, head: number): Promise<void> {
    const afterSeq = seen.get(organizationId) ?? Math.max(0, head - 20);
    if (afterSeq >= head) return;
    const events = await log.readStream(organizationId, { type: "organization", id: organizationId }, { afterSeq, limit: 500 });
    seen.set(organizationId, Math.max(seen.get(organizationId) ?? 0, events.at(-1)?.seq ?? head));
    for (const { event, subjectId } of events as readonly Recorded<CapabilityEvent>[])
      if (event.type === "capability.revoked") await ended(organizationId, subjectId);
  }

  return {
    prefix: CAPABILITY_PREFIX,
    routes,
    projections: [erasable(capabilitiesProjection, { bySubject: { proj_capabilities: "id" } })],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {},
    identify: presented.identify,
    issuedBy,
    async endIssuedBy(organizationId, principalId, origin) {
      for (const { id, status } of await issuedBy(organizationId, principalId)) {
        if (status !== "active") continue;
        await command(organizationId, origin, id, { type: "revoke", by: principalId as PrincipalId, reason: "revoked" });
        await ended(organizationId, id);
      }
    },
    async standingOf(organizationId, id) {
      const row = await store.get(organizationId, id);
      return row === null ? null : { grant: row.grant, principalId: row.principal_id, status: viewOf(row, clock.now()).status };
    },
    async start() {
      unsubscribe = log.onAppended(({ streams, recorded }) => {
        for (const { organizationId, stream, seq } of streams) {
          if (stream.type !== "organization") continue;
          presented.forget(organizationId);
          if (recorded === undefined)
            follow(organizationId, seq).catch((error: unknown) =>
              logger.warn({ err: error }, "could not follow what became of capabilities"),
            );
        }
      });
    },
    async stop() {
      unsubscribe?.();
    },
  };
}

const INVALID = refused("capability_invalid", {
  message: "That is no capability of this organization, or it does not hold any more.",
  fix: "Give the whole token, as it was shown; signalbox capability inspect says what it is.",
});
const DENIALS = {
  wider: {
    code: "capability_wider",
    message: "It would allow what the one that it is made of does not.",
    fix: "Leave out what is more: signalbox capability inspect shows what you hold.",
  },
  outlives: {
    code: "capability_outlives",
    message: "It would live longer than the one that it is made of.",
    fix: "Give a shorter time, or none.",
  },
  too_deep: {
    code: "delegation_depth_exceeded",
    message: "It has been handed on three times already.",
    fix: "Ask whoever gave it to you for one of theirs.",
  },
} as const;
