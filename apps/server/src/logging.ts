/* Structured logs on stderr: stdout belongs to results (the ready line). */
import { type Logger, pino } from "pino";

/** Members that hold secrets wherever they appear; values of configured secrets are taken out of messages too. */
const SECRET_MEMBERS = ["authorization", "cookie", "set-cookie", "password", "secret", "token", "api_key", "apiKey", "code"];

export function createLogger(options: { readonly level: string; readonly pretty: boolean; readonly secrets: readonly string[] }): Logger {
  const secrets = options.secrets.filter((secret) => secret.length >= 6);
  const scrub = (text: string): string =>
    secrets.reduce((out, secret) => out.replaceAll(secret, "[redacted]"), text).replaceAll(OWN_TOKENS, "[redacted]");
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: (thrown: unknown) => told(thrown) },
      redact: {
        paths: SECRET_MEMBERS.flatMap((name) => (name.includes("-") ? [`["${name}"]`, `*["${name}"]`] : [name, `*.${name}`])),
        censor: "[redacted]",
      },
    },
    { write: (line: string) => void process.stderr.write(options.pretty ? plain(scrub(line)) : scrub(line)) },
  );
}

/**
 * What an error says of itself and what caused it, and nothing that a library hung on it: on one that `pg`'s pool lost
 * hangs the whole connection, with the key by which its queries are canceled.
 */
function told(thrown: unknown, depth = 0): object {
  if (!(thrown instanceof Error)) return { type: typeof thrown, message: String(thrown) };
  const { code, cause } = thrown as Error & { code?: unknown };
  return {
    type: thrown.constructor.name,
    message: thrown.message,
    stack: thrown.stack,
    ...(typeof code === "string" ? { error_code: code } : {}),
    ...(thrown instanceof AggregateError ? { errors: thrown.errors.map((each) => told(each, depth + 1)) } : {}),
    // One that causes itself is told as far as this.
    ...(cause === undefined || depth > 5 ? {} : { cause: told(cause, depth + 1) }),
  };
}

/** Whatever we mint: tokens, codes, cookies, virtual keys. */
const OWN_TOKENS = /\bsb[a-z]{0,8}_[A-Za-z0-9_-]{20,}/g;

/** `12:00:01 warn  message key=value`, for people at a terminal. */
function plain(line: string): string {
  const { level, time, msg, err, ...rest } = JSON.parse(line) as {
    level: string;
    time: string;
    msg?: string;
    err?: { message?: string; stack?: string };
  };
  const facts = Object.entries(rest).map(([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const what = err === undefined ? "" : `\n${err.stack ?? err.message ?? ""}`;
  return `${time.slice(11, 19)} ${level.padEnd(5)} ${msg ?? ""}${facts.join("")}${what}\n`;
}
