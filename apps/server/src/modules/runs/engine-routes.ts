/* What engines and people do to runs. Every engine route presents its claim token and epoch; `engine.write` is the one fence. */
import { allowsTool } from "@signalbox/capability/grant";
import type { ArtifactId, PrincipalId, RunId, StepId, ToolCallId } from "@signalbox/contract/primitives";
import {
  assignRun,
  cancelRun,
  claimRun,
  completeRun,
  createArtifact,
  createRun,
  createStep,
  failRun,
  failToolCall,
  heartbeatRun,
  invokeTool,
  releaseRun,
  resolveRun,
  startRun,
  succeedToolCall,
  unassignRun,
} from "@signalbox/contract/runs";
import { sha256 } from "@signalbox/kernel/canonical";
import { newId } from "@signalbox/kernel/id";
import { handle, refused, type BoundRoute } from "../../http/handle.ts";
import { ShellRefused } from "../../http/refusal.ts";
import { hasRoomRole } from "../rooms/public.ts";
import { type Engine, streamOf } from "./engine.ts";
import { artifactOf, boundOutput, fileOf } from "./output.ts";
import type { RunsDeps } from "./public.ts";
import { findArtifact, findRun, findStep, findToolCall } from "./queries.ts";
import type { NewArtifact, RunRefusal } from "./run-command.ts";
import { run } from "./run.ts";

export function engineRoutes(deps: RunsDeps & { engine: Engine }): readonly BoundRoute[] {
  const { log, db, engine, rooms } = deps;
  return [
    handle(createRun, async ({ body, caller, origin, idempotency }) => {
      const role = await rooms.roleIn(caller, body.room_id);
      if (role === null) return refused("room_not_found", { message: "There is no such room, or you are not in it." });
      if (!hasRoomRole(role, "member"))
        return refused("room_role_too_low", { message: `This needs the role member in this room; yours is ${role}.` });
      const runId = newId("run") as RunId;
      const { room_id: roomId, max_attempts: maxAttempts, ...objective } = body;
      const { events } = await log.unit(
        { organizationId: caller.organizationId, origin: { ...origin, roomId, runId }, idempotency },
        async (unit) => {
          // Not asked of a repeat: that is answered with the run that was made the first time.
          await deps.quotas.admitWork(caller.organizationId);
          const decision = await unit.decide(run, streamOf(caller.organizationId, roomId), `run:${runId}`, {
            type: "create",
            runId,
            kind: "task",
            requestedBy: caller.principal.id as PrincipalId,
            maxAttempts,
            ...objective,
          });
          return { ok: decision.ok };
        },
      );
      const created = events.find(({ event }) => event.type === "run.created");
      if (created === undefined) throw new Error("a new run was not created");
      return read(caller.organizationId, created.subjectId);
    }),

    handle(claimRun, async (request) => {
      const claimed = await engine.claim(request, request.body.room_id);
      if (claimed === null) return { claimed: false, run: null };
      return { claimed: true, run: { ...claimed.run, run_id: claimed.run.id, claim_token: claimed.claimToken } };
    }),
    handle(heartbeatRun, async ({ caller, params, body }) => {
      const beat = await engine.heartbeat(caller, params.id, body);
      return beat.ok ? { lease_expires_at: beat.expiresAt } : lease(beat.refusal);
    }),
    handle(releaseRun, async (request) => {
      const outcome = await engine.write(request, request.params.id, request.body, (fenced) => ({
        ...fenced,
        type: "release",
        reason: request.body.reason,
      }));
      return outcome.ok ? outcome.run : lease(outcome.refusal);
    }),
    handle(startRun, async (request) => {
      const outcome = await engine.write(request, request.params.id, request.body, (fenced) => ({ ...fenced, type: "start" }));
      return outcome.ok ? outcome.run : lease(outcome.refusal);
    }),
    handle(completeRun, async (request) => {
      const { summary, output } = request.body;
      const outcome = await engine.write(request, request.params.id, request.body, (fenced) => ({
        ...fenced,
        type: "complete",
        summary,
        output,
      }));
      return outcome.ok ? outcome.run : lease(outcome.refusal);
    }),
    handle(failRun, async (request) => {
      const { code, message } = request.body;
      const outcome = await engine.write(request, request.params.id, request.body, (fenced) => ({
        ...fenced,
        type: "fail",
        code,
        message,
      }));
      return outcome.ok ? outcome.run : lease(outcome.refusal);
    }),

    handle(createStep, async (request) => {
      const { kind, title, input } = request.body;
      const stepId = newId("step") as StepId;
      const outcome = await engine.write(request, request.params.id, request.body, (fenced) => ({
        ...fenced,
        type: "create_step",
        stepId,
        kind,
        title,
        input,
      }));
      if (!outcome.ok) return lease(outcome.refusal);
      const created = outcome.events[0];
      return found(created?.type === "step.created" ? await findStep(db, request.caller.organizationId, created.data.step_id) : null);
    }),
    handle(invokeTool, async (request) => {
      const step = await findStep(db, request.caller.organizationId, request.params.id);
      if (step === null) return refused("step_not_found");
      const { name, title, arguments: args } = request.body;
      if (request.caller.grant !== undefined && !allowsTool(request.caller.grant, name))
        throw new ShellRefused("forbidden", `This capability does not allow the tool ${name}.`, { fix: "Use one whose tools name it." });
      const toolCallId = newId("tc") as ToolCallId;
      const outcome = await engine.write(request, step.run_id, request.body, (fenced) => ({
        ...fenced,
        type: "invoke_tool",
        toolCallId,
        stepId: request.params.id,
        name,
        title,
        arguments: args,
      }));
      if (!outcome.ok) return outcome.refusal.code === "run_not_found" ? refused("step_not_found") : lease(outcome.refusal);
      const invoked = outcome.events[0];
      return found(
        invoked?.type === "tool.invoked" ? await findToolCall(db, request.caller.organizationId, invoked.data.tool_call_id) : null,
      );
    }),
    handle(succeedToolCall, async (request) => {
      const ended = await endToolCall(request, (fenced, bounded) => ({
        ...fenced,
        ...bounded,
        type: "succeed_tool",
        toolCallId: request.params.id,
        durationMs: request.body.duration_ms,
      }));
      return ended;
    }),
    handle(failToolCall, async (request) => {
      const { error, duration_ms: durationMs } = request.body;
      return endToolCall(request, (fenced, bounded) => ({
        ...fenced,
        ...bounded,
        type: "fail_tool",
        toolCallId: request.params.id,
        error,
        durationMs,
      }));
    }),
    handle(createArtifact, async (request) => {
      const { organizationId } = request.caller;
      const step = await findStep(db, organizationId, request.params.id);
      // Before the body is judged: what is wrong with it must not tell that there is such a step.
      if (step === null || (await engine.visibleRun(request.caller, step.run_id)) === null) return refused("step_not_found");
      const artifact = await artifactFrom(organizationId, request.body);
      if (artifact === "too_large")
        return refused("artifact_too_large", { message: "A file is at most 4 MiB.", fix: "Attach less of it, or a uri to where it is." });
      if (artifact === null) {
        return refused("artifact_content_mismatch", {
          message: `An artifact of kind ${request.body.kind} carries exactly one of text, json, uri and content_base64: its own.`,
        });
      }
      // Content was counted as it was stored; what stands in the event itself is here.
      const inlineBytes = artifact.text === undefined && artifact.uri === undefined ? 0 : artifact.sizeBytes;
      if (inlineBytes > 0) await deps.quotas.admitBytes(organizationId, inlineBytes);
      const outcome = await engine.write(request, step.run_id, request.body, (fenced) => ({
        ...fenced,
        type: "create_artifact",
        stepId: request.params.id,
        artifact,
      }));
      if (!outcome.ok) {
        if (inlineBytes > 0) await deps.quotas.admitBytes(organizationId, -inlineBytes);
        return outcome.refusal.code === "run_not_found" ? refused("step_not_found") : lease(outcome.refusal);
      }
      const created = outcome.events[0];
      return found(
        created?.type === "artifact.created"
          ? ((await findArtifact(db, organizationId, created.data.artifact_id))?.artifact ?? null)
          : null,
      );
    }),

    handle(cancelRun, async (request) => {
      const outcome = await engine.act(request, request.params.id, {
        type: "cancel",
        runId: request.params.id,
        by: me(request),
        reason: request.body.reason,
      });
      if (outcome.ok) return outcome.run;
      return outcome.refusal.code === "run_not_found" ? refused("run_not_found") : refused("run_already_ended", details(outcome.refusal));
    }),
    handle(resolveRun, async (request) => {
      const { outcome: verdict, comment } = request.body;
      const outcome = await engine.act(request, request.params.id, {
        type: "resolve",
        runId: request.params.id,
        outcome: verdict,
        comment,
        by: me(request),
      });
      if (outcome.ok) return outcome.run;
      if (outcome.refusal.code === "run_not_found") return refused("run_not_found");
      return refused("run_not_resolvable", {
        ...details(outcome.refusal),
        message: "Only a run that failed, timed out or asks for a person can be resolved, and only once.",
      });
    }),
    handle(assignRun, async (request) => {
      const assignee = request.body.assignee ?? me(request);
      if (!(await deps.principalExists(request.caller.organizationId, assignee))) return refused("principal_not_found");
      const outcome = await engine.act(request, request.params.id, { type: "assign", runId: request.params.id, assignee, by: me(request) });
      if (outcome.ok) return outcome.run;
      return outcome.refusal.code === "run_not_found"
        ? refused("run_not_found")
        : refused("run_already_assigned", details(outcome.refusal));
    }),
    handle(unassignRun, async (request) => {
      const outcome = await engine.act(request, request.params.id, { type: "unassign", runId: request.params.id, by: me(request) });
      return outcome.ok ? outcome.run : refused("run_not_found");
    }),
  ];

  async function read(organizationId: string, runId: string) {
    return found(await findRun(db, organizationId, runId));
  }

  type EndRequest = Parameters<Engine["write"]>[0] & {
    params: { id: ToolCallId };
    body: { claim_token: string; epoch: number; output?: string | undefined };
  };
  type Fenced = Parameters<Parameters<Engine["write"]>[3]>[0];
  type Bounded = { output?: string; outputTruncated?: boolean; artifact?: NewArtifact | undefined };

  async function endToolCall(
    request: EndRequest,
    command: (fenced: Fenced, bounded: Bounded) => ReturnType<Parameters<Engine["write"]>[3]>,
  ) {
    const { organizationId } = request.caller;
    const call = await findToolCall(db, organizationId, request.params.id);
    if (call === null) return refused("toolcall_not_found");
    const { output } = request.body;
    const bounded: Bounded = output === undefined ? {} : await boundOutput(deps, organizationId, output, `${call.name} output`);
    const outcome = await engine.write(request, call.run_id, request.body, (fenced) => command(fenced, bounded));
    if (outcome.ok) return found(await findToolCall(db, organizationId, request.params.id));
    if (outcome.refusal.code === "run_not_found") return refused("toolcall_not_found");
    return outcome.refusal.code === "toolcall_already_ended" ? refused("toolcall_already_ended") : lease(outcome.refusal);
  }

  /** Null when the body does not carry exactly what its kind says. */
  async function artifactFrom(organizationId: string, body: BodyOfArtifact): Promise<NewArtifact | "too_large" | null> {
    const { kind, name, media_type: mediaType, text, json, uri, content_base64: base64 } = body;
    const contents = { text, json, uri, file: base64 };
    if (Object.values(contents).filter((content) => content !== undefined).length !== 1 || contents[kind] === undefined) return null;
    if (base64 !== undefined) {
      const bytes = Buffer.from(base64, "base64");
      return bytes.length > MAX_FILE_BYTES ? "too_large" : fileOf(deps, organizationId, bytes, { name, mediaType });
    }
    if (uri !== undefined) {
      return {
        artifactId: newId("art") as ArtifactId,
        kind: "uri",
        name,
        mediaType,
        sizeBytes: Buffer.byteLength(uri),
        sha256: sha256(uri),
        uri,
      };
    }
    if (text !== undefined)
      return {
        ...(await artifactOf(deps, organizationId, text, { name, mediaType: mediaType.startsWith("text/") ? mediaType : "text/plain" })),
        kind: "text",
        mediaType,
      };
    return artifactOf(deps, organizationId, JSON.stringify(json), { name, mediaType: "application/json" });
  }
}

const MAX_FILE_BYTES = 4 * 1024 * 1024;

type BodyOfArtifact = {
  kind: "text" | "json" | "uri" | "file";
  name: string;
  media_type: string;
  text?: string | undefined;
  json?: unknown;
  uri?: string | undefined;
  content_base64?: string | undefined;
};

const me = (request: { caller: { principal: { id: string } } }): PrincipalId => request.caller.principal.id as PrincipalId;

const details = (refusal: RunRefusal): { details?: unknown } => ("details" in refusal ? { details: refusal.details } : {});

const FIX = {
  run_not_found: "List the runs you may see with GET /v1/runs.",
  run_not_queued: "Claim another run with POST /v1/runs/claim.",
  run_not_running: "Start it first with POST /v1/runs/:id/start.",
  run_already_ended: "Its result was kept as evidence and changes nothing.",
  lease_expired: "Stop working on it and claim again; beat every 10 s to keep a lease.",
  lease_token_mismatch: "Present the claim_token and epoch that the claim returned.",
} as const;
const isLeaseCode = (code: string): code is keyof typeof FIX => code in FIX;

/** Codes that every fenced route declares; any other is a mistake of ours. */
function lease(refusal: RunRefusal) {
  if (!isLeaseCode(refusal.code)) throw new Error(`an engine's write was refused with ${refusal.code}`);
  return refused(refusal.code, { ...details(refusal), fix: FIX[refusal.code] });
}

function found<T>(record: T | null): T {
  if (record === null) throw new Error("what was just written cannot be read");
  return record;
}
