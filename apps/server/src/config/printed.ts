/* What is printed of the settings: the help, the reference, and what must never be. */
import { type Config, type Setting, settings } from "./settings.ts";

/** Everything that must not appear in a log line. */
export function secretValues(config: Config): readonly string[] {
  const values = config as Readonly<Record<string, unknown>>;
  return settings.flatMap(([key, setting]) => (setting.secret === true && typeof values[key] === "string" ? [values[key]] : []));
}

export function helpText(): string {
  const lines = settings.map(([, setting]) => {
    const flag =
      setting.flag === undefined
        ? ""
        : setting.type === "boolean"
          ? setting.default === true
            ? `--no-${setting.flag}`
            : `--${setting.flag}`
          : `--${setting.flag} <${setting.type}>`;
    const initial = shownDefault(setting);
    return [flag, setting.env ?? "", `${setting.desc}${initial === "" ? "" : ` Default: ${initial}.`}`] as const;
  });
  const flags = lines
    .filter(([flag]) => flag !== "")
    .map(([flag, env, desc]) => `  ${flag.padEnd(24)} ${desc}${env === "" ? "" : ` [${env}]`}`);
  const rest = lines.filter(([flag]) => flag === "").map(([, env, desc]) => `  ${env.padEnd(36)} ${desc}`);
  return `Signalbox: a self-hosted control room for AI agents.\n\nUsage: npm start -- [flags]\n\nFlags\n${flags.join("\n")}\n  ${"--help".padEnd(24)} Show this.\n\nEnvironment\n${rest.join("\n")}\n`;
}

/** For docs/reference: one table from the one object. */
export function settingsTable(): string {
  const rows = settings.map(([, setting]) => {
    const flag = setting.flag === undefined ? "" : `\`--${setting.flag}\``;
    return `| ${setting.env === undefined ? "" : `\`${setting.env}\``} | ${flag} | ${setting.type} | ${shownDefault(setting) === "" ? "" : `\`${shownDefault(setting)}\``} | ${setting.desc}${setting.secret === true ? " *Secret.*" : ""} |`;
  });
  return `| environment | flag | type | default | meaning |\n| --- | --- | --- | --- | --- |\n${rows.join("\n")}\n`;
}

function shownDefault(setting: Setting): string {
  if (setting.default === undefined || setting.default === "") return "";
  return typeof setting.default === "function" ? "/var/lib/signalbox for root, else ~/.local/share/signalbox" : String(setting.default);
}
