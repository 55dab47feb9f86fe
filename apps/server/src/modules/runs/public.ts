/* What the rest of the server may use of runs. */
import { erasable } from "@signalbox/eventlog/erasable";
import path from "node:path";
import type { PrincipalId } from "@signalbox/contract/primitives";
import type { Blobs } from "@signalbox/providers/blob/port";
import type { Deps, Module } from "../../module.ts";
import type { TopicDocuments } from "../feed/public.ts";
import type { QuotasModule } from "../quotas/public.ts";
import type { RoomAccess } from "../rooms/public.ts";
import { createEngine } from "./engine.ts";
import { engineRoutes } from "./engine-routes.ts";
import { artifactOf, boundOutput, type BoundedOutput, type Content } from "./output.ts";
import {
  type ArtifactRecord,
  findArtifact,
  findArtifacts,
  findRun,
  findRuns,
  findSteps,
  findToolCalls,
  type PageOf,
  type Paging,
  type RunFilter,
  type RunRecord,
  type StepRecord,
  type ToolCallRecord,
} from "./queries.ts";
import { readRoutes } from "./read-routes.ts";
import { runRecord } from "./record.projection.ts";
import type { NewArtifact } from "./run-command.ts";
import { importedRuns, runList } from "./runs.projection.ts";

import { runSummaries, workerSummaries } from "./summaries.ts";
import { toolCallsAt, type ToolCallThen } from "./tool-call-at.ts";
import { findWorkers, type WorkerRecord } from "./workers.ts";

/** `unit.decide(run, stream, "run:run_…", command)`; `PLATFORM` is the writer of turns and automations. */
export { isOpen, run, type Run, type RunCommand, type RunRefusal, type Writer } from "./run.ts";
export { PLATFORM, type NewArtifact, type RecordCommand } from "./run-command.ts";
export type { WorkerRecord } from "./workers.ts";
export type { BoundedOutput, Content } from "./output.ts";
export type { ArtifactRecord, PageOf, Paging, RunFilter, RunRecord, StepRecord, ToolCallRecord } from "./queries.ts";

export interface RunsModule extends Module {
  /** For the feed. */
  readonly topics: readonly TopicDocuments[];
  view(organizationId: string, runId: string): Promise<RunRecord | null>;
  /** Of a session, the tool call that was under way at each of these times. */
  toolCallsAt(organizationId: string, sessionId: string, times: readonly string[]): Promise<readonly (ToolCallThen | null)[]>;
  /** Engines that ever claimed a run in these rooms (null: all), last seen first. */
  workers(organizationId: string, rooms: readonly string[] | null): Promise<readonly WorkerRecord[]>;
  /** Throws `InvalidCursor`, which the shell answers. */
  list(organizationId: string, filter: RunFilter, paging: Paging): Promise<PageOf<RunRecord>>;
  toolCalls(organizationId: string, runId: string, paging: Paging): Promise<PageOf<ToolCallRecord>>;
  /** In order. */
  steps(organizationId: string, runId: string, paging: Paging): Promise<PageOf<StepRecord>>;
  /** Newest first, without their text. */
  artifactsOf(organizationId: string, runId: string, paging: Paging): Promise<PageOf<ArtifactRecord>>;
  /** As `artifact`, with the room that it is in. */
  findArtifact(
    organizationId: string,
    artifactId: string,
  ): Promise<{ readonly artifact: ArtifactRecord; readonly roomId: string | null } | null>;
  /** With its text, as far as it is text and at most 1 MiB. */
  artifact(organizationId: string, artifactId: string): Promise<ArtifactRecord | null>;
  /**
   * Makes any tool output recordable: invalid UTF-8 replaced, at most 16 KB inline, the whole as an
   * artifact (inline to 64 KiB, else a blob, on disk before this returns; cut at 8 MiB).
   * Call it before the unit and spread the result into `succeed_tool` or `fail_tool`.
   */
  boundOutput(organizationId: string, output: Content, name?: string): Promise<BoundedOutput>;
  /** A file or text as an artifact, for `create_artifact`. */
  artifactOf(organizationId: string, content: Content, described: { name: string; mediaType: string }): Promise<NewArtifact>;
}

export interface RunsDeps extends Deps {
  readonly blobs: Blobs;
  readonly rooms: Pick<RoomAccess, "roleIn" | "visibleRooms">;
  readonly principalExists: (organizationId: string, principalId: PrincipalId) => Promise<boolean>;
  readonly displayNames: (organizationId: string, ids: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  /** Replaces secrets in what goes to blobs: `scanner.scanText(organizationId, text).text` of the log. */
  readonly redact: (organizationId: string, text: string) => string;
  /** How long a started task may take. Default 2 h. */
  readonly taskTimeoutMs?: number | undefined;
  readonly quotas: Pick<QuotasModule, "admitBytes" | "admitWork" | "limitedBlobs">;
  /** Default 30 s. */
  readonly leaseTtlMs?: number | undefined;
}

const ARTIFACT_TEXT_BYTES = 1024 * 1024;

export function createRuns(deps: RunsDeps): RunsModule {
  const { db } = deps;
  const engine = createEngine(deps);

  async function artifact(organizationId: string, id: string): Promise<{ artifact: ArtifactRecord; roomId: string | null } | null> {
    const found = await findArtifact(db, organizationId, id);
    if (found === null || found.artifact.text !== null || found.artifact.sha256 === null || found.artifact.kind === "file") return found;
    const bytes = await deps.blobs.get(organizationId, found.artifact.sha256, { maxBytes: ARTIFACT_TEXT_BYTES });
    return bytes === null ? found : { ...found, artifact: { ...found.artifact, text: new TextDecoder().decode(bytes, { stream: true }) } };
  }

  return {
    routes: [...readRoutes({ ...deps, artifact }), ...engineRoutes({ ...deps, blobs: deps.quotas.limitedBlobs, engine })],
    projections: [
      erasable(runList, { bySubject: { proj_runs: "id", proj_run_attempts: "run_id" }, imported: importedRuns }),
      erasable(runRecord, { bySubject: { proj_steps: "run_id", proj_tool_calls: "run_id", proj_artifacts: "run_id" } }),
      importedRuns,
    ],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: engine.jobs,
    topics: [runSummaries(db), workerSummaries(db, deps.displayNames)],
    view: (organizationId, runId) => findRun(db, organizationId, runId),
    toolCallsAt: (organizationId, sessionId, times) => toolCallsAt(db, organizationId, sessionId, times),
    workers: (organizationId, rooms) => findWorkers(db, organizationId, { rooms, leaseTtlMs: deps.leaseTtlMs ?? 30_000 }),
    list: (organizationId, filter, paging) => findRuns(db, organizationId, filter, paging),
    toolCalls: (organizationId, runId, paging) => findToolCalls(db, organizationId, runId, paging),
    steps: (organizationId, runId, paging) => findSteps(db, organizationId, runId, paging),
    artifactsOf: (organizationId, runId, paging) => findArtifacts(db, organizationId, { runId }, paging),
    findArtifact: (organizationId, id) => findArtifact(db, organizationId, id),
    artifact: async (organizationId, id) => (await artifact(organizationId, id))?.artifact ?? null,
    boundOutput: (organizationId, output, name = "output") => boundOutput(deps, organizationId, output, name),
    artifactOf: (organizationId, content, described) => artifactOf(deps, organizationId, content, described),
  };
}
