/*
 * Data-loss prevention: finds secrets in text and puts a marker in their place, before anything is
 * hashed, stored or shown. Markers name the rule (`[redacted:github_token]`), never the secret.
 *
 * Two kinds of rule: patterns of well-known credentials, and the exact secrets an organization has
 * stored, given by a registry (also as they look in a URL and in base64). Everything is scanned,
 * whatever its length or depth: a limit would be a place to hide behind.
 */
import type { Json } from "@signalbox/kernel/canonical";
import { wellFormed } from "@signalbox/kernel/canonical";

export const SCANNER_VERSION = 1;

export interface KnownSecret {
  /** Shown in the marker: `[redacted:secret:DEPLOY_KEY]`. */
  readonly name: string;
  readonly value: string;
}

/** Answers from memory: it is asked for every event. */
export interface SecretRegistry {
  secretsOf(organizationId: string): readonly KnownSecret[];
}

export interface Scan {
  readonly text: string;
  /** The rule of each match, in the order found; empty when nothing was. */
  readonly rules: readonly string[];
}

export interface Scanner {
  scanText(organizationId: string, text: string): Scan;
  /**
   * A deep copy as the log may keep it: no secrets in values or member names, no U+0000, no lone
   * surrogates, no `undefined`. Throws on what JSON cannot say.
   */
  clean(organizationId: string, data: object): { readonly data: Record<string, Json>; readonly rules: readonly string[] };
}

interface Pattern {
  readonly rule: string;
  readonly match: RegExp;
}

/** Order matters where prefixes overlap: the more specific rule names the marker. */
const PATTERNS: readonly Pattern[] = [
  {
    rule: "private_key",
    match: /-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|$)/g,
  },
  { rule: "anthropic_key", match: /(?<![A-Za-z0-9])sk-ant-[A-Za-z0-9_-]{16,}/g },
  { rule: "openai_key", match: /(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{20,}/g },
  { rule: "github_token", match: /(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})/g },
  { rule: "gitlab_token", match: /(?<![A-Za-z0-9])glpat-[A-Za-z0-9_-]{20,}/g },
  { rule: "aws_access_key", match: /(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])/g },
  { rule: "slack_token", match: /(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{10,}/g },
  { rule: "google_key", match: /(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}/g },
  { rule: "stripe_key", match: /(?<![A-Za-z0-9])[rs]k_(?:live|test)_[A-Za-z0-9]{16,}/g },
  { rule: "npm_token", match: /(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}/g },
  { rule: "signalbox_token", match: /(?<![A-Za-z0-9])(?:sb[a-z]{1,3}_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])|sbx-vk_[A-Za-z0-9_-]{43,})/g },
  { rule: "json_web_token", match: /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}/g },
  { rule: "url_password", match: /(?<=[a-z][a-z0-9+.-]*:\/\/[^\s/:@]{0,256}:)[^\s/:@]{3,256}(?=@[^\s/@])/gi },
  { rule: "bearer_token", match: /(?<=(?<![A-Za-z0-9])bearer\s{1,8})[A-Za-z0-9._~+/=-]{16,}/gi },
];

/** One cheap look that most text fails; every pattern above must contain one of these. */
const HINT =
  /PRIVATE KEY|sk-|gh[pousr]_|github_pat_|glpat-|AKIA|ASIA|xox[abeoprs]-|AIza|[rs]k_(?:live|test)_|npm_|sb[a-z]{1,3}_|sbx-vk_|eyJ|:\/\/|bearer/i;

/** Shorter ones would redact ordinary words; they are refused where secrets are created. */
const MIN_KNOWN_LENGTH = 6;

interface Needle {
  readonly rule: string;
  readonly value: string;
}

export function createScanner(registry?: SecretRegistry): Scanner {
  const needlesOf = needleCache(registry);

  function scanText(organizationId: string, text: string): Scan {
    let out = text;
    let rules: string[] | undefined;
    for (const { rule, value } of needlesOf(organizationId)) {
      if (!out.includes(value)) continue;
      const parts = out.split(value);
      (rules ??= []).push(...Array.from({ length: parts.length - 1 }, () => rule));
      out = parts.join(`[redacted:${rule}]`);
    }
    if (HINT.test(out)) {
      for (const { rule, match } of PATTERNS) {
        out = out.replace(match, (found) => {
          // What an earlier rule left is not a secret (`Bearer [redacted:…]` does not match; a URL password may).
          if (found.startsWith("[redacted:")) return found;
          (rules ??= []).push(rule);
          return `[redacted:${rule}]`;
        });
      }
    }
    return { text: out, rules: rules ?? [] };
  }

  function clean(organizationId: string, data: object): { data: Record<string, Json>; rules: string[] } {
    const rules: string[] = [];
    const text = (raw: string): string => {
      const scan = scanText(organizationId, wellFormed(raw));
      if (scan.rules.length > 0) rules.push(...scan.rules);
      return scan.text;
    };
    const copy = (value: unknown): Json | undefined => {
      switch (typeof value) {
        case "string":
          return text(value);
        case "number":
          if (!Number.isFinite(value)) throw new TypeError(`event data holds ${value}, which JSON cannot say`);
          return value;
        case "boolean":
          return value;
        case "undefined":
          return undefined;
        case "object": {
          if (value === null) return null;
          if (Array.isArray(value)) return value.map((item) => copy(item) ?? null);
          const json = (value as { toJSON?: () => unknown }).toJSON;
          if (typeof json === "function") return copy(json.call(value));
          const out: Record<string, Json> = {};
          for (const key of Object.keys(value)) {
            const member = copy((value as Record<string, unknown>)[key]);
            // defineProperty, because plain assignment to `__proto__` would lose the member.
            if (member !== undefined)
              Object.defineProperty(out, text(key), { value: member, enumerable: true, writable: true, configurable: true });
          }
          return out;
        }
        default:
          throw new TypeError(`event data holds a ${typeof value}, which JSON cannot say`);
      }
    };
    return { data: copy(data) as Record<string, Json>, rules };
  }

  return { scanText, clean };
}

/** Longest first, so that a secret that contains another one disappears whole. Rebuilt when the registry's list is a new one. */
function needleCache(registry: SecretRegistry | undefined): (organizationId: string) => readonly Needle[] {
  if (registry === undefined) return () => [];
  const built = new WeakMap<readonly KnownSecret[], readonly Needle[]>();
  return (organizationId) => {
    const secrets = registry.secretsOf(organizationId);
    let needles = built.get(secrets);
    if (needles === undefined) {
      needles = secrets
        .filter(({ value }) => value.length >= MIN_KNOWN_LENGTH)
        .flatMap(({ name, value }) =>
          [
            ...new Set([
              value,
              encodeURIComponent(value.toWellFormed()),
              Buffer.from(value).toString("base64"),
              Buffer.from(value).toString("base64url"),
            ]),
          ].map((form) => ({ rule: `secret:${name}`, value: form })),
        )
        .toSorted((a, b) => b.value.length - a.value.length);
      built.set(secrets, needles);
    }
    return needles;
  };
}
