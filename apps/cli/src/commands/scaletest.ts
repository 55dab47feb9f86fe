/* `signalbox scaletest`: puts a bounded load on a server, says what it measured, and can gate CI by its exit code. */
import { getSystem } from "@signalbox/contract/operations";
import { type Command, InvalidArgumentError } from "commander";
import { action, type Context } from "../command.ts";
import { serverAddress } from "../config.ts";
import { runLoad } from "../scaletest/load.ts";
import { type Figures, p95Limits, type P95Limits, verdict } from "../scaletest/measures.ts";
import { table } from "../terminal.ts";
import { EXIT, UserError } from "../user-error.ts";

interface Flags {
  readonly rooms: number;
  readonly followers: number;
  readonly rate: number;
  readonly duration: number;
  readonly approvals: number;
  readonly engines: number;
  readonly sessions: number;
  readonly target?: string;
  readonly maxP95Ms?: P95Limits;
  readonly maxErrors: number;
}
interface Sample {
  readonly at_s: number;
  readonly rss_bytes: number;
  readonly load_1m: number;
  readonly sync_sockets: number;
  readonly jobs_ready: number;
  readonly processes: readonly {
    readonly name: string;
    readonly role: string;
    readonly rss_bytes: number;
    readonly cpu_share: number;
    readonly database_connections: number;
  }[];
}
interface Result {
  /** From the first operation until the load was over. */
  readonly measured_s: number;
  readonly operations: Readonly<Record<string, Figures>>;
  readonly failures: Readonly<Record<string, number>>;
  readonly resources: readonly Sample[];
  readonly verdict: readonly string[];
  readonly interrupted: boolean;
  readonly passed: boolean;
}

const within =
  (least: number, most: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value) || value < least || value > most)
      throw new InvalidArgumentError(`It must be a number from ${least} to ${most}.`);
    return value;
  };

function limitsOf(text: string): P95Limits {
  const limits = p95Limits(text);
  if (limits === null)
    throw new InvalidArgumentError("It must be milliseconds, for all (250) or for one (update=50), separated by commas.");
  return limits;
}

const EXAMPLES = `
An update's time is from before the request that caused it to its arrival at a follower. Exit code 0: it held; 1: it did
not, or was interrupted (Ctrl-C; the figures so far are printed, and what was made is put away).

Examples:
  signalbox scaletest --followers 200 --rate 50 --duration 60
  signalbox scaletest --sessions 3 --max-p95-ms 250,session.create=2000 --json > scaletest.json   # in CI`;

const MIB = 1024 * 1024;

export function registerScaletest(program: Command): void {
  program
    .command("scaletest")
    .description("put a bounded load on the server and say how it held; what it made is put away afterwards")
    .option("--rooms <n>", "rooms that are written to", within(1, 200), 4)
    .option("--followers <n>", "sockets that follow them", within(0, 5000), 40)
    .option("--rate <n>", "messages a second, over all rooms", within(0, 1000), 20)
    .option("--approvals <n>", "approvals asked for and decided a second", within(0, 100), 1)
    .option("--engines <n>", "engines that claim runs and report steps, as fast as they are answered", within(0, 50), 1)
    .option("--sessions <n>", "sessions on the scripted demo model, in real sandboxes", within(0, 50), 0)
    .option("--duration <s>", "seconds of load; connecting before it and putting away after it come on top", within(1, 3600), 15)
    .option(
      "--max-p95-ms <limits>",
      "exit 1 when an operation's p95 is over this: 250 for all, update=50 for one, or 250,update=50",
      limitsOf,
    )
    .option("--max-errors <n>", "exit 1 when there are more errors", within(0, 1_000_000), 0)
    .option("--target <origin>", "name the server again, if it is not on this machine")
    .addHelpText("after", EXAMPLES)
    .action(
      action(async ({ terminal, flags: all, signal }: Context, flags: Flags) => {
        const { url, token } = serverAddress(all);
        refuseStrangers(url, flags.target);
        const resources: Sample[] = [];
        const startedMs = performance.now();
        let loadedMs: number | null = null;
        let measuredS = 0;
        const measures = await runLoad({
          baseUrl: url,
          token,
          signal,
          load: { ...flags, durationS: flags.duration },
          onTick(now, leftS) {
            loadedMs ??= performance.now();
            terminal.status(
              `${String(leftS).padStart(4)} s left · ${now.count("message.create")} messages · ${now.count("update")} updates · ${now.errors} errors`,
            );
          },
          onPhase(phase) {
            if (loadedMs !== null && measuredS === 0) measuredS = Math.round((performance.now() - loadedMs) / 100) / 10;
            terminal.status(null);
            terminal.progress(phase);
          },
          async sample(client) {
            const seen = await client.call(getSystem, {});
            resources.push({
              at_s: Math.round((performance.now() - startedMs) / 1000),
              rss_bytes: seen.memory.rss_bytes,
              load_1m: seen.load.average_1m,
              sync_sockets: seen.connections.sync_sockets,
              jobs_ready: seen.jobs.ready,
              processes: seen.processes,
            });
          },
        });
        terminal.status(null);
        const operations = measures.figures();
        const failed = verdict(operations, measures.errors, flags);
        const { rooms, followers, rate, duration, approvals, engines, sessions } = flags;
        const result = {
          target: url,
          load: { rooms, followers, rate, duration_s: duration, approvals, engines, sessions },
          measured_s: measuredS,
          operations,
          errors: measures.errors,
          failures: measures.failures(),
          resources,
          interrupted: signal.aborted,
          passed: failed.length === 0 && !signal.aborted,
          verdict: failed,
        };
        terminal.result(result, textOf(result));
        return result.passed ? EXIT.ok : EXIT.failed;
      }),
    );
}

function refuseStrangers(url: string, target: string | undefined): void {
  const { hostname, origin } = new URL(url);
  if (/^(localhost|\[::1\]|127(\.\d{1,3}){3})$/.test(hostname)) return;
  if (target !== undefined && URL.canParse(target) && new URL(target).origin === origin) return;
  throw new UserError(
    `${origin} is not on this machine.`,
    "A load test may keep a server from serving anybody else.",
    `If it is yours to test, name it again: --target ${origin}`,
  );
}

function textOf({ measured_s: seconds, operations, failures, resources, verdict: failed, interrupted, passed }: Result): string {
  const ms = (value: number): string => value.toFixed(1);
  const rows = Object.entries(operations).map(([operation, of]) => [
    operation,
    String(of.count),
    seconds === 0 ? "" : (of.count / seconds).toFixed(1),
    ms(of.p50_ms),
    ms(of.p95_ms),
    ms(of.p99_ms),
    ms(of.max_ms),
  ]);
  const most = (of: (sample: Sample) => number): number => resources.reduce((high, sample) => Math.max(high, of(sample)), 0);
  const errors = Object.entries(failures);
  return [
    table(["operation", "count", "a second", "p50 ms", "p95 ms", "p99 ms", "max ms"], rows, [1, 2, 3, 4, 5, 6]),
    errors.length === 0
      ? "No errors."
      : table(
          ["errors", "count"],
          errors.map(([what, count]) => [what, String(count)]),
          [1],
        ),
    resources.length === 0
      ? "The server's own figures could not be read: they need the role admin."
      : table(["process, at most", "role", "memory", "cpu", "connections to postgres"], processRows(resources), [2, 3, 4]),
    resources.length === 0
      ? ""
      : `Load of the machine at most ${most((s) => s.load_1m).toFixed(1)}, jobs waiting at most ${most((s) => s.jobs_ready)}, sync sockets at most ${most((s) => s.sync_sockets)}.`,
    interrupted ? "Interrupted: these are the figures until then." : passed ? "It held." : ["It did not hold:", ...failed].join("\n  "),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

/** Each process that was there at some time, with the most that it used. */
function processRows(resources: readonly Sample[]): string[][] {
  const most = new Map<string, Sample["processes"][number]>();
  for (const one of resources.flatMap(({ processes }) => processes)) {
    const before = most.get(one.name) ?? one;
    most.set(one.name, {
      ...one,
      rss_bytes: Math.max(before.rss_bytes, one.rss_bytes),
      cpu_share: Math.max(before.cpu_share, one.cpu_share),
      database_connections: Math.max(before.database_connections, one.database_connections),
    });
  }
  return [...most.values()].map((one) => [
    one.name,
    one.role,
    `${Math.round(one.rss_bytes / MIB)} MB`,
    `${Math.round(one.cpu_share * 100)} %`,
    String(one.database_connections),
  ]);
}
