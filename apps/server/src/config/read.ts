/*
 * The one place that reads the environment. Precedence: flag, environment, default. An empty variable
 * counts as absent. A setting that was removed stays declared in `REMOVED`, and names what replaced it.
 */
import { unreachable } from "@signalbox/kernel/decider";
import { refuseUnsafe } from "./refusals.ts";
import { type Config, ConfigError, type Setting, settings } from "./settings.ts";

const REMOVED: readonly { readonly env?: string; readonly flag?: string; readonly use: string }[] = [];

export function readConfig(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Config | "help" {
  const flags = readFlags(argv);
  if (flags === "help") return "help";
  for (const { env, use } of REMOVED)
    if (env !== undefined && environment[env]) throw new ConfigError(`${env} is no longer a setting.`, `Use ${use} instead.`);
  const config: Record<string, unknown> = {};
  for (const [key, setting] of settings) {
    const flag = flags.get(key);
    const raw = flag ?? (setting.env === undefined ? undefined : environment[setting.env] || undefined);
    const name = flag === undefined ? (setting.env ?? `--${setting.flag}`) : `--${setting.flag}`;
    config[key] = raw === undefined ? defaultOf(setting) : parse(name, setting, raw);
  }
  const parsed = Object.freeze(config) as Config;
  refuseUnsafe(parsed);
  return parsed;
}

function readFlags(argv: readonly string[]): Map<keyof Config, string> | "help" {
  const found = new Map<keyof Config, string>();
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i]!;
    if (argument === "--help" || argument === "-h") return "help";
    const match = /^--(no-)?([a-z-]+)(?:=(.*))?$/s.exec(argument);
    const removed = REMOVED.find(({ flag }) => flag !== undefined && flag === match?.[2]);
    if (removed !== undefined) throw new ConfigError(`--${removed.flag} is no longer a flag.`, `Use ${removed.use} instead.`);
    const entry = settings.find(([, setting]) => setting.flag !== undefined && setting.flag === match?.[2]);
    if (match === null || entry === undefined)
      throw new ConfigError(`There is no flag ${argument.split("=")[0]}.`, "Run with --help to see them all.");
    const [key, setting] = entry;
    const [, no, , inline] = match;
    if (setting.type === "boolean") {
      found.set(key, no === undefined ? (inline ?? "true") : "false");
      continue;
    }
    if (no !== undefined)
      throw new ConfigError(`--no-${setting.flag} makes no sense: --${setting.flag} takes a value.`, "Leave it out instead.");
    const value = inline ?? argv[++i];
    if (value === undefined || value === "")
      throw new ConfigError(`--${setting.flag} needs a value.`, `Give it one: --${setting.flag} <${setting.type}>.`);
    found.set(key, value);
  }
  return found;
}

const defaultOf = (setting: Setting): unknown => (typeof setting.default === "function" ? setting.default() : setting.default);

function parse(name: string, setting: Setting, raw: string): unknown {
  // A secret's value must not end up in an error message.
  const shown = setting.secret === true ? "its value" : `"${raw}"`;
  const wrong = (expected: string): ConfigError => new ConfigError(`${name}: ${shown} is not ${expected}.`, `${name}: ${setting.desc}`);
  switch (setting.type) {
    case "integer": {
      const value = Number(raw);
      const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = setting;
      if (!/^-?\d+$/.test(raw) || value < min || value > max) throw wrong(`a whole number from ${min} to ${max}`);
      return value;
    }
    case "boolean":
      if (/^(true|1|yes|on)$/i.test(raw)) return true;
      if (/^(false|0|no|off)$/i.test(raw)) return false;
      throw wrong("true or false");
    case "url": {
      if (!URL.canParse(raw) || !/^https?:$/.test(new URL(raw).protocol)) throw wrong("an http or https address");
      return raw.replace(/\/+$/, "");
    }
    case "string":
      if (setting.oneOf !== undefined && !setting.oneOf.includes(raw)) throw wrong(`one of ${setting.oneOf.join(", ")}`);
      return raw;
    default:
      return unreachable(setting.type);
  }
}
