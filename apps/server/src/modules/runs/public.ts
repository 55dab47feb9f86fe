/* What the rest of the server may use of runs. */
import type { RunKind } from "@signalbox/contract/events/runs";
import type { PrincipalId } from "@signalbox/contract/primitives";
import type { ArtifactView, RunStatus, RunView, StepView, ToolCallView } from "@signalbox/contract/runs";
import type { z } from "zod";
import type { Blobs } from "../../blobs.ts";
import type { Deps, Module } from "../../module.ts";
import type { NewArtifact } from "./run-command.ts";

/** `unit.decide(run, stream, "run:run_…", command)`; `PLATFORM` is the writer of turns and automations. */
export { isOpen, run, type Run, type RunCommand, type RunRefusal, type Writer } from "./run.ts";
export { PLATFORM, type NewArtifact, type RecordCommand } from "./run-command.ts";

export type RunView_ = z.infer<typeof RunView>;
export type StepView_ = z.infer<typeof StepView>;
export type ToolCallView_ = z.infer<typeof ToolCallView>;
export type ArtifactView_ = z.infer<typeof ArtifactView>;

export interface RunFilter {
  readonly roomId?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly status?: RunStatus | undefined;
  readonly kind?: RunKind | undefined;
  /** Default `newest`. */
  readonly order?: "newest" | "oldest" | undefined;
}
export interface PageOf<T> {
  readonly items: T[];
  readonly next_cursor: string | null;
}
interface Paging {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Text that fits an event as it is, or its first 16 KB and the artifact that has all of it. */
export interface BoundedOutput {
  readonly output: string;
  readonly outputTruncated: boolean;
  readonly artifact?: NewArtifact | undefined;
}

export interface RunsModule extends Module {
  view(organizationId: string, runId: string): Promise<RunView_ | null>;
  /** Null when the cursor is not one of ours. */
  list(organizationId: string, filter: RunFilter, paging: Paging): Promise<PageOf<RunView_> | null>;
  toolCalls(organizationId: string, runId: string, paging: Paging): Promise<PageOf<ToolCallView_> | null>;
  artifact(organizationId: string, artifactId: string): Promise<ArtifactView_ | null>;
  /**
   * Makes any tool output recordable: invalid UTF-8 replaced, at most 16 KB inline, the rest as an
   * artifact (inline to 64 KiB, else a blob, fsynced before this returns; cut at 64 MiB).
   * Call it before the unit and spread the result into `succeed_tool` or `fail_tool`.
   */
  boundOutput(organizationId: string, output: string | Uint8Array | AsyncIterable<Uint8Array>, name?: string): Promise<BoundedOutput>;
  /** A file or text as an artifact, for `create_artifact`. */
  artifactOf(organizationId: string, content: string | Uint8Array | AsyncIterable<Uint8Array>, described: { name: string; mediaType: string }): Promise<NewArtifact>;
}

export interface RunsDeps extends Deps {
  readonly blobs: Blobs;
  /** Null: no such room in this organization, or the caller may not see it. */
  readonly roomExists: (organizationId: string, roomId: string, principalId: string) => Promise<boolean>;
  readonly principalExists: (organizationId: string, principalId: PrincipalId) => Promise<boolean>;
  /** Default 2 h from start. */
  readonly taskTimeoutMs?: number | undefined;
  /** Default 30 s. */
  readonly leaseTtlMs?: number | undefined;
}
