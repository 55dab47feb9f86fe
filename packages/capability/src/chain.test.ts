/* Chains: what a holder may make of one, and everything that somebody may try instead. */
import { createHmac, generateKeyPairSync, sign as signBytes } from "node:crypto";
import type { CapabilityGrant } from "@signalbox/contract/capabilities";
import type { CapabilityId, OrganizationId, PrincipalId } from "@signalbox/contract/primitives";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { attenuate, CAPABILITY_PREFIX, issue, type Part, privateKeyOf, publicKeyOf, publicPart, seal, verify } from "./chain.ts";
import { allowsAction, allowsData, allowsHost, allowsRoom, allowsTool, covers } from "./grant.ts";

const NOW = Date.parse("2030-01-01T00:00:00Z");
const IAT = NOW / 1000;
const KEY = privateKeyOf(Buffer.alloc(32, 7));
const keyOf = async (kid: string) => (kid === "k1" ? publicKeyOf(publicPart(KEY)) : null);
const check = (token: string, nowMs = NOW) => verify(token, { keyOf, nowMs });
const problem = async (token: string, nowMs = NOW): Promise<string> => {
  const verified = await check(token, nowMs);
  return verified.ok ? "ok" : verified.problem;
};
let ids = 0;
const part = (grant: CapabilityGrant = { scopes: ["read"] }, more: Partial<Part> = {}): Part => ({
  id: `cap_${String(ids++).padStart(26, "0")}` as CapabilityId,
  name: "test",
  grant,
  iat: IAT,
  exp: IAT + 3600,
  ...more,
});
const root = (grant?: CapabilityGrant, more?: Partial<Part>) =>
  issue(
    { kid: "k1", key: KEY },
    { ...part(grant, more), organizationId: "ws_dev" as OrganizationId, principalId: "usr_owner" as PrincipalId, kind: "engine" },
  );
const child = async (of: string, grant?: CapabilityGrant, more?: Partial<Part>): Promise<string> =>
  (await attenuate(of, part(grant, more)))!;
const blocksOf = (token: string) => token.slice(CAPABILITY_PREFIX.length).split("~");
const join = (parts: readonly string[]) => CAPABILITY_PREFIX + parts.join("~");
const json = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

const name = fc.constantFrom("a", "b", "a.x", "a.y", "a.x.z", "b.x");
const pattern = fc.oneof(name, fc.constantFrom("*", "a.*", "b.*", "a.x.*"));
const host = fc.constantFrom("a.example", "x.a.example", "y.x.a.example", "ba.example", "b.example");
const domain = fc.oneof(host, fc.constantFrom("*", "*.a.example", "*.x.a.example", "*.example"));
const room = fc.constantFrom(...["1", "2", "3"].map((n) => `room_${n.padStart(26, "0")}`));
const dataClass = fc.constantFrom("public", "internal", "restricted");
const lists = <T>(of: fc.Arbitrary<T>) => fc.option(fc.array(of, { maxLength: 3 }), { nil: undefined });
const grants: fc.Arbitrary<CapabilityGrant> = fc
  .record({
    scopes: fc.subarray(["read", "write", "approve", "admin", "engine"] as const),
    rooms: lists(room),
    tools: lists(pattern),
    actions: lists(pattern),
    egress: lists(domain),
    data: fc.option(
      fc.record({ read: fc.array(fc.oneof(dataClass, fc.constant("*")), { maxLength: 2 }), write: fc.array(dataClass, { maxLength: 2 }) }),
      { nil: undefined },
    ),
  })
  .map((grant) => Object.fromEntries(Object.entries(grant).filter(([, value]) => value !== undefined)) as unknown as CapabilityGrant);
/** Every single thing that may be asked, of the small world above. */
const QUESTIONS: readonly ((grant: CapabilityGrant) => boolean)[] = [
  ...(["read", "write", "approve", "admin", "engine"] as const).map((scope) => (grant: CapabilityGrant) => grant.scopes.includes(scope)),
  ...["1", "2", "3", "4"].map((n) => (grant: CapabilityGrant) => allowsRoom(grant, `room_${n.padStart(26, "0")}`)),
  ...["a", "b", "c", "a.x", "a.y", "a.x.z", "b.x", "ax"].flatMap((what) => [
    (grant: CapabilityGrant) => allowsTool(grant, what),
    (grant: CapabilityGrant) => allowsAction(grant, what),
  ]),
  ...["a.example", "x.a.example", "y.x.a.example", "ba.example", "b.example", "example", "else.test"].map(
    (what) => (grant: CapabilityGrant) => allowsHost(grant, what),
  ),
  ...["public", "internal", "restricted", "pii"].flatMap((what) =>
    (["read", "write"] as const).map((way) => (grant: CapabilityGrant) => allowsData(grant, way, what)),
  ),
];

describe("a grant that another covers", () => {
  test("allows nothing that the other does not", () => {
    let covered = 0;
    fc.assert(
      fc.property(
        grants,
        grants,
        fc.array(fc.constantFrom("same", "other", "none"), { minLength: 6, maxLength: 6 }),
        (parent, other, choice) => {
          // Part by part the parent's own, somebody else's or nothing, so that many of them are narrower.
          const child = { ...parent } as Record<string, unknown>;
          for (const [i, key] of (["scopes", "rooms", "tools", "actions", "egress", "data"] as const).entries()) {
            if (choice[i] === "other") child[key] = other[key];
            if (choice[i] === "none") child[key] = key === "data" ? { read: [], write: [] } : [];
          }
          const narrower = child as unknown as CapabilityGrant;
          if (!covers(parent, narrower)) return;
          covered++;
          for (const asks of QUESTIONS) if (asks(narrower)) expect(asks(parent)).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
    expect(covered).toBeGreaterThan(200);
  });
  test("covers itself, and is covered by all that its cover is covered by", () => {
    fc.assert(
      fc.property(grants, grants, grants, (a, b, c) => {
        expect(covers(a, a)).toBe(true);
        if (covers(a, b) && covers(b, c)) expect(covers(a, c)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
  test.each([
    [{ scopes: ["read"] }, { scopes: ["read", "write"] }],
    [{ scopes: [], rooms: [] }, { scopes: [] }],
    [
      { scopes: [], tools: ["a"] },
      { scopes: [], tools: ["a.*"] },
    ],
    [
      { scopes: [], tools: ["a.*"] },
      { scopes: [], tools: ["*"] },
    ],
    [
      { scopes: [], egress: ["*.a.example"] },
      { scopes: [], egress: ["*.ba.example"] },
    ],
    [
      { scopes: [], egress: ["a.example"] },
      { scopes: [], egress: ["*.a.example"] },
    ],
    [
      { scopes: [], data: { read: ["public"], write: [] } },
      { scopes: [], data: { read: ["*"], write: [] } },
    ],
  ] as [CapabilityGrant, CapabilityGrant][])("%j does not cover %j", (parent, wider) => expect(covers(parent, wider)).toBe(false));
});

describe("a chain", () => {
  test("holds through three hands, offline, and not through a fourth", async () => {
    let token = await root();
    for (let depth = 1; depth <= 3; depth++) {
      token = await child(token);
      const verified = await check(token);
      expect(verified).toMatchObject({ ok: true, chain: { organizationId: "ws_dev", principalId: "usr_owner", kind: "engine" } });
      expect(verified.ok && verified.chain.links).toHaveLength(depth + 1);
    }
    expect(await problem(await child(token))).toBe("too_deep");
    expect(token.length).toBeLessThan(6000);
  });

  test("whatever is made of it, in however many steps, never allows more and never lives longer", async () => {
    await fc.assert(
      fc.asyncProperty(
        grants,
        fc.array(fc.tuple(grants, fc.integer({ min: -100, max: 100 })), { minLength: 1, maxLength: 3 }),
        async (first, steps) => {
          let token = await root(first, { exp: IAT + 1000 });
          let exp = IAT + 1000;
          for (const [grant, by] of steps) token = await child(token, grant, { exp: (exp += by) });
          const verified = await check(token);
          if (!verified.ok) {
            expect(["wider", "outlives"]).toContain(verified.problem);
            return;
          }
          const leaf = verified.chain.links.at(-1)!;
          for (const { grant, expiresAtMs } of verified.chain.links) {
            expect(leaf.expiresAtMs).toBeLessThanOrEqual(expiresAtMs);
            for (const asks of QUESTIONS) if (asks(leaf.grant)) expect(asks(grant)).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("names what its holder tried, with the part that holds", async () => {
    const wider = await child(await root({ scopes: ["read"] }), { scopes: ["read", "write"] });
    expect(await check(wider)).toMatchObject({
      ok: false,
      problem: "wider",
      genuine: { links: [{}] },
      tried: { grant: { scopes: ["read", "write"] } },
    });
    expect(await problem(await child(await root(), undefined, { exp: IAT + 3601 }))).toBe("outlives");
    // Nothing that is right can be made of what is wrong.
    expect(await problem(await child(wider, { scopes: ["read"] }))).toBe("wider");
  });

  test("cannot be cut short, mixed or put in another order by who holds it", async () => {
    const one = await root();
    const two = await child(one);
    const three = await child(two);
    const other = await child(await root());
    const [a, b, c, key] = blocksOf(three) as [string, string, string, string];
    const [otherA, otherB, otherKey] = blocksOf(other) as [string, string, string];
    for (const parts of [
      [a, key],
      [a, b, key],
      [a, c, key],
      [a, c, b, key],
      [b, key],
      [b, c, key],
      [c, key],
      [a, b, b, c, key],
      [a, b, c, otherKey],
      [otherA, b, c, key],
      [a, otherB, otherKey],
      [otherA, otherB, c, key],
    ])
      expect(["malformed", "bad_signature"], parts.map((p) => p.length).join()).toContain(await problem(join(parts)));
    for (const broken of [
      "",
      CAPABILITY_PREFIX,
      join([a]),
      join([a, ""]),
      join([a, b, c]),
      `${three}~`,
      three.slice(6),
      join(["", key]),
      `${three} `,
    ])
      expect(await problem(broken)).not.toBe("ok");
  });

  test("is changed by nobody: one bit anywhere, and it is none", async () => {
    const token = await child(await root());
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: CAPABILITY_PREFIX.length, max: token.length - 1 }),
        fc.constantFrom("A", "B", "z", "~", ".", "="),
        async (at, to) => {
          fc.pre(token[at] !== to);
          const changed = token.slice(0, at) + to + token.slice(at + 1);
          const verified = await check(changed);
          // The last character of base64url may stand for bits that are not there: another spelling of the same key.
          if (verified.ok)
            expect(Buffer.from(blocksOf(changed).at(-1)!, "base64url")).toEqual(Buffer.from(blocksOf(token).at(-1)!, "base64url"));
        },
      ),
      { numRuns: 300 },
    );
  });

  test("sealed, it is used and not handed on; nobody seals what they do not hold", async () => {
    const token = await child(await root());
    const closed = seal(token)!;
    expect(await check(closed)).toMatchObject({ ok: true, chain: { isSealed: true } });
    expect(await attenuate(closed, part())).toBeNull();
    expect(seal(closed)).toBeNull();
    const [a, b] = blocksOf(token) as [string, string];
    const forged = signBytes(null, Buffer.from(`signalbox-capability-seal ${a}`), generateKeyPairSync("ed25519").privateKey).toString(
      "base64url",
    );
    expect(await problem(join([a, `s.${forged}`]))).toBe("bad_signature");
    expect(await problem(join([a, b, `s.${forged}`]))).toBe("bad_signature");
    // The seal of the longer one does not close the shorter.
    expect(await problem(join([a, blocksOf(closed).at(-1)!]))).toBe("bad_signature");
  });
});

describe("a header", () => {
  const signed = async (header: object, signature: (input: Buffer) => Buffer): Promise<string> => {
    const token = await root();
    const [block, key] = blocksOf(token) as [string, string];
    const input = `${json(header)}.${block.split(".")[1]}`;
    return join([`${input}.${signature(Buffer.from(input)).toString("base64url")}`, key]);
  };
  const good = { alg: "EdDSA", typ: "sbcap+jwt", kid: "k1" };
  const byUs = (input: Buffer) => signBytes(null, input, KEY);
  const hmac = (input: Buffer) =>
    createHmac("sha256", publicKeyOf(publicPart(KEY)).export({ format: "der", type: "spki" }))
      .update(input)
      .digest();
  const mine = generateKeyPairSync("ed25519");
  const jwk = mine.publicKey.export({ format: "jwk" });

  test("is ours or nothing", async () => {
    expect(await problem(await signed(good, byUs))).toBe("ok");
  });
  test.each([
    ["no algorithm", { ...good, alg: "none" }, () => Buffer.alloc(0)],
    ["HS256 under the public key", { ...good, alg: "HS256" }, hmac],
    ["ES256", { ...good, alg: "ES256" }, byUs],
    ["Ed25519 by its other name", { ...good, alg: "Ed25519" }, byUs],
    ["a key that it brings", { ...good, jwk }, (input: Buffer) => signBytes(null, input, mine.privateKey)],
    ["a place where keys are", { ...good, jku: "http://127.0.0.1/keys" }, byUs],
    ["a certificate's place", { ...good, x5u: "http://127.0.0.1/cert" }, byUs],
    ["certificates", { ...good, x5c: ["AAAA"] }, byUs],
    ["something critical", { ...good, crit: ["exp"] }, byUs],
    ["bytes that are not encoded", { ...good, b64: false, crit: ["b64"] }, byUs],
    ["a path as its key's name", { ...good, kid: "../../etc/passwd" }, byUs],
    ["no name of a key", { alg: "EdDSA", typ: "sbcap+jwt" }, byUs],
    ["another type", { ...good, typ: "JWT" }, byUs],
    ["an unknown key", { ...good, kid: "k2" }, byUs],
    ["a prototype", JSON.parse('{"alg":"EdDSA","typ":"sbcap+jwt","kid":"k1","__proto__":{"x":1}}') as object, byUs],
  ])("with %s is refused", async (_name, header, signature) => {
    expect(await problem(await signed(header, signature as (input: Buffer) => Buffer))).not.toBe("ok");
  });
});

describe("time", () => {
  test("an end is an end, a second before it is not; a clock may be a minute ahead of ours", async () => {
    const token = await root(undefined, { exp: IAT + 100 });
    expect(await problem(token, NOW + 99_999)).toBe("ok");
    expect(await problem(token, NOW + 100_000)).toBe("expired");
    expect(await problem(await root(undefined, { iat: IAT + 60 }))).toBe("ok");
    expect(await problem(await root(undefined, { iat: IAT + 61 }))).toBe("not_yet");
    // One that ends ends all that were made of it.
    expect(await problem(await child(token, undefined, { exp: IAT + 100 }), NOW + 100_000)).toBe("expired");
  });
});
