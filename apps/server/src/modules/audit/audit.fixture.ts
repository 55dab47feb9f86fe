/* The audit module on a database and a directory of the test file's own, with something to say in its log. */
import { exportLog } from "@signalbox/contract/log";
import { createHydrate } from "@signalbox/eventlog/archived";
import { enqueueJobs } from "@signalbox/jobs/enqueue";
import { systemClock } from "@signalbox/kernel/clock";
import { accept, type Decider } from "@signalbox/kernel/decider";
import { databaseTest, type TestDatabase } from "@signalbox/testkit/database";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll } from "vitest";
import { diskBlobs } from "@signalbox/providers/blob/disk/disk";
import { openDatabase, type RequestDatabase } from "../../database.ts";
import { type AuditDeps, type AuditModule, createAudit } from "./public.ts";
import { openSigningKeys } from "./signing-key.ts";

export const ORG = "ws_dev";
export const origin = { principal: { id: "usr_owner", type: "user" } } as const;

interface Said {
  readonly type: "message.created";
  readonly data: object;
}
const saying: Decider<null, object, Said, { code: never }> = {
  initial: null,
  decide: (_, data) => accept<Said>({ type: "message.created", data }),
  evolve: () => null,
};

export interface AuditStage {
  readonly database: TestDatabase;
  readonly directory: string;
  readonly deps: AuditDeps;
  readonly audit: AuditModule;
  /** Appends to a room and returns the event's id. */
  write(room: string, said: string | object): Promise<string>;
  /** Calls a bound route as the owner of an organization. */
  call(route: { id: string }, input: { query?: object; body?: object; params?: object }, organizationId?: string): Promise<unknown>;
  exported(query?: object): Promise<string[]>;
}

export function auditStage(more: (deps: AuditDeps) => Partial<AuditDeps> = () => ({})): AuditStage {
  const database = databaseTest();
  const stage = { database } as { -readonly [K in keyof AuditStage]: AuditStage[K] };
  let requests: RequestDatabase;

  beforeAll(async () => {
    stage.directory = await mkdtemp(join(tmpdir(), "signalbox-audit-"));
    const blobs = diskBlobs(join(stage.directory, "blobs"));
    const log = await database.log({ enqueue: enqueueJobs, hydrate: createHydrate(database.pool("sb_log"), blobs.stream) });
    requests = openDatabase(database.connection("sb_app"), { connections: 2, onError: () => undefined });
    const deps: AuditDeps = {
      log,
      db: requests,
      clock: systemClock,
      logger: pino({ level: "silent" }),
      logPool: database.pool("sb_log"),
      keys: await openSigningKeys(stage.directory),
      organizations: () => Promise.resolve([ORG]),
      visibleRooms: () => Promise.resolve(null),
      isInForce: () => Promise.resolve(false),
      rebuild: () => Promise.resolve([]),
      blobs,
      importsDirectory: join(stage.directory, "imports"),
      projections: () => [],
      driftCheck: null,
    };
    stage.deps = { ...deps, ...more(deps) };
    stage.audit = createAudit(stage.deps);
    stage.write = async (room, said) => {
      const result = await log.run(
        saying,
        { organizationId: ORG, origin, stream: { type: "room", id: room }, subject: `message:${room}` },
        typeof said === "string" ? { text: said } : said,
      );
      return result.recorded[0]!.eventId;
    };
    for (let i = 0; i < 10; i++) await stage.write(i % 2 === 0 ? "room_a" : "room_b", `say ${i}`);
  });
  afterAll(async () => {
    await requests.close();
    await rm(stage.directory, { recursive: true, force: true });
  });
  stage.call = async (route, input, organizationId = ORG) => {
    const bound = stage.audit.routes.find((candidate) => candidate.route.id === route.id)!;
    const request = { ...input, caller: { organizationId }, now: systemClock.now(), origin };
    return (bound.handler as (request: unknown) => Promise<unknown>)(request);
  };
  stage.exported = async (query = {}) => {
    const lines: string[] = [];
    for await (const frame of (await stage.call(exportLog, { query })) as AsyncIterable<{ text: string }>) lines.push(frame.text);
    return lines;
  };
  return stage;
}
