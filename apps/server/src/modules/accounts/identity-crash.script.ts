/*
 * A server that dies in the middle of several things at once. Each request is begun and held behind one step of it (a
 * unit of the log, or a statement, that is done and whose caller never learns of it), and then the process is killed.
 * Started by identity-crash.pg.test.ts.
 */
import { once } from "node:events";
import pg from "pg";
import type { PoolConfig } from "pg";
import { startComposed } from "../../composed.fixture.ts";

export interface Doomed {
  readonly method: string;
  readonly url: string;
  readonly token?: string;
  readonly cookie?: string;
  readonly body?: unknown;
  /** A unit of several subjects in this organization; one command to a subject that begins so; a statement that holds this text, one of its values `value`. */
  readonly after: { readonly unit: string } | { readonly run: string } | { readonly query: string; readonly value?: string };
  /** It is answered, and what it began is what is held. */
  readonly isJob?: boolean;
}

const [connections, dataDir, environment, doomed] = process.argv.slice(2).map((text) => JSON.parse(text)) as [
  Record<string, PoolConfig>,
  string,
  Record<string, string>,
  readonly Doomed[],
];
const c = await startComposed({ connection: (role) => connections[role]! }, { environment, dataDir });
const never = new Promise<never>(() => undefined);
const arrived = new EventTarget();
let held: Doomed["after"] | null = null;
function arrive(): Promise<never> {
  held = null;
  arrived.dispatchEvent(new Event("held"));
  return never;
}

const { log } = c.server;
const unit = log.unit.bind(log);
const run = log.run.bind(log);
log.unit = async (options, work) => {
  const done = await unit(options, work);
  return held !== null && "unit" in held && held.unit === options.organizationId ? arrive() : done;
};
log.run = async (decider, target, command) => {
  const done = await run(decider, target, command);
  return held !== null && "run" in held && target.subject.startsWith(held.run) ? arrive() : done;
};
const query = pg.Client.prototype.query as (...all: unknown[]) => unknown;
pg.Client.prototype.query = function (this: pg.Client, ...all: unknown[]): unknown {
  const [first, second] = all as [string | { text?: string; values?: unknown[] }, unknown];
  const text = typeof first === "string" ? first : (first?.text ?? "");
  const values = Array.isArray(second) ? second : typeof first === "string" ? [] : (first?.values ?? []);
  const isIt = held !== null && "query" in held && text.includes(held.query) && (held.value === undefined || values.includes(held.value));
  if (!isIt) return query.apply(this, all);
  held = null;
  const given = all.at(-1);
  // A pool asks with a callback: it is not called, as if the process were gone.
  if (typeof given === "function") return query.apply(this, [...all.slice(0, -1), () => void arrive()]);
  return (query.apply(this, all) as Promise<unknown>).then(arrive);
} as never;

for (const { method, url, token, cookie, body, after, isJob } of doomed) {
  const behind = once(arrived, "held");
  held = after;
  void c
    .call(method, url, {
      ...(token === undefined ? {} : { token }),
      ...(body === undefined ? {} : { body }),
      headers: { origin: "http://localhost", ...(cookie === undefined ? {} : { cookie }) },
    })
    .then((answer) => {
      if (isJob === true && answer.status < 300) return;
      process.stderr.write(
        `${method} ${url} was answered before it was held: ${answer.status} ${JSON.stringify(answer.headers)} ${JSON.stringify(answer.body)}\n`,
      );
      process.exit(1);
    });
  await behind;
  process.stdout.write(`${JSON.stringify(url)}\n`);
}
process.kill(process.pid, "SIGKILL");
