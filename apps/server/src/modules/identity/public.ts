/* Who calls, and how they prove it: organizations, principals, API tokens, login codes, cookie sessions. */
import path from "node:path";
import type { OrganizationRole, PrincipalId, PrincipalType } from "@signalbox/contract/primitives";
import type { Scope } from "@signalbox/contract/route";
import type { JoinedBy } from "@signalbox/contract/events/organizations";
import { erasable } from "@signalbox/eventlog/erasable";
import type { Origin, Recorded, Tx, Unit } from "@signalbox/eventlog/log";
import { newId, newSecret } from "@signalbox/kernel/id";
import { sql } from "kysely";
import type { Authenticator, Identification } from "../../http/authenticate.ts";
import type { RequestContext } from "../../http/handle.ts";
import { ShellRefused } from "../../http/refusal.ts";
import type { Database, Deps, Module } from "../../module.ts";
import { accountEnds, type Admission, createAdmission, type IsEnding } from "./admission.ts";
import { CHANGES_OF_KIND, changesProjection } from "./changes.projection.ts";
import { createCredentials, type Found, secretHash } from "./credentials.ts";
export type { EndedBy, Held } from "./holding.ts";
export type Hold = IdentityModule["hold"];
export { accountEnds } from "./admission.ts";
export { secretHash } from "./credentials.ts";
export { securityRoute } from "./security.ts";
import { createDepartures, type Departures } from "./departure.ts";
export type { Departures } from "./departure.ts";
import { createDirectory } from "./directory.ts";
import { createFollowing } from "./following.ts";
import { createLogins, type Logins } from "./logins.ts";
import { isInForce } from "./in-force.ts";
import { PEOPLE_OF_KIND, peopleProjection } from "./membership.projection.ts";
import { organization } from "./organization.ts";
import { ERASE_JOB, foundIn, organizationRoutes } from "./organization-routes.ts";
import { principal, type PrincipalCommand } from "./principal.ts";
import { identityRoutes } from "./routes.ts";
import { createHolding, type EndedBy, type Held } from "./holding.ts";
import { type CapabilityHolds, createStandings } from "./standings.ts";
import { token } from "./token.ts";

export interface NewPrincipal {
  readonly organizationId: string;
  /** `usr_…`, `agt_…` or `svc_…`. */
  readonly id: string;
  readonly type: PrincipalType;
  readonly displayName: string;
  /** Absent: known by name, may not call the API. */
  readonly role?: OrganizationRole | undefined;
}

export interface NewToken {
  readonly organizationId: string;
  readonly principalId: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly expiresAt?: string | undefined;
  /** Who let it be made; default: the installation. */
  readonly by?: Origin["principal"] | undefined;
}

export interface IdentityModule extends Module, Authenticator {
  /** Registers in the caller's unit; does nothing when it is known. For a session's agent. */
  ensurePrincipal(unit: Unit, principal: NewPrincipal): Promise<void>;
  /** The same in a unit of its own, by the system. */
  registerPrincipal(principal: NewPrincipal): Promise<void>;
  /** An organization with its owner; does nothing when they are known. */
  ensureOrganization(of: {
    readonly organizationId: string;
    readonly name: string;
    readonly owner: { readonly id: string; readonly displayName: string };
  }): Promise<void>;
  /** On behalf of the installation (first boot, tests); people use the route. */
  issueToken(of: NewToken): Promise<{ readonly id: string; readonly secret: string }>;
  issueLoginCode(
    organizationId: string,
    principalId: string,
  ): Promise<{ readonly code: string; readonly url: string; readonly expiresAt: string }>;
  displayNames(organizationId: string, ids: readonly string[]): Promise<ReadonlyMap<string, string>>;
  principalExists(organizationId: string, id: string): Promise<boolean>;
  /** Whether a member, or a token that works, has its access from this event. */
  isInForce(event: Recorded): Promise<boolean>;
  /** Null: nobody of the organization, or one who may not call. */
  roleOf(organizationId: string, id: string): Promise<OrganizationRole | null>;
  /**
   * What somebody is in the organization as long as what they presented holds; null: they are not, or it does not any more.
   * For what outlives a request: a token made with that credential. At most half a second old.
   */
  standing(of: {
    readonly organizationId: string;
    readonly principalId: string;
    readonly credentialId: string;
  }): Promise<OrganizationRole | null>;
  /** Every organization of this installation, for housekeeping. */
  organizations(): Promise<readonly string[]>;
  organizationName(organizationId: string): Promise<string>;
  /** A credential that another module keeps was revoked: whatever was opened with it ends. */
  credentialRevoked(credentialId: string): void;
  /** Whoever keeps capabilities says whether one still holds. */
  provideCapabilities(holds: CapabilityHolds): void;
  /**
   * For what stays open longer than a request: `end` is called, at most once, when the credential is revoked, signed out
   * of or expires, or its bearer is no longer what they were in the organization, in whichever process that happens.
   * Returns how to let go.
   */
  hold(held: Held, end: (by: EndedBy) => void): () => void;
  /** What gives somebody a place in an organization goes through here, and what ends their account. */
  readonly admission: Admission;
  /** Whoever keeps accounts says whether one is ending. */
  provideEndings(isEnding: IsEnding): void;
  /** Within `admission.give`. Somebody who proved who they are comes in. `role` only when they are new there; they keep the one they have. */
  addMember(
    unit: Unit,
    of: {
      readonly organizationId: string;
      readonly id: string;
      readonly displayName: string;
      readonly role: OrganizationRole;
      readonly joinedBy: JoinedBy;
    },
  ): Promise<void>;
  /** Where a person acts first; null: they are in no organization. */
  homeOf(principalId: string): Promise<string | null>;
  /** A browser session was opened, by whatever proof, or ended. In the log of the organization where it acts. */
  loginOpened(of: { readonly id: string; readonly principalId: string; readonly method: string }): Promise<void>;
  /** Told once, however often it is called. */
  loginEnded(of: EndedLogin): Promise<void>;
  /** Whoever keeps what a browser does as somebody else ends that with it. */
  provideOverlays(endWith: (loginId: string) => Promise<void>): void;
  /** Within `admission.give`. A provider vouched for them: a newcomer comes in with the role, who is in gets it if it is mapped. */
  signOn(
    unit: Unit,
    of: {
      readonly organizationId: string;
      readonly id: string;
      readonly displayName: string;
      readonly role: OrganizationRole | null;
      readonly isMapped: boolean;
      readonly suspended: ReadonlySet<string>;
    },
  ): Promise<void>;
  suspendedMembers(organizationId: string): Promise<ReadonlySet<string>>;
  /** A sign-in that acts in one organization only, in whose log it is. */
  openConfined(of: {
    readonly organizationId: string;
    readonly principalId: string;
    readonly method: string;
    readonly from: RequestContext["from"];
  }): Promise<{ readonly id: string; readonly secret: string; readonly ttlS: number }>;
  /** Going out of an organization, and what it holds about whoever goes. */
  readonly departures: Departures;
  /** Ends what a person has open in one organization; they come back where they still may. */
  membershipEnded(organizationId: string, principalId: string): Promise<void>;
  /** What somebody presents stands for somebody else from now on. */
  credentialChanged(credentialId: string): void;
  /** Closes what is open in an organization: whoever still may comes back. */
  reconnect(organizationId: string): Promise<void>;
  /** Forgets who somebody is, so that what changed about them holds for their next call. */
  changed(principalId: string): void;
}

export interface IdentityDeps extends Deps {
  /** Queries outside any organization, as `sb_app`. */
  readonly anywhere: Tx;
  /** Origin that people reach the server at; read when a link is made. */
  readonly publicUrl: () => string;
  /** The one that cannot be deleted: the installation's own. */
  readonly localOrganizationId: string;
  /** Whether a sandbox of the organization is alive: it is not deleted under its agents. */
  readonly hasRunningSessions: (organizationId: string) => Promise<boolean>;
  /** Removes all that is kept in files of a deleted organization. */
  readonly eraseFiles: (organizationId: string) => Promise<void>;
}

/** Whoever acts when nobody asked: first boot and housekeeping. */
export const SYSTEM: Origin["principal"] = { id: "svc_signalbox", type: "service" };

interface EndedLogin {
  readonly id: string;
  readonly principalId: string;
  readonly organizationId: string;
}

export interface IdentityParts extends IdentityDeps {
  readonly admission: Admission;
  readonly departures: Departures;
  readonly loginEnded: (of: EndedLogin) => Promise<void>;
  readonly logins: Logins;
  readonly revoked: (credentialId: string) => void;
  readonly saveTokenSecret: (organizationId: string, tokenId: string) => Promise<string>;
  readonly found: (of: Founding) => Promise<void>;
  /** Ends what a person holds in one organization: cached identities, sockets. */
  readonly membershipEnded: (organizationId: string, principalId: string) => Promise<void>;
  readonly organizationEnded: (organizationId: string) => Promise<void>;
  readonly suspendedMembers: (organizationId: string) => Promise<ReadonlySet<string>>;
  readonly displayNames: (organizationId: string, ids: readonly string[]) => Promise<ReadonlyMap<string, string>>;
}

export interface Founding {
  readonly organizationId: string;
  readonly name: string;
  readonly owner: { readonly id: string; readonly displayName: string };
  readonly origin: Origin;
}

export function createIdentity(deps: IdentityDeps): IdentityModule {
  const { log, db, clock, logger } = deps;
  const credentials = createCredentials(deps);
  const logins = createLogins(deps);
  let capabilityHolds: CapabilityHolds | undefined;
  let isEnding: IsEnding | undefined;
  const admission = createAdmission({ ...deps, isEnding: async (id) => (await isEnding?.(id)) ?? false });
  let endOverlays: ((loginId: string) => Promise<void>) | undefined;
  const standings = createStandings({
    ...deps,
    capabilityHolds: async (organizationId, id) => (await capabilityHolds?.(organizationId, id)) ?? false,
  });
  const onHoldingError = (error: unknown): void => logger.warn({ err: error }, "whether something open still holds is not known");
  const holding = createHolding({ standings, clock, onError: onHoldingError });

  /** All at once: what is remembered is looked through for each call. */
  function allRevoked(credentialIds: ReadonlySet<string>): void {
    credentials.forget(credentialIds);
    standings.forget(credentialIds);
    holding.revoked(credentialIds);
  }
  const revoked = (credentialId: string): void => allRevoked(new Set([credentialId]));

  /** Before its `token.created`: a secret whose token is not in the log admits nobody. */
  async function saveTokenSecret(organizationId: string, tokenId: string): Promise<string> {
    const secret = newSecret("sbt");
    await db.inOrganization(organizationId, (tx) =>
      sql`insert into idn_token_secrets (organization_id, token_id, secret_hash) values (${organizationId}, ${tokenId}, ${secretHash(secret)})`.execute(
        tx,
      ),
    );
    return secret;
  }

  /** Often enough to tell an unused credential from a used one; not a write per request. */
  function markUsed(found: Found): void {
    const nowMs = clock.nowMs();
    if (nowMs - found.usedAtMs < logins.markEveryMs) return;
    const written =
      found.credential.kind === "token"
        ? markToken(db, found.organizations[0]!.organizationId, found.credential.id, clock.now())
        : logins.slide(found.credential.id);
    // The request itself must not wait for this, nor fail with it.
    written.then(
      () => credentials.forget(new Set([found.credential.id])),
      (error: unknown) => logger.warn({ err: error }, "could not mark a credential as used"),
    );
  }

  async function identify(kind: "token" | "session", secret: string): Promise<Identification | null> {
    const found = await credentials.find(kind, secret);
    if (found !== null) markUsed(found);
    return found;
  }

  /** Loaded first, its turn is waited for: of many who come in at once none then fails for the others. */
  const inTurn = (unit: Unit, id: string) => unit.load(organization, { type: "organization", id }, `organization:${id}`);

  async function ensurePrincipal(unit: Unit, { organizationId, id, type, displayName, role }: NewPrincipal): Promise<void> {
    if (type === "user" && role !== undefined) await inTurn(unit, organizationId);
    const decision = await unit.decide(principal, { type: "organization", id: organizationId }, `principal:${id}`, {
      type: "register",
      id: id as PrincipalId,
      principalType: type,
      displayName,
      role,
    });
    if (!decision.ok) throw new ShellRefused("unauthenticated", "This account was deleted.", { fix: "Make a new one." });
    if (type === "user" && role !== undefined)
      await unit.decide(organization, { type: "organization", id: organizationId }, `organization:${organizationId}`, {
        type: "add",
        principalId: id as PrincipalId,
        role,
        joinedBy: "operator",
      });
  }

  async function found({ organizationId, origin, ...of }: Founding): Promise<void> {
    await log.unit({ organizationId, origin }, async (unit) => {
      await foundIn(unit, { organizationId, ...of });
      await ensurePrincipal(unit, { organizationId, id: SYSTEM.id, type: "service", displayName: "Signalbox" });
    });
    credentials.forgetPrincipal(of.owner.id);
  }

  /** Open connections know only their credential. A cookie's is closed in all organizations; it comes back where it still may. */
  async function membershipEnded(organizationId: string, principalId: string | null): Promise<void> {
    credentials.forgetOrganization(organizationId);
    const { rows } = await db.inOrganization(organizationId, (tx) =>
      sql<{ id: string }>`
        select id from proj_tokens where revoked_at is null and (${principalId}::text is null or principal_id = ${principalId})`.execute(
        tx,
      ),
    );
    const sessions = await deps.anywhere.query<{ id: string }>("select id from idn_sessions_of($1, $2) as s (id)", [
      organizationId,
      principalId,
    ]);
    allRevoked(new Set([...rows, ...sessions.rows].map(({ id }) => id)));
  }

  async function homeOf(principalId: string): Promise<string | null> {
    const { rows } = await deps.anywhere.query<{ organization_id: string }>("select organization_id from idn_memberships($1) limit 1", [
      principalId,
    ]);
    return rows[0]?.organization_id ?? null;
  }

  async function recordLogin(organizationId: string, principalId: string, command: PrincipalCommand): Promise<void> {
    await log.run(
      principal,
      {
        organizationId,
        stream: { type: "organization", id: organizationId },
        subject: `principal:${principalId}`,
        origin: { principal: { id: principalId, type: "user" } },
      },
      command,
    );
  }

  const bySystem = (organizationId: string) => ({ organizationId, origin: { principal: SYSTEM } });
  /** The event is what other processes end it by. Where it acted, or if they are not in that any more, where they act first. */
  async function loginEnded({ id, principalId, organizationId }: EndedLogin): Promise<void> {
    revoked(id);
    await endOverlays?.(id);
    const { rows } = await deps.anywhere.query<{ organization_id: string }>("select organization_id from idn_memberships($1)", [
      principalId,
    ]);
    const told = rows.find((row) => row.organization_id === organizationId) ?? rows[0];
    if (told === undefined) return;
    await recordLogin(told.organization_id, principalId, { type: "end_login", id: principalId as PrincipalId, loginId: id });
  }

  const directory = createDirectory(deps);
  const { suspendedMembers } = directory;
  const departures = createDepartures({ ...deps, membershipEnded, revoked, suspendedMembers });
  const following = createFollowing({ log, logger, credentials, holding, membershipEnded, revoked });
  const parts: IdentityParts = {
    ...deps,
    admission,
    departures,
    suspendedMembers,
    logins,
    revoked,
    loginEnded,
    saveTokenSecret,
    found,
    membershipEnded,
    displayNames: directory.displayNames,
    organizationEnded: (organizationId) => membershipEnded(organizationId, null),
  };

  return {
    routes: [...identityRoutes(parts), ...organizationRoutes(parts)],
    projections: [erasable(peopleProjection, { ofKind: PEOPLE_OF_KIND }), erasable(changesProjection, { ofKind: CHANGES_OF_KIND })],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {
      async [ERASE_JOB]({ organizationId }) {
        await deps.anywhere.query("select idn_erase_organization($1)", [organizationId]);
        await deps.eraseFiles(organizationId);
      },
    },
    schedules: [{ name: "identity.expire", cron: "17 * * * *", run: () => logins.sweep() }],
    identify,
    ensurePrincipal,

    async registerPrincipal(of) {
      const register = () => log.unit(bySystem(of.organizationId), (unit) => ensurePrincipal(unit, of));
      await (of.role === undefined ? register() : admission.give(of.id, register, accountEnds));
      credentials.forgetPrincipal(of.id);
    },

    ensureOrganization: ({ organizationId, name, owner }) => found({ organizationId, name, owner, origin: { principal: SYSTEM } }),

    async issueToken({ organizationId, principalId, name, scopes, expiresAt, by = SYSTEM }) {
      const id = newId("tok");
      const secret = await saveTokenSecret(organizationId, id);
      const decision = await log.run(
        token,
        { organizationId, origin: { principal: by }, stream: { type: "organization", id: organizationId }, subject: `token:${id}` },
        {
          type: "create",
          id: id as never,
          name,
          principalId: principalId as PrincipalId,
          scopes,
          held: scopes,
          expiresAt,
          now: clock.now(),
        },
      );
      if (!decision.ok) throw new Error(`the token was refused: ${decision.refusal.code}`);
      return { id, secret };
    },

    issueLoginCode: (organizationId, principalId) => logins.issue(organizationId, principalId),

    ...directory,
    isInForce: (event) => isInForce(db, event),
    standing: standings.of,

    admission,
    provideEndings: (ends) => void (isEnding = ends),

    async addMember(unit, { organizationId, id, displayName, role, joinedBy }) {
      await inTurn(unit, organizationId);
      await ensurePrincipal(unit, { organizationId, id, type: "user", displayName });
      const decision = await unit.decide(organization, { type: "organization", id: organizationId }, `organization:${organizationId}`, {
        type: "add",
        principalId: id as PrincipalId,
        role,
        joinedBy,
      });
      if (!decision.ok)
        throw new ShellRefused("not_found", "This organization is no longer there.", { fix: "Come into another, or found one." });
    },

    homeOf,

    async loginOpened({ id, principalId, method }) {
      const organizationId = await homeOf(principalId);
      if (organizationId === null) return;
      await recordLogin(organizationId, principalId, { type: "open_login", id: principalId as PrincipalId, loginId: id, method });
    },

    loginEnded,
    provideOverlays: (endWith) => void (endOverlays = endWith),

    async signOn(unit, { organizationId, id, displayName, role, isMapped, suspended }) {
      await inTurn(unit, organizationId);
      await ensurePrincipal(unit, { organizationId, id, type: "user", displayName });
      const decision = await unit.decide(organization, { type: "organization", id: organizationId }, `organization:${organizationId}`, {
        type: "sign_on",
        principalId: id as PrincipalId,
        role,
        isMapped,
        suspended,
      });
      if (!decision.ok) throw new Error(`a sign-in through a provider was refused: ${decision.refusal.code}`);
    },

    async openConfined({ organizationId, principalId, method, from }) {
      const id = newId("login");
      // The event first: a sign-in that nobody has is better than one that nobody sees.
      await recordLogin(organizationId, principalId, { type: "open_login", id: principalId as PrincipalId, loginId: id, method });
      return { id, ...(await logins.openVouched({ id, organizationId, principalId, method, from })) };
    },

    departures,
    membershipEnded,
    credentialChanged: revoked,
    reconnect: (organizationId) => membershipEnded(organizationId, null),

    changed: credentials.forgetPrincipal,
    credentialRevoked: revoked,
    provideCapabilities: (holds) => void (capabilityHolds = holds),

    hold: holding.hold,

    start: async () => following.start(),
    stop: async () => following.stop(),
  };
}

function markToken(db: Database, organizationId: string, tokenId: string, at: string): Promise<unknown> {
  return db.inOrganization(organizationId, (tx) =>
    sql`update idn_token_secrets set last_used_at = ${at} where token_id = ${tokenId}`.execute(tx),
  );
}
