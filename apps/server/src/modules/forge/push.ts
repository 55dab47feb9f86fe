/*
 * `git.push`: one ref of a remote repository, from exactly one commit to exactly another.
 *
 *   sandbox ─git push─► quarantine ─► invocation ─► gate ─► (person) ─► worker ─► remote
 *
 * The call is {remote, ref, old, new}; its hash is what a person approves, so nothing else can be
 * pushed with the answer. The worker pushes with `--force-with-lease=<ref>:<old>`; when it does not
 * learn the outcome, the remote's ref tells: it is `new`, or it is still `old`, or a person must look.
 */
import { ZERO_COMMIT, type Forge } from "@signalbox/providers/forge/port";
import { z } from "zod";
import { isConnected, release } from "./mirror.ts";

export const PushCall = z.object({
  remote: z.string(),
  ref: z.string(),
  old: z.string().regex(/^[0-9a-f]{40}$/),
  new: z.string().regex(/^[0-9a-f]{40}$/),
});
export type PushCall = z.infer<typeof PushCall>;

export type PushEnd =
  | { readonly status: "completed"; readonly result: { readonly remote: string; readonly ref: string; readonly commit: string } }
  | { readonly status: "failed"; readonly code: string; readonly message: string }
  | { readonly status: "unknown"; readonly reason: string };

export interface PushContext {
  readonly forge: Forge;
  readonly directory: string;
  readonly signal: AbortSignal;
}

export async function executePush(call: PushCall, { forge, directory, signal }: PushContext): Promise<PushEnd> {
  if (call.new !== ZERO_COMMIT && !(await isConnected(directory, call.new))) {
    return { status: "failed", code: "commit_missing", message: "The commit is no longer in quarantine. Push it again." };
  }
  const outcome = await forge.push({ directory, remoteUrl: call.remote, ref: call.ref, old: call.old, new: call.new, signal });
  if (outcome.ok) return pushed(call, directory);
  if (outcome.code === "unknown") return { status: "unknown", reason: outcome.message };
  return { status: "failed", code: outcome.code, message: outcome.message };
}

/** What the remote itself says of a push whose outcome was not learned. */
export async function reconcilePush(call: PushCall, { forge, directory, signal }: PushContext): Promise<PushEnd> {
  const now = (await forge.remoteRef(call.remote, call.ref, signal)) ?? ZERO_COMMIT;
  if (now === call.new) return pushed(call, directory);
  if (now === call.old)
    return { status: "failed", code: "not_pushed", message: "The remote still has the old commit: nothing was pushed." };
  return {
    status: "unknown",
    reason: `The remote's ${call.ref} is at ${now.slice(0, 12)}, which is neither the old nor the pushed commit.`,
  };
}

async function pushed(call: PushCall, directory: string): Promise<PushEnd> {
  await release(directory, call.ref, call.new);
  return { status: "completed", result: { remote: call.remote, ref: call.ref, commit: call.new } };
}
