/*
 * What it costs to know who asks and whether they may, and whether a server of a thousand organizations is slower for each.
 *
 *   added         an authenticated route that does nothing else against a public one that does nothing else, in turn over
 *                 one kept connection to a server process; with an API token, and with a capability that was handed on
 *                 three times; limits counted as in an installation of many
 *   jose          the bare check of one EdDSA JWT with jose: what a stateless token costs that cannot be revoked
 *   lists         the lists of one organization with 20 members, alone on the server and then among 1,000 of them; p95
 *
 * `node auth.ts [--calls n] [--organizations n]`; the last line of stdout is one JSON object.
 */
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { CompactSign, compactVerify } from "jose";
import { pino } from "pino";
import { compose } from "../apps/server/src/compose.ts";
import { readConfig } from "../apps/server/src/config/read.ts";
import { startEmbeddedPostgres } from "../apps/server/src/postgres/embedded.ts";
import { attenuate } from "../packages/capability/src/chain.ts";
import { SCOPES } from "../packages/contract/src/identity.ts";
import { newId } from "../packages/kernel/src/id.ts";
import { startServer } from "./server.ts";

const { values: flags } = parseArgs({
  options: { calls: { type: "string", default: "3000" }, organizations: { type: "string", default: "1000" } },
});
const CALLS = Number(flags.calls);
const ORGANIZATIONS = Number(flags.organizations);
const MEMBERS = 20;
const round = (value: number): number => Math.round(value * 1000) / 1000;

/** Three decimals: `median` of server.ts has two, which is coarse for tenths of a millisecond. */
const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

async function added(): Promise<{ readonly token: number; readonly capability: number; readonly publicMs: number }> {
  const server = await startServer({ SIGNALBOX_API_PER_MINUTE: "10000000" });
  const { body } = await server.call("POST", "/v1/capabilities", { name: "bench", grant: { scopes: ["read"] } });
  let capability = body["token"];
  const iat = Math.floor(Date.now() / 1000);
  for (let depth = 0; depth < 3; depth++)
    capability = (await attenuate(capability, {
      id: newId("cap") as never,
      name: "bench",
      grant: { scopes: ["read"] },
      iat,
      exp: iat + 3600,
    }))!;
  const ask = async (route: string, bearer?: string): Promise<number> => {
    const began = performance.now();
    const { status } = await server.call("GET", route, undefined, bearer);
    if (status !== 200) throw new Error(`${route} answered ${status}`);
    return performance.now() - began;
  };
  const kinds = {
    public: () => ask("/v1/auth/methods", ""),
    token: () => ask("/v1/push/key"),
    // Of the routes that a capability reaches the one that asks for nothing; what it asks the database is taken off below.
    capability: () => ask("/v1/action-registry", capability),
    registry: () => ask("/v1/action-registry"),
  };
  const took: Record<keyof typeof kinds, number[]> = { public: [], token: [], capability: [], registry: [] };
  for (let i = -500; i < CALLS; i++)
    for (const [kind, call] of Object.entries(kinds) as [keyof typeof kinds, () => Promise<number>][]) {
      const ms = await call();
      if (i >= 0) took[kind].push(ms);
    }
  await server.stop();
  const publicMs = middle(took.public);
  const token = middle(took.token) - publicMs;
  return { publicMs, token, capability: token + middle(took.capability) - middle(took.registry) };
}

async function bareJose(): Promise<number> {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const jwt = await new CompactSign(new TextEncoder().encode(JSON.stringify({ sub: "usr_owner", org: "ws_dev", exp: 2e9 })))
    .setProtectedHeader({ alg: "EdDSA" })
    .sign(privateKey);
  const took: number[] = [];
  for (let i = 0; i < 2000; i++) {
    const began = performance.now();
    await compactVerify(jwt, publicKey, { algorithms: ["EdDSA"] });
    took.push(performance.now() - began);
  }
  return middle(took.slice(500));
}

const LISTS = ["/v1/members", "/v1/principals", "/v1/rooms", "/v1/tokens", "/v1/sessions", "/v1/capabilities", "/v1/teams"];

async function lists(): Promise<{ readonly alone: number; readonly among: number; readonly seededS: number }> {
  const place = mkdtempSync(path.join(tmpdir(), "signalbox-bench-auth-"));
  // Postgres runs as another user when this is root, who must be able to pass through.
  chmodSync(place, 0o711);
  const postgres = await startEmbeddedPostgres({
    dataDir: path.join(place, "postgres"),
    database: "bench",
    durable: false,
    maxConnections: 100,
  });
  const config = readConfig(["--port", "0", "--data-dir", path.join(place, "data")], {});
  if (config === "help") throw new Error("not a server");
  const server = await compose({ config, connection: postgres.connection, logger: pino({ level: "silent" }) });
  async function organization(): Promise<{ readonly id: string; readonly ownerId: string }> {
    const [id, ownerId] = [newId("ws"), newId("usr")];
    await server.identity.ensureOrganization({ organizationId: id, name: "Bench", owner: { id: ownerId, displayName: "Owner" } });
    for (let i = 1; i < MEMBERS; i++)
      await server.identity.registerPrincipal({
        organizationId: id,
        id: newId("usr"),
        type: "user",
        displayName: `Member ${i}`,
        role: "member",
      });
    return { id, ownerId };
  }
  const { id, ownerId } = await organization();
  const { secret } = await server.identity.issueToken({ organizationId: id, principalId: ownerId, name: "bench", scopes: SCOPES });
  const headers = { host: "localhost", authorization: `Bearer ${secret}`, "content-type": "application/json" };
  for (let i = 0; i < 20; i++) await server.http.app.inject({ method: "POST", url: "/v1/rooms", headers, payload: { title: `Room ${i}` } });
  async function measure(): Promise<number> {
    const took: number[] = [];
    for (let i = -30; i < 150; i++)
      for (const url of LISTS) {
        const began = performance.now();
        const { statusCode } = await server.http.app.inject({ method: "GET", url, headers });
        if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}`);
        if (i >= 0) took.push(performance.now() - began);
      }
    return took.toSorted((a, b) => a - b)[Math.floor(took.length * 0.95)]!;
  }
  const alone = [await measure(), await measure()];
  const began = performance.now();
  let left = ORGANIZATIONS - 1;
  await Promise.all(
    Array.from({ length: 32 }, async () => {
      while (left-- > 0) await organization();
    }),
  );
  const seededS = (performance.now() - began) / 1000;
  const admin = postgres.connection("admin");
  const { Client } = await import("pg");
  const client = new Client(admin);
  await client.connect();
  // What the database does by itself within a minute.
  await client.query("vacuum analyze");
  await client.end();
  const among = [await measure(), await measure()];
  await server.stop();
  await postgres.pause("immediate");
  await postgres.stop();
  rmSync(place, { recursive: true, force: true });
  return { alone: Math.min(...alone), among: Math.min(...among), seededS };
}

const cost = await added();
const jose = await bareJose();
const list = await lists();
const ratio = round(list.among / list.alone);
console.log(
  JSON.stringify({
    bench: "auth",
    measures: {
      public_route_p50_ms: round(cost.publicMs),
      added_by_token_p50_ms: round(cost.token),
      added_by_capability_p50_ms: round(cost.capability),
      bare_jose_verify_p50_ms: round(jose),
      lists_alone_p95_ms: round(list.alone),
      [`lists_among_${ORGANIZATIONS}_p95_ms`]: round(list.among),
      seeded_s: Math.round(list.seededS),
    },
    targets: [
      { target: "added to a request by an API token, p50, ms", reached: round(cost.token), wanted: "≤ 0.5", ok: cost.token <= 0.5 },
      {
        target: "added to a request by a capability of depth 3, p50, ms",
        reached: round(cost.capability),
        wanted: "≤ 0.5",
        ok: cost.capability <= 0.5,
      },
      { target: "lists among 1,000 organizations against alone, p95", reached: ratio, wanted: "≤ 1.3×", ok: ratio <= 1.3 },
    ],
  }),
);
