import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createScanner, type KnownSecret } from "./dlp.ts";

const scanner = createScanner();
const rulesOf = (text: string) => scanner.scanText("ws_dev", text).rules;

/** Made of pieces, so that no scanner of source code takes this file for a leak. */
const join = (...parts: string[]) => parts.join("");
const SECRETS: readonly [rule: string, secret: string][] = [
  ["openai_key", join("sk-", "proj-", "a1B2".repeat(10))],
  ["openai_key", join("sk-", "Zz09".repeat(5))],
  ["anthropic_key", join("sk-", "ant-api03-", "x_Y-9".repeat(8))],
  ["github_token", join("ghp", "_", "A1b2".repeat(9))],
  ["github_token", join("gho", "_", "A1b2".repeat(9))],
  ["github_token", join("github", "_pat_", "11ABCDE_".repeat(6))],
  ["gitlab_token", join("glpat", "-", "abcdEFGH1234".repeat(2))],
  ["aws_access_key", join("AKIA", "IOSFODNN7", "EXAMPLE")],
  ["aws_access_key", join("ASIA", "IOSFODNN7", "EXAMPLE")],
  ["slack_token", join("xoxb", "-1234567890-", "abcdefghij")],
  ["google_key", join("AIza", "Sy".repeat(17), "x")],
  ["stripe_key", join("sk_", "live_", "4eC39HqLyjWDarjtT1zdp7dc")],
  ["npm_token", join("npm", "_", "a1B2".repeat(9))],
  ["signalbox_token", join("sbt", "_", "abcDEF-_0123".repeat(4).slice(0, 43))],
  ["signalbox_token", join("sbx", "-vk_ws_dev_", "abcDEF-_0123".repeat(4).slice(0, 43))],
  ["json_web_token", join("eyJ", "hbGciOiJIUzI1NiJ9", ".eyJ", "zdWIiOiIxMjM0NTY3ODkwIn0", ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P")],
  ["private_key", join("-----BEGIN ", "RSA PRIVATE KEY-----\n", "MIIEow\nIBAAKC\n", "-----END ", "RSA PRIVATE KEY-----")],
  ["private_key", join("-----BEGIN ", "OPENSSH PRIVATE KEY-----\n", "b3BlbnNzaC1rZXk with its end cut off")],
];

test.each(SECRETS)("%s: the secret goes, the words around it stay, and the marker names the rule", (rule, secret) => {
  const open = rule === "private_key" && !secret.endsWith("-----");
  const scan = scanner.scanText("ws_dev", open ? `before ${secret}` : `before ${secret} after`);
  expect(scan.text).toBe(open ? `before [redacted:${rule}]` : `before [redacted:${rule}] after`);
  expect(scan.rules).toEqual([rule]);
});

test("bearer tokens and passwords in URLs go without their surroundings", () => {
  expect(scanner.scanText("ws_dev", "Authorization: Bearer abcdefghijklmnop1234").text).toBe(
    "Authorization: Bearer [redacted:bearer_token]",
  );
  expect(scanner.scanText("ws_dev", "git clone https://bot:hunter2hunter@example.com/x.git").text).toBe(
    "git clone https://bot:[redacted:url_password]@example.com/x.git",
  );
});

test.each([
  "task-force-one-is-a-long-kebab-name",
  "risk-assessment-of-the-whole-thing",
  "a bearer of good news",
  "http://localhost:8080/path@x",
  "AKIA is a prefix",
  "see https://example.com:443/a",
  "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "run_01J8ZQ4N6V7W8X9YZABCDEFGHJ",
  "ghp_short",
  "npm_config_registry",
  "sbx_01J8ZQ4N6V7W8X9YZABCDEFGHJ",
  "/var/lib/signalbox/sandboxes/sbx_01J8ZQ4N6V7W8X9YZABCDEFGHJ_upper-layer-of-a-session/work",
])("ordinary text is left alone: %s", (text) => expect(rulesOf(text)).toEqual([]));

test("every secret of the corpus is found at any place of a text of a megabyte", () => {
  const filler = "lorem ipsum dolor sit amet, ".repeat(40_000);
  for (const [rule, secret] of SECRETS) {
    for (const at of [0, 255_990, 256_000, filler.length]) {
      const scan = scanner.scanText("ws_dev", `${filler.slice(0, at)}\n${secret}\n`);
      expect(scan.rules).toContain(rule);
      expect(scan.text).not.toContain(secret);
    }
  }
});

test("a megabyte of hostile text is scanned in a moment", () => {
  const started = performance.now();
  for (const hostile of ["-----BEGIN PRIVATE KEY-----", "://:", "bearer ", "eyJ.", "sk-", "a:b@", ":///"])
    rulesOf(hostile.repeat(1_000_000 / hostile.length));
  expect(performance.now() - started).toBeLessThan(4000);
});

const registry = (...secrets: KnownSecret[]) => createScanner({ secretsOf: (organization) => (organization === "ws_dev" ? secrets : []) });

test("known secrets go wherever they stand: plain, in a URL, in base64; and only for their own organization", () => {
  const value = 'p@ss "word"/é\n2';
  const known = registry({ name: "DB", value });
  for (const form of [value, encodeURIComponent(value), Buffer.from(value).toString("base64")]) {
    expect(known.scanText("ws_dev", `x ${form} y`).text).toBe("x [redacted:secret:DB] y");
    expect(known.scanText("ws_other", `x ${form} y`).rules).toEqual([]);
  }
});

test("of two known secrets, one inside the other, nothing remains", () => {
  const known = registry({ name: "SHORT", value: "abcdef" }, { name: "LONG", value: "abcdefghi" });
  expect(known.scanText("ws_dev", "abcdefghi abcdef").text).toBe("[redacted:secret:LONG] [redacted:secret:SHORT]");
});

test("data is scanned in every value and member name, at any depth", () => {
  const [, secret] = SECRETS[1]!;
  let deep: Record<string, unknown> = { leaf: secret };
  for (let i = 0; i < 500; i++) deep = { deep, list: [i, [secret]] };
  const { data, rules } = scanner.clean("ws_dev", { deep, [secret]: 1, __proto__x: secret });
  expect(JSON.stringify(data)).not.toContain(secret);
  expect(rules.length).toBe(503);
});

test("property: a planted secret never survives, whatever surrounds it", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 200 }),
      fc.string({ maxLength: 200 }),
      fc.constantFrom(...SECRETS),
      (before, after, [rule, secret]) => {
        // A word character next to a token makes it another word; real leaks stand apart.
        const { data } = scanner.clean("ws_dev", { text: `${before} ${secret} ${after}` });
        if (rule !== "private_key") expect(JSON.stringify(data)).not.toContain(secret);
        else expect(JSON.stringify(data)).not.toContain("MIIEow");
      },
    ),
    { numRuns: 300 },
  );
});

test("what Postgres or UTF-8 cannot carry is replaced; what JSON cannot say is refused", () => {
  const { data } = scanner.clean("ws_dev", {
    nul: "a\u0000b",
    lone: "\uD800x",
    emoji: "\u{1F600}",
    skipped: undefined,
    list: [undefined],
    at: new Date(0),
    "k\u0000": 1,
  });
  expect(data).toEqual({
    nul: "a\uFFFDb",
    lone: "\uFFFDx",
    emoji: "\u{1F600}",
    list: [null],
    at: "1970-01-01T00:00:00.000Z",
    "k\uFFFD": 1,
  });
  expect(() => scanner.clean("ws_dev", { n: Number.NaN })).toThrow("JSON cannot say");
  expect(() => scanner.clean("ws_dev", { n: 1n })).toThrow("JSON cannot say");
});
