import { z } from "zod";
import { ArtifactId, MicroUsd, PrincipalId, RoomId, RunId, SandboxId, SessionId, ThreadId } from "../primitives.ts";

/** Where the work comes from: exactly one of a repository and nothing. */
export const SessionSource = z
  .discriminatedUnion("type", [
    z.object({
      type: z.literal("repository"),
      /** Absolute local path, `file://` or `http(s)://` URL. Credentials are refused in it. */
      url: z.string().min(1).max(2000),
      /** Branch, tag or commit; default the remote's HEAD. */
      ref: z.string().min(1).max(250).optional(),
    }),
    z.object({ type: z.literal("scratch") }),
  ])
  .meta({ id: "SessionSource" });

export const HarnessName = z.enum(["opencode", "acp"]).meta({ id: "HarnessName" });
export const SessionKind = z.enum(["setup", "coding", "automation"]).meta({ id: "SessionKind" });

export const FileChange = z
  .object({
    path: z.string(),
    status: z.enum(["added", "modified", "deleted", "renamed"]),
    additions: z.int().min(0),
    deletions: z.int().min(0),
    binary: z.boolean(),
  })
  .meta({ id: "FileChange" });

const session_id = SessionId;

export const SessionEvent = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("session.created"),
    data: z.object({
      session_id,
      room_id: RoomId,
      thread_id: ThreadId,
      title: z.string(),
      kind: SessionKind,
      source: SessionSource,
      harness: HarnessName,
      model: z.string(),
      agent_id: PrincipalId,
      created_by: PrincipalId,
      budget_micro_usd: MicroUsd,
      sandbox: z.enum(["deferred", "immediate"]),
      /** The virtual key that stands in for it at the model proxy; revoked when the session ends. */
      model_key_id: z.string().optional(),
    }),
  }),
  z.object({ type: z.literal("session.renamed"), data: z.object({ session_id, title: z.string(), by: PrincipalId }) }),
  /** From the next turn on. `model_key_id`: the virtual key that took the place of the one before. */
  z.object({
    type: z.literal("session.model_changed"),
    data: z.object({ session_id, model: z.string(), by: PrincipalId, model_key_id: z.string().optional() }),
  }),
  /** Out of every list; its files go. The log keeps what happened. */
  z.object({ type: z.literal("session.deleted"), data: z.object({ session_id, by: PrincipalId }) }),
  /** `starting`: a sandbox is being made (again). */
  z.object({
    type: z.literal("session.starting"),
    data: z.object({ session_id, sandbox_id: SandboxId, provider: z.string(), epoch: z.int() }),
  }),
  z.object({
    type: z.literal("session.started"),
    data: z.object({
      session_id,
      sandbox_id: SandboxId,
      epoch: z.int(),
      /** The harness's own id of the conversation, to pick it up again. */
      agent_session_id: z.string().optional(),
      base_commit: z.string().optional(),
      base_branch: z.string().optional(),
      boot_ms: z.int(),
    }),
  }),
  /** `waiting`: a person must answer first (an approval, a question). */
  z.object({ type: z.literal("session.waiting"), data: z.object({ session_id, reason: z.string() }) }),
  z.object({ type: z.literal("session.continued"), data: z.object({ session_id }) }),
  z.object({ type: z.literal("session.paused"), data: z.object({ session_id, reason: z.string() }) }),
  z.object({ type: z.literal("session.resumed"), data: z.object({ session_id, by: PrincipalId, model_key_id: z.string().optional() }) }),
  z.object({ type: z.literal("session.stopped"), data: z.object({ session_id, reason: z.string(), by: PrincipalId.optional() }) }),
  z.object({ type: z.literal("session.completed"), data: z.object({ session_id }) }),
  z.object({ type: z.literal("session.failed"), data: z.object({ session_id, code: z.string(), message: z.string() }) }),
  z.object({ type: z.literal("session.archived"), data: z.object({ session_id, by: PrincipalId }) }),
  z.object({ type: z.literal("session.unarchived"), data: z.object({ session_id, by: PrincipalId }) }),
  z.object({
    type: z.literal("session.changes_recorded"),
    data: z.object({
      session_id,
      run_id: RunId.optional(),
      files: z.array(FileChange),
      patch_artifact_id: ArtifactId.optional(),
      head_commit: z.string().optional(),
    }),
  }),
  z.object({
    type: z.literal("session.committed"),
    data: z.object({ session_id, commit: z.string(), branch: z.string(), message: z.string(), co_author: PrincipalId.optional() }),
  }),
]);
export type SessionEvent = z.infer<typeof SessionEvent>;
