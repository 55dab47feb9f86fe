/*
 * Recorded histories: what a released version wrote, kept for ever, folded by today's code (histories.pg.test.ts).
 *
 *   histories/<release>/<name>.json.gz            a dump of a database that the real product used: events, payloads,
 *                                                 migrations, every table that is not derived
 *   histories/<release>/<name>.expected.json.gz   what that version made of it: the state of every subject, the rows of
 *                                                 every projection
 *
 * `tools/record-histories.ts` records both, once a release. Today's code may say more than is expected (a new member of a
 * state, a new column, a new table), never something else: whoever means to change what an old history means records
 * `--expected` anew and can see in the diff of the report which subjects and tables that were.
 */
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { upcast } from "@signalbox/contract/event-versions";
import type { Decider } from "@signalbox/kernel/decider";
import type { DomainEvent } from "@signalbox/eventlog/log";
import type { DatabaseDump } from "@signalbox/testkit/dump";
import { invocation } from "./modules/actions/invocation.ts";
import { approval } from "./modules/approvals/approval.ts";
import { projectionDrift } from "./modules/audit/drift.ts";
import { capability } from "./modules/capabilities/capability.ts";
import { importRecord } from "./modules/audit/import-record.ts";
import { redaction } from "./modules/audit/redaction.ts";
import { egressRecord } from "./modules/egress/record.ts";
import { egressRules } from "./modules/egress/rules.ts";
import { killSwitch } from "./modules/gate/kill-switch.ts";
import { organization } from "./modules/identity/organization.ts";
import { principal } from "./modules/identity/principal.ts";
import { team } from "./modules/identity/team.ts";
import { token } from "./modules/identity/token.ts";
import { rotation } from "./modules/audit/key-ring.ts";
import { budgetLane } from "./modules/ledger/lanes.ts";
import { connection, defaultModel } from "./modules/models/connection.ts";
import { modelKey } from "./modules/models/model-key.ts";
import { preview } from "./modules/previews/preview.ts";
import { quota } from "./modules/quotas/quota.ts";
import { message, room, thread } from "./modules/rooms/room.ts";
import { run } from "./modules/runs/run.ts";
import { question } from "./modules/sessions/question.ts";
import { session } from "./modules/sessions/session.ts";
import { share } from "./modules/shares/share.ts";
import { terminal } from "./modules/terminals/terminal.ts";

export type { DatabaseDump };

export type AnyDecider = Decider<unknown, never, DomainEvent, { code: string }>;

/** By the first part of the subject. Those that are null only record: nothing is decided on them again. */
export const DECIDERS = {
  organization,
  principal,
  team,
  token,
  capability,
  quota,
  room,
  thread,
  message,
  session,
  run,
  approval,
  question,
  invocation,
  budget: budgetLane,
  model_key: modelKey,
  model_connection: connection,
  model_default: defaultModel,
  kill_switch: killSwitch,
  evaluation: null,
  egress: egressRecord,
  egress_rules: egressRules,
  event: redaction,
  import: importRecord,
  checkpoint_key: rotation,
  projection: projectionDrift,
  preview,
  share,
  terminal,
} as unknown as Readonly<Record<string, AnyDecider | null>>;

export interface StoredEvent {
  readonly organization_id: string;
  readonly stream: { readonly type: string; readonly id: string };
  readonly seq: number;
  readonly type: string;
  readonly version: number;
  readonly subject: string;
  readonly subject_version: number;
  readonly header: string;
  readonly data: string | null;
  readonly salt: string | null;
  readonly prev_hash: string;
  readonly hash: string;
}

export interface Expected {
  /** By organization and subject: `ws_dev run:run_…`. */
  readonly states: Readonly<Record<string, unknown>>;
  readonly tables: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;
}

export const HISTORIES = path.join(import.meta.dirname, "../histories");

export const readGzipped = <T>(file: string): T => JSON.parse(gunzipSync(readFileSync(file)).toString("utf8")) as T;

/** Every release there is a recording of, oldest first, with its histories. */
export function recordedHistories(): {
  readonly release: string;
  readonly name: string;
  readonly file: string;
  readonly expected: string;
}[] {
  return readdirSync(HISTORIES)
    .toSorted((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .flatMap((release) =>
      readdirSync(path.join(HISTORIES, release))
        .filter((file) => file.endsWith(".json.gz") && !file.endsWith(".expected.json.gz"))
        .toSorted()
        .map((file) => ({
          release,
          name: file.slice(0, -".json.gz".length),
          file: path.join(HISTORIES, release, file),
          expected: path.join(HISTORIES, release, file.replace(".json.gz", ".expected.json.gz")),
        })),
    );
}

/** Of our own streams: what was imported is another log's, and is in here for what the tables make of it. */
export function ownEvents(dump: DatabaseDump): StoredEvent[] {
  type Row = Record<string, string | number | null> & { position: number; header: string };
  const rowsOf = (table: string): Row[] => dump.tables[table]!.rows.map((text) => JSON.parse(text) as Row);
  const payloads = new Map(rowsOf("evt_payloads").map((row) => [row.position, row]));
  const hash = (bytea: unknown): string => `sha256:${String(bytea).slice(2)}`;
  return rowsOf("evt_events")
    .filter((row) => row["import_id"] === null || row["import_id"] === undefined)
    .toSorted((a, b) => a.position - b.position)
    .map((row) => {
      const payload = payloads.get(row.position);
      const salt = payload?.["salt"] ?? null;
      return {
        organization_id: String(row["organization_id"]),
        stream: { type: String(row["stream_type"]), id: String(row["stream_id"]) },
        seq: Number(row["seq"]),
        type: String(row["type"]),
        version: (JSON.parse(row.header) as { version: number }).version,
        subject: String(row["subject"]),
        subject_version: Number(row["subject_version"]),
        header: row.header,
        data: (payload?.["data"] ?? null) as string | null,
        salt: salt === null ? null : Buffer.from(String(salt).slice(2), "hex").toString("base64"),
        prev_hash: hash(row["prev_hash"]),
        hash: hash(row["hash"]),
      };
    });
}

/** What every decider makes of it; a subject of a kind that nobody knows is a fault. */
export function statesOf(events: readonly StoredEvent[]): Record<string, unknown> {
  const states = new Map<string, unknown>();
  for (const { organization_id, subject, type, version, data } of events) {
    const kind = subject.slice(0, subject.indexOf(":"));
    const decider = DECIDERS[kind];
    if (decider === undefined) throw new Error(`no decider is known for subjects of kind ${kind}: name it in histories.fixture.ts`);
    if (decider === null) continue;
    const key = `${organization_id} ${subject}`;
    const event = { type, data: data === null ? {} : upcast(type, version, JSON.parse(data) as object) };
    states.set(key, decider.evolve(states.has(key) ? states.get(key) : decider.initial, event));
  }
  return Object.fromEntries([...states].map(([key, state]) => [key, plain(state)]));
}

/** JSON that keeps maps and sets apart from objects and lists. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return { $map: [...value].map(([k, v]) => [plain(k), plain(v)]) };
  if (value instanceof Set) return { $set: [...value].map(plain) };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined && typeof member !== "function")
      .map(([name, member]) => [name, plain(member)]),
  );
}

/** Where `actual` says something else than was expected; that it says more is no difference. */
export function differences(at: string, expected: unknown, actual: unknown): string[] {
  if (typeof expected !== "object" || expected === null || typeof actual !== "object" || actual === null)
    return expected === actual ? [] : [`${at}: was ${JSON.stringify(expected)} and is ${JSON.stringify(actual)}`];
  if (Array.isArray(expected))
    return Array.isArray(actual) && actual.length === expected.length
      ? expected.flatMap((one, i) => differences(`${at}[${i}]`, one, actual[i]))
      : [`${at}: was a list of ${expected.length} and is ${JSON.stringify(actual).slice(0, 200)}`];
  return Object.entries(expected).flatMap(([name, member]) =>
    differences(`${at}.${name}`, member, (actual as Record<string, unknown>)[name]),
  );
}

/** Rows are compared by the columns that they had, in no order. */
export function tableDifferences(table: string, expected: readonly Row[], actual: readonly Row[] | undefined): string[] {
  if (actual === undefined) return [`${table} is gone`];
  const columns = [...new Set(expected.flatMap((row) => Object.keys(row)))].toSorted();
  const textOf = (row: Row): string => JSON.stringify(columns.map((name) => row[name] ?? null));
  const [was, is] = [expected.map(textOf).toSorted(), actual.map(textOf).toSorted()];
  const [gone, come] = [was.filter((row) => !is.includes(row)), is.filter((row) => !was.includes(row))];
  if (gone.length === 0 && come.length === 0 && was.length === is.length) return [];
  return [`${table} (${columns.join(", ")}): was ${gone[0] ?? `${was.length} rows`} and is ${come[0] ?? `${is.length} rows`}`];
}
type Row = Readonly<Record<string, unknown>>;
