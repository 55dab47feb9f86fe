/* The whole server on a test database, with everybody a test may want to be. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { SCOPES } from "@signalbox/contract/identity";
import type { OrganizationRole } from "@signalbox/contract/primitives";
import type { Scope } from "@signalbox/contract/route";
import type { Clock } from "@signalbox/kernel/clock";
import { newId } from "@signalbox/kernel/id";
import type { TestDatabase } from "@signalbox/testkit/database";
import { pino } from "pino";
import { compose, type ComposeOptions, type Signalbox } from "./compose.ts";
import { readConfig } from "./config/read.ts";
import type { HarnessEntry } from "./modules/sessions/public.ts";
import { LOCAL } from "./local.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>;
  // oxlint-disable-next-line typescript/no-explicit-any -- what tests look into
  readonly body: any;
}

export interface Composed {
  readonly server: Signalbox;
  readonly dataDir: string;
  /** Of the owner of `ws_dev`. */
  readonly owner: string;
  /** A new person of that role with a token. */
  person(
    role: OrganizationRole,
    options?: { organizationId?: string; scopes?: readonly Scope[]; expiresAt?: string },
  ): Promise<{ readonly id: string; readonly token: string; readonly tokenId: string }>;
  /** A new organization with an owner. */
  organization(): Promise<{ readonly id: string; readonly ownerId: string; readonly token: string }>;
  call(method: string, url: string, options?: { token?: string; body?: unknown; headers?: Record<string, string> }): Promise<Answer>;
  close(): Promise<void>;
}

export async function startComposed(
  database: Pick<TestDatabase, "connection">,
  options: {
    flags?: readonly string[];
    environment?: Readonly<Record<string, string>>;
    clock?: Clock;
    harnesses?: Readonly<Record<string, HarnessEntry>>;
    projected?: () => Promise<void>;
    atDeletion?: ComposeOptions["atDeletion"];
    /** Another server's, to come after it; left in place. */
    dataDir?: string;
  } = {},
): Promise<Composed> {
  const dataDir = options.dataDir ?? mkdtempSync(path.join(tmpdir(), "signalbox-composed-"));
  // Sandboxes run as other users, who must be able to pass through.
  chmodSync(dataDir, 0o711);
  const config = readConfig(["--port", "0", "--data-dir", dataDir, ...(options.flags ?? [])], options.environment ?? {});
  if (config === "help") throw new Error("not a server");
  const server = await compose({
    config,
    connection: database.connection,
    logger: pino({ level: options.environment?.["LOG_LEVEL"] ?? "silent" }),
    clock: options.clock,
    harnesses: options.harnesses,
    projected: options.projected,
    atDeletion: options.atDeletion,
  });
  const { identity } = server;

  async function token(organizationId: string, principalId: string, of: { scopes?: readonly Scope[]; expiresAt?: string } = {}) {
    return identity.issueToken({ organizationId, principalId, name: "test", scopes: of.scopes ?? SCOPES, expiresAt: of.expiresAt });
  }

  return {
    server,
    dataDir,
    owner: (await token(LOCAL.organizationId, LOCAL.owner.id)).secret,
    async person(role, of = {}) {
      const organizationId = of.organizationId ?? LOCAL.organizationId;
      const id = newId("usr");
      await identity.registerPrincipal({ organizationId, id, type: "user", displayName: `A ${role}`, role });
      const made = await token(organizationId, id, of);
      return { id, token: made.secret, tokenId: made.id };
    },
    async organization() {
      const id = newId("ws");
      const ownerId = newId("usr");
      await identity.ensureOrganization({ organizationId: id, name: "Other", owner: { id: ownerId, displayName: "Other owner" } });
      return { id, ownerId, token: (await token(id, ownerId)).secret };
    },
    async call(method, url, { token: bearer, body, headers = {} } = {}) {
      const response = await server.http.app.inject({
        method: method as "GET",
        url,
        headers: {
          host: "localhost",
          ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...headers,
        },
        ...(body === undefined ? {} : { payload: typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body) }),
      });
      return { status: response.statusCode, headers: response.headers, body: parsed(response.body) };
    },
    async close() {
      await server.stop();
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // not JSON: a page, a line of text
  }
}
