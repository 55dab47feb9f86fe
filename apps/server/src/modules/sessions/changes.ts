import type { FileChange } from "@signalbox/contract/events/sessions";
import type { Sandbox } from "@signalbox/providers/sandbox/port";
import type { z } from "zod";
import type { ForgeModule } from "../forge/public.ts";
import type { NewArtifact, RunsModule } from "../runs/public.ts";
import type { TurnRow } from "./look.ts";
import { changesKey, type Session } from "./session.ts";

export interface TurnChanges {
  readonly files: z.infer<typeof FileChange>[];
  readonly headCommit: string | null;
  /** Null when nothing changed since it was last recorded. */
  readonly patch: NewArtifact | null;
  /** A commit on which the session did not stand before. */
  readonly commit: { commit: string; branch: string; message: string } | null;
}

const GIT_MS = 10_000;

/** What differs from where the session began, and whether its head moved. What git says in there is the agent's word. */
export async function changesOf(
  deps: { forge: Pick<ForgeModule, "diff">; runs: Pick<RunsModule, "artifactOf"> },
  sandbox: Sandbox,
  of: { organizationId: string; sessionId: string; state: Session; turn: TurnRow },
): Promise<TurnChanges> {
  const { files, headCommit, patch } = await deps.forge.diff(sandbox, { sessionId: of.sessionId });
  const listed = files.slice(0, 2000);
  const known = of.state.status === "none" ? null : of.state;
  const moved = headCommit !== null && headCommit !== (known?.headCommit ?? null);
  const changed = patch !== "" && changesKey(listed, headCommit ?? undefined) !== known?.changes;
  return {
    files: listed,
    headCommit,
    patch: changed ? await deps.runs.artifactOf(of.organizationId, patch, { name: "changes.patch", mediaType: "text/x-diff" }) : null,
    commit: moved ? await commitOf(sandbox, headCommit) : null,
  };
}

async function commitOf(sandbox: Sandbox, commit: string): Promise<TurnChanges["commit"]> {
  const shown = await sandbox.exec({ argv: ["git", "log", "-1", "--format=%s", commit], cwd: "/workspace", timeoutMs: GIT_MS });
  const branch = await sandbox.exec({ argv: ["git", "rev-parse", "--abbrev-ref", "HEAD"], cwd: "/workspace", timeoutMs: GIT_MS });
  if (shown.exitCode !== 0) return null;
  return {
    commit,
    message: (shown.stdout.toString("utf8").split("\n")[0] ?? "").slice(0, 500),
    branch: branch.stdout.toString("utf8").trim().slice(0, 250) || "HEAD",
  };
}
