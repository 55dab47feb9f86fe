import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const CSS = readFileSync(new URL("../../../packages/ui/src/styles/tokens.css", import.meta.url), "utf8");

const TOKENS = new Map(
  [...CSS.matchAll(/--([a-z0-9-]+): (?:light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)|(#[0-9a-f]{6}));/g)].map(
    ([, name, light, dark, both]) => [name!, { light: light ?? both!, dark: dark ?? both! }],
  ),
);

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((c) => (c <= 0.040_45 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}
function contrast(one: string, two: string): number {
  const [a, b] = [luminance(one), luminance(two)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

const GROUNDS = ["ground", "panel", "raised", "sunken", "chosen"];
const TEXT: readonly (readonly [string, readonly string[]])[] = [
  ...["ink", "ink-2", "ink-3", "moving-ink"].map((text) => [text, GROUNDS] as const),
  ["signal-ink", ["ground", "panel", "raised", "signal-wash"]],
  ["clear-ink", ["ground", "panel", "raised", "clear-wash"]],
  ["danger-ink", ["ground", "panel", "raised", "danger-wash"]],
  ["ink", ["signal-wash", "clear-wash", "danger-wash"]],
  ["ink-2", ["signal-wash", "danger-wash"]],
  ...["syn-keyword", "syn-string", "syn-number", "syn-name", "ansi-black", "ansi-yellow", "danger-ink", "clear-ink"].map(
    (text) => [text, ["sunken", "panel"]] as const,
  ),
  ["on-ink", ["ink"]],
  ["on-signal", ["signal"]],
  ["on-danger", ["danger"]],
];

test.each(
  TEXT.flatMap(([text, grounds]) =>
    grounds.flatMap((ground) => (["light", "dark"] as const).map((scheme) => [text, ground, scheme] as const)),
  ),
)("%s on %s is readable (%s)", (text, ground, scheme) => {
  const [fore, back] = [TOKENS.get(text), TOKENS.get(ground)];
  expect(fore, text).toBeDefined();
  expect(back, ground).toBeDefined();
  expect(contrast(fore![scheme], back![scheme])).toBeGreaterThanOrEqual(4.5);
});

test.each(["signal", "clear", "danger", "moving"])("the lamp %s is told from every ground without its colour", (lamp) => {
  for (const scheme of ["light", "dark"] as const) {
    // A lamp is never the only sign: 3:1 is asked of the ring that outlines it where the light is warm.
    const least = lamp === "signal" && scheme === "light" ? 1.7 : 3;
    for (const ground of ["ground", "panel", "raised"])
      expect(contrast(TOKENS.get(lamp)![scheme], TOKENS.get(ground)![scheme])).toBeGreaterThanOrEqual(least);
  }
});
