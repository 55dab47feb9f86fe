/* How the installation is doing: the machine, its jobs, its sandboxes, and the engines that claim its runs. */
import { z } from "zod";
import { page, PageQuery, PrincipalId, RunId, SandboxId, SessionId, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";
import { HealthPart } from "./system.ts";

const admin = { resource: "system", role: "admin", scopes: ["admin"] } as const;

export const SandboxUsage = z
  .object({
    id: SandboxId,
    session_id: SessionId.nullable(),
    session_title: z.string().nullable(),
    provider: z.string(),
    alive: z.boolean(),
    memory_bytes: z.int().nullable(),
    memory_limit_bytes: z.int().nullable(),
    pids: z.int().nullable(),
    pids_limit: z.int().nullable(),
    disk_bytes: z.int().nullable(),
    disk_limit_bytes: z.int().nullable(),
    started_at: Timestamp.nullable(),
  })
  .meta({ id: "SandboxUsage" });

export const SystemView = z
  .object({
    version: z.string(),
    node: z.string(),
    platform: z.string(),
    started_at: Timestamp,
    uptime_s: z.int(),
    data_dir: z.object({
      path: z.string(),
      bytes: z.int(),
      /** When it was last added up: sizes are looked at now and then, not at every call. */
      measured_at: Timestamp.nullable(),
      free_bytes: z.int().nullable(),
    }),
    database: z.object({
      version: z.string(),
      embedded: z.boolean(),
      bytes: z.int(),
      events: z.int(),
      /** Position of the newest event. */
      position: z.int(),
      readers: z.array(z.object({ name: z.string(), position: z.int(), behind: z.int() })),
    }),
    memory: z.object({ rss_bytes: z.int(), heap_bytes: z.int(), system_total_bytes: z.int(), system_free_bytes: z.int() }),
    load: z.object({ cpus: z.int(), average_1m: z.number() }),
    jobs: z.object({ ready: z.int(), leased: z.int(), dead: z.int(), oldest_ready_at: Timestamp.nullable() }),
    sandboxes: z.array(SandboxUsage),
    connections: z.object({ event_streams: z.int(), sync_sockets: z.int(), feed_followers: z.int() }),
    /** Every process of the installation, as it said of itself a few seconds ago. */
    processes: z.array(
      z
        .object({
          name: z.string(),
          role: z.enum(["all", "api", "gateway", "worker", "ingress"]),
          started_at: Timestamp,
          rss_bytes: z.int(),
          /** Of one processor: 1 is one that never rests. */
          cpu_share: z.number(),
          database_connections: z.int(),
        })
        .meta({ id: "ProcessUsage" }),
    ),
    health: z.array(HealthPart),
  })
  .meta({ id: "System" });
export type SystemView = z.infer<typeof SystemView>;

export const getSystem = route({
  id: "system.get",
  summary: "How the installation is doing",
  method: "GET",
  path: "/v1/system",
  ok: SystemView,
  refusals: {},
  access: admin,
});

export const DeadJobView = z
  .object({
    id: z.string(),
    kind: z.string(),
    key: z.string().nullable(),
    attempts: z.int(),
    last_error: z.string().nullable(),
    created_at: Timestamp,
    died_at: Timestamp,
  })
  .meta({ id: "DeadJob" });
export const listDeadJobs = route({
  id: "jobs.dead.list",
  summary: "Jobs that were given up, newest first",
  method: "GET",
  path: "/v1/jobs/dead",
  query: PageQuery,
  ok: page(DeadJobView).meta({ id: "DeadJobPage" }),
  refusals: {},
  access: admin,
});
export const retryJob = route({
  id: "jobs.retry",
  summary: "Try a job that was given up once more",
  method: "POST",
  path: "/v1/jobs/:id/retry",
  params: z.object({ id: z.string().min(1).max(20) }),
  body: z.object({}),
  ok: z.object({ ok: z.literal(true) }),
  refusals: { job_not_found: 404, job_superseded: 409 },
  access: admin,
});

export const WorkerView = z
  .object({
    principal_id: PrincipalId,
    name: z.string(),
    /** `live`: it beats; `late`: its last beat is older than the lease; `gone`: nothing for ten minutes. */
    state: z.enum(["live", "late", "gone"]),
    last_heartbeat_at: Timestamp,
    first_seen_at: Timestamp,
    leases: z.array(z.object({ run_id: RunId, title: z.string().nullable(), expires_at: Timestamp, attempt_no: z.int() })),
    completed: z.int(),
    failed: z.int(),
  })
  .meta({ id: "Worker" });
export const listWorkers = route({
  id: "workers.list",
  summary: "Engines that claimed runs, last seen first",
  method: "GET",
  path: "/v1/workers",
  ok: z.object({ items: z.array(WorkerView) }).meta({ id: "Workers" }),
  refusals: {},
  access: { resource: "worker", role: "viewer", scopes: ["read"] },
});
