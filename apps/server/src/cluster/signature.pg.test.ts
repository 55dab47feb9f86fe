/* Signed requests between two processes, while the ring that signs them rotates and a key of it is retired. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { testClock } from "@signalbox/testkit/clock";
import { databaseTest } from "@signalbox/testkit/database";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createKeyRing, type KeyRing } from "../key-ring.ts";
import { createSecrets } from "../modules/secrets/public.ts";
import { RINGS, type RingName } from "../rings.ts";
import { createSignatures, type Signatures, SIGNATURE_WINDOW_MS, type ToSign } from "./signature.ts";

const database = databaseTest();
const clock = testClock(new Date().toISOString());
const SHARED = randomBytes(32);
const ASKED: ToSign = { method: "POST", path: "/internal/v1/sessions/ses_1/files?x=1", body: Buffer.from("{}"), caller: "somebody" };
let keysDirectory: string;
/** One process of the installation: what it knows of the rings is its own. */
let process1: { ring: KeyRing; signatures: Signatures };
let process2: { ring: KeyRing; signatures: Signatures };
let ringOf: (name: RingName) => KeyRing;

beforeAll(async () => {
  keysDirectory = mkdtempSync(path.join(tmpdir(), "signalbox-signature-"));
  const pool = database.pool("sb_log");
  const { sealer } = createSecrets({
    log: await database.log(),
    db: { inOrganization: () => Promise.reject(new Error("not asked")) },
    clock,
    logger: pino({ level: "silent" }),
    keysDirectory,
    organizations: () => Promise.resolve([]),
  });
  ringOf = (name) => createKeyRing({ pool, sealer, clock }, RINGS[name]);
  process1 = newProcess();
  process2 = newProcess();
});
afterAll(() => rmSync(keysDirectory, { recursive: true, force: true }));

function newProcess(shared = SHARED, ring = ringOf("service")) {
  const remember = async (nonce: string, forMs: number): Promise<boolean> => {
    const { rowCount } = await database
      .pool("sb_log")
      .query("insert into cluster_nonces (nonce, expires_at) values ($1, now() + $2 * interval '1 millisecond') on conflict do nothing", [
        nonce,
        forMs,
      ]);
    return rowCount === 1;
  };
  return { ring, signatures: createSignatures({ key: shared, ring, nowMs: clock.nowMs, remember }) };
}
const takes = async (by: { signatures: Signatures }, headers: Record<string, string>, of: Partial<ToSign> = {}) =>
  by.signatures.verify({ ...ASKED, ...of }, headers);

test("a request is taken once, by one process, exactly as it was signed and within a minute", async () => {
  const signed = await process1.signatures.sign(ASKED);
  for (const altered of [
    { method: "GET" },
    { path: "/internal/v1/sessions/ses_2/files?x=1" },
    { body: Buffer.from("{ }") },
    { caller: "somebody else" },
  ])
    expect(await takes(process2, signed, altered), JSON.stringify(altered)).toBe(false);
  for (const [name, value] of [
    ["x-signalbox-time", String(Number(signed["x-signalbox-time"]) + 1)],
    ["x-signalbox-nonce", randomBytes(18).toString("base64url")],
    ["x-signalbox-key", "000000000000"],
    ["x-signalbox-key", "../service"],
    ["x-signalbox-signature", ""],
  ] as const)
    expect(await takes(process2, { ...signed, [name]: value }), name).toBe(false);
  expect(await takes(process2, signed)).toBe(true);
  for (const each of [process1, process2]) expect(await takes(each, signed)).toBe(false);
  const late = await process1.signatures.sign(ASKED);
  clock.advance(SIGNATURE_WINDOW_MS + 1);
  expect(await takes(process2, late)).toBe(false);
  const early = await process1.signatures.sign(ASKED);
  clock.advance(-SIGNATURE_WINDOW_MS - 1);
  expect(await takes(process2, early)).toBe(false);
  clock.advance(SIGNATURE_WINDOW_MS + 1);
});

test("while the ring rotates no request is refused; what was signed before goes on to its end, what a retired key signed does not", async () => {
  const before = await process1.signatures.sign(ASKED);
  await process1.ring.rotate();
  const kids = new Set<string>();
  // The other process learns of the new key before the first signature by it.
  for (let i = 0; i < 8; i++) {
    const signed = await process1.signatures.sign(ASKED);
    kids.add(signed["x-signalbox-key"]!);
    expect(await takes(process2, signed), `request ${i}`).toBe(true);
    clock.advance(500);
  }
  expect(kids.size).toBe(2);
  expect(await takes(process2, before)).toBe(true);
  const last = await process1.signatures.sign(ASKED);
  await process2.ring.rotate({ drop: true });
  clock.advance(1001);
  for (const each of [process1, process2]) expect(await takes(each, last)).toBe(false);
  expect(await takes(process2, await process1.signatures.sign(ASKED))).toBe(true);
});

test("keys of a ring are dropped once nothing that they signed can be good any more", async () => {
  const [first] = await process1.ring.all();
  clock.advance(RINGS.service.rotateMs);
  await process1.signatures.sign(ASKED);
  clock.advance(RINGS.service.keepMs + 1);
  await process1.ring.rotate();
  clock.advance(RINGS.service.keepMs + 1);
  await process1.ring.rotate();
  expect((await process1.ring.all()).map(({ kid }) => kid)).not.toContain(first!.kid);
});

test("neither the shared key nor the ring alone signs anything, and another ring's key of the same name is another", async () => {
  const stranger = newProcess(randomBytes(32));
  expect(await takes(process2, await stranger.signatures.sign(ASKED))).toBe(false);
  const sync = ringOf("sync");
  await sync.rotate();
  expect(await takes(process2, await newProcess(SHARED, sync).signatures.sign(ASKED))).toBe(false);
});
