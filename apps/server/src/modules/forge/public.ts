/*
 * What the rest of the server may use of the forge: repositories of sessions.
 *
 * Per session, under `<data-dir>/forge/<session id>/`: `source.json` (what it was made from) and
 * `repo.git` (the mirror, see mirror.ts). Both can be made again from `session.created`; only commits
 * in quarantine cannot, and those are the agent's to push again.
 */
import type { RepositorySource, CheckedSource, Forge, ForgeFailure } from "@signalbox/providers/forge/port";
import { ZERO_COMMIT } from "@signalbox/providers/forge/port";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Deps, Module } from "../../module.ts";
import type { ActionsModule, EffectOutcome, Executor, ExecutorCall } from "../actions/public.ts";
import { gitProxy, type GitIdentity } from "./git-proxy.ts";
import { hasCommit, quarantine, summarise } from "./mirror.ts";
import type { RefCommand, RefReport } from "./pkt-line.ts";
import { executePush, PushCall, reconcilePush, type PushEnd } from "./push.ts";
import { checkOut, diffWorkspace, setCoAuthor, type Person, type Workspace, type WorkspaceDiff } from "./workspace.ts";
import type { IncomingMessage, ServerResponse } from "node:http";

export type { Person, Workspace, WorkspaceDiff };

/** What a push must know of the session it came from. Null: no such session, or it has ended. */
export interface PushingSession {
  readonly organizationId: string;
  readonly roomId: string;
  readonly title: string;
  readonly agentId: string;
  /** The run under way and the person whose prompt began it. */
  readonly runId: string | null;
  readonly onBehalfOf: string | null;
  readonly correlationId: string | null;
}

export interface OpenedSource {
  readonly ok: true;
  readonly baseCommit: string;
  readonly baseBranch: string | null;
  readonly workBranch: string;
}

export interface ForgeModule extends Module {
  /** Reads the remote's refs only: whether a session could begin there. */
  check(source: RepositorySource): Promise<CheckedSource | ForgeFailure>;
  /**
   * Makes the session's mirror. Again for the same session keeps what it has. `baseCommit`: where the session began,
   * when its mirror is made again after `close`; what it changed is told against that as long as the remote has it.
   */
  open(of: {
    organizationId: string;
    sessionId: string;
    source: RepositorySource;
    baseCommit?: string | undefined;
  }): Promise<OpenedSource | ForgeFailure>;
  /** Clones into the sandbox through the git proxy, or begins an empty repository for a session without source. */
  checkout(workspace: Workspace, of: { sessionId: string; agent: Person }): Promise<void>;
  /** Whose prompt the next commits follow: co-author of each. */
  setPerson(workspace: Workspace, person: Person): Promise<void>;
  diff(workspace: Workspace, of: { sessionId: string }): Promise<WorkspaceDiff & { baseCommit: string | null }>;
  /** Internal destination `git.signalbox.invalid` of the egress proxy. */
  readonly gitHandler: (request: IncomingMessage, response: ServerResponse, identity: GitIdentity) => Promise<void>;
  /** Deletes the session's mirror. */
  close(sessionId: string): Promise<void>;
}

export interface ForgeDeps extends Pick<Deps, "logger"> {
  readonly forge: Forge;
  readonly actions: Pick<ActionsModule, "request" | "register" | "waitForEnd">;
  readonly session: (sessionId: string) => Promise<PushingSession | null>;
  /** `<data-dir>/forge` */
  readonly directory: string;
  /** How long a `git push` waits for a person before the turn goes on without the answer. Default 5 min. */
  readonly pushWaitMs?: number | undefined;
}

function impactOf(branch: string, remote: string, call: PushCall): string {
  if (call.new === ZERO_COMMIT) return `${branch} of ${remote} is deleted; it is at ${call.old.slice(0, 10)} now.`;
  if (call.old === ZERO_COMMIT) return `${branch} of ${remote} is created at ${call.new.slice(0, 10)}.`;
  return `${branch} of ${remote} moves from ${call.old.slice(0, 10)} to ${call.new.slice(0, 10)}.`;
}

/** What loses commits is another action than what adds some: the policy denies it where it only asks about the other. */
function actionOf(call: PushCall, forced: boolean): string {
  if (call.new === ZERO_COMMIT) return "git.branch.delete";
  return forced && call.old !== ZERO_COMMIT ? "git.push.force" : "git.push";
}

const SourceFile = z.object({
  remoteUrl: z.string(),
  hasWorkingTree: z.boolean(),
  baseCommit: z.string(),
  baseBranch: z.string().nullable(),
  workBranch: z.string(),
});
type SourceFile = z.infer<typeof SourceFile>;

const PUSH_WAIT_MS = 300_000;

export function createForge(deps: ForgeDeps): ForgeModule {
  const { forge, actions } = deps;
  const place = (sessionId: string): string => join(deps.directory, sessionId);
  const mirrorPath = (sessionId: string): string => join(place(sessionId), "repo.git");

  async function sourceOf(sessionId: string): Promise<SourceFile | null> {
    try {
      return SourceFile.parse(JSON.parse(await readFile(join(place(sessionId), "source.json"), "utf8")));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw new Error(`the source of ${sessionId} cannot be read`, { cause: error });
    }
  }

  async function open(of: {
    organizationId: string;
    sessionId: string;
    source: RepositorySource;
    baseCommit?: string | undefined;
  }): Promise<OpenedSource | ForgeFailure> {
    const known = await sourceOf(of.sessionId);
    if (known !== null) return { ok: true, ...known };
    const source = await forge.check(of.source);
    if (!source.ok) return source;
    // Without its source.json it is half made; the locks of a git that was killed would stay for ever.
    await rm(place(of.sessionId), { recursive: true, force: true });
    await mkdir(place(of.sessionId), { recursive: true, mode: 0o700 });
    const mirrored = await forge.mirror({ directory: mirrorPath(of.sessionId), source });
    if (!mirrored.ok) return mirrored;
    const file: SourceFile = {
      remoteUrl: source.remoteUrl,
      hasWorkingTree: source.hasWorkingTree,
      baseCommit: of.baseCommit !== undefined && (await hasCommit(mirrorPath(of.sessionId), of.baseCommit)) ? of.baseCommit : source.commit,
      baseBranch: source.branch,
      workBranch: `signalbox/${of.sessionId.slice(-8).toLowerCase()}`,
    };
    // Written last and whole: a session with a source.json has its mirror.
    const path = join(place(of.sessionId), "source.json");
    await writeFile(`${path}.new`, JSON.stringify(file), { mode: 0o600 });
    await rename(`${path}.new`, path);
    return { ok: true, ...file };
  }

  /** The mirror as the remote is now. */
  async function refresh(sessionId: string, source: SourceFile, signal: AbortSignal): Promise<void> {
    const { remoteUrl, hasWorkingTree, baseBranch: branch, baseCommit: commit } = source;
    const mirrored = await forge.mirror({
      directory: mirrorPath(sessionId),
      source: { ok: true, remoteUrl, hasWorkingTree, branch, commit },
      signal,
    });
    if (!mirrored.ok) throw new Error(`the remote has moved and cannot be fetched: ${mirrored.message}`);
  }

  async function push(
    sessionId: string,
    directory: string,
    command: RefCommand,
    options: { signal: AbortSignal; progress: (text: string) => void },
  ): Promise<RefReport> {
    const [source, session] = [await sourceOf(sessionId), await deps.session(sessionId)];
    const no = (reason: string): RefReport => ({ ref: command.ref, ok: false, reason });
    if (source === null || session === null) return no("the session has ended");
    // A checked-out branch must not move under its owner's working tree.
    const ref = source.hasWorkingTree && command.ref.startsWith("refs/heads/") ? `refs/heads/${source.workBranch}` : command.ref;
    const old = (await forge.remoteRef(source.remoteUrl, ref, options.signal)) ?? ZERO_COMMIT;
    if (old === command.new) return { ref: command.ref, ok: true };
    // Before the agent is told to fetch, there must be something to fetch; and a person is shown what would be lost.
    if (old !== command.old && old !== ZERO_COMMIT) await refresh(sessionId, source, options.signal);
    // The agent saw another old commit than the remote has now: what it would overwrite, nobody looked at.
    if (ref === command.ref && old !== command.old) return no("fetch first: the remote branch has moved");
    await quarantine(directory, command.new);
    const summary = await summarise(directory, old, command.new);
    const branch = ref.replace(/^refs\/(heads|tags)\//, "");
    const call: PushCall = { remote: source.remoteUrl, ref, old, new: command.new };
    const asked = await actions.request({
      organizationId: session.organizationId,
      stream: { type: "room", id: session.roomId },
      origin: {
        principal: { id: session.agentId, type: "agent" },
        zone: "sandbox",
        roomId: session.roomId,
        sessionId,
        ...(session.runId === null ? {} : { runId: session.runId }),
        ...(session.correlationId === null ? {} : { correlationId: session.correlationId }),
      },
      action: actionOf(call, summary.forced),
      title:
        command.new === ZERO_COMMIT ? `Delete ${branch}` : `Push ${summary.commits} commit${summary.commits === 1 ? "" : "s"} to ${branch}`,
      params: call,
      target: { type: "repository", id: source.remoteUrl, ref },
      sessionId,
      ...(session.runId === null ? {} : { runId: session.runId }),
      requestedBy: { id: session.agentId, type: "agent" },
      ...(session.onBehalfOf === null ? {} : { onBehalfOf: session.onBehalfOf }),
      resource: { type: "repository", id: source.remoteUrl },
      form: {
        purpose: `Publish the work of the session “${session.title}”.`,
        external_impact: impactOf(branch, source.remoteUrl, call),
        risks: summary.forced && old !== ZERO_COMMIT ? ["Commits that only the remote has would be lost."] : [],
        rollback_plan: old === ZERO_COMMIT ? `Delete ${branch} at the remote.` : `Push ${old.slice(0, 10)} back to ${branch}.`,
        notes_md: [...summary.log.map((line) => `- ${line}`), "", summary.stat].join("\n"),
      },
      context: { forced: summary.forced && old !== ZERO_COMMIT, deletes: command.new === ZERO_COMMIT },
    });
    if (!asked.ok) {
      const why =
        asked.refusal.code === "action_denied"
          ? asked.refusal.details.reason
          : `limit of ${asked.refusal.details.limit} reached (${asked.refusal.code})`;
      return no(`denied: ${why}`);
    }
    if (asked.status === "pending") options.progress(`Signalbox: this push awaits a person's approval (${asked.approvalId}).`);
    const ended = await actions.waitForEnd(session.organizationId, asked.invocationId, {
      signal: options.signal,
      timeoutMs: deps.pushWaitMs ?? PUSH_WAIT_MS,
    });
    switch (ended?.status) {
      case "completed":
        if (ref !== command.ref)
          options.progress(`Signalbox: pushed to ${branch}; the checked-out branch of a local repository is left alone.`);
        return { ref: command.ref, ok: true };
      case "failed":
        return no(`failed: ${ended.error?.message ?? "the remote refused"}`);
      case "denied":
        return no("denied by a person; do not push it again unless asked to");
      case "expired":
        return no("nobody answered in time");
      default:
        return no(`awaits approval (${asked.approvalId ?? asked.invocationId}); it is pushed once approved, do not repeat it`);
    }
  }

  const gitHandler = gitProxy({
    mirrorOf: async (sessionId) => ((await sourceOf(sessionId)) === null ? null : mirrorPath(sessionId)),
    push,
  });

  const context = (call: ExecutorCall, signal: AbortSignal) => {
    if (call.sessionId === null) throw new Error("a push without a session");
    return { forge, directory: mirrorPath(call.sessionId), signal };
  };
  const outcome = (end: PushEnd): EffectOutcome | { outcome: "unknown"; reason: string } => {
    if (end.status === "completed") return { outcome: "completed", result: end.result };
    return end.status === "failed"
      ? { outcome: "failed", code: end.code, message: end.message }
      : { outcome: "unknown", reason: end.reason };
  };
  const executor: Executor = {
    async execute(call, { signal }) {
      const end = outcome(await executePush(PushCall.parse(call.params), context(call, signal)));
      // A throw is how an executor says that the effect may have happened.
      if (end.outcome === "unknown") throw new Error(end.reason);
      return end;
    },
    reconcile: async (call, { signal }) => outcome(await reconcilePush(PushCall.parse(call.params), context(call, signal))),
  };
  for (const action of ["git.push", "git.push.force", "git.branch.delete"]) actions.register(action, executor);

  return {
    routes: [],
    projections: [],
    schemas: [],
    jobs: {},
    check: (source) => forge.check(source),
    open,
    async checkout(workspace, { sessionId, agent }) {
      const source = await sourceOf(sessionId);
      await checkOut(workspace, {
        base: source === null ? null : { commit: source.baseCommit },
        workBranch: source?.workBranch ?? "main",
        agent,
      });
    },
    setPerson: setCoAuthor,
    async diff(workspace, { sessionId }) {
      const baseCommit = (await sourceOf(sessionId))?.baseCommit ?? null;
      return { baseCommit, ...(await diffWorkspace(workspace, baseCommit)) };
    },
    gitHandler,
    close: (sessionId) => rm(place(sessionId), { recursive: true, force: true }),
  };
}
