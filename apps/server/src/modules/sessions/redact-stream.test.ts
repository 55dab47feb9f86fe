import { createScanner, type KnownSecret } from "@signalbox/eventlog/dlp";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { RedactingText } from "./redact-stream.ts";

const SECRETS: KnownSecret[] = [
  { name: "DEPLOY_KEY", value: "correct horse battery" },
  { name: "PIN", value: "zq9-zq9-zq9" },
];
const scanner = createScanner({ secretsOf: () => SECRETS });

const PIECES = [
  "plain words ",
  "\n",
  " ",
  "s",
  "sk-",
  "sk-ant-api03-AAAAAAAAAAAAAAAAAAAAAAAA",
  "ghp_" + "a1".repeat(18),
  "x-",
  "correct horse battery",
  "correct horse",
  "zq9-zq9-zq9",
  "zq9-",
  "Bearer ",
  "bearer",
  "abcdefghijklmnopqrstuvwx",
  "https://user:hunter2hunter2@host/x",
  "https://example.com:8443/a ",
  "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJlc2lnbg",
  "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n",
  "-----END RSA PRIVATE KEY-----\n",
  "-----BEGIN CERTIFICATE-----",
  "é🙂",
  "AKIAABCDEFGHIJKLMNOP",
  "npm_",
  "sb_" + "Z".repeat(43),
  "...",
  ":",
  "@",
  "/",
];

test("however a text is cut, what comes out joined is what the scanner makes of the whole", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...PIECES), { maxLength: 14 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 40 }),
      (pieces, cuts) => {
        const text = pieces.join("");
        const stream = new RedactingText(scanner, "ws_dev", SECRETS);
        let out = "";
        for (let at = 0, i = 0; at < text.length; i++) {
          const next = at + cuts[i % cuts.length]!;
          out += stream.push(text.slice(at, next));
          at = next;
        }
        out += stream.end();
        expect(out).toBe(scanner.scanText("ws_dev", text).text);
      },
    ),
    { numRuns: 1500 },
  );
});

test("ordinary prose is not held back beyond its last word", () => {
  const stream = new RedactingText(scanner, "ws_dev", SECRETS);
  const text = "The test failed because the total was computed before the discount. ";
  expect(stream.push(text)).toBe(text);
});

test("a long text is forgotten behind the reader, and still comes out whole", () => {
  const stream = new RedactingText(scanner, "ws_dev", SECRETS);
  const line = "one ordinary line of output, ghp_" + "b2".repeat(18) + "\n";
  let out = "";
  for (let i = 0; i < 2000; i++) out += stream.push(line);
  expect(out + stream.end()).toBe(scanner.scanText("ws_dev", line.repeat(2000)).text);
});
