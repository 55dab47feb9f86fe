/*
 * Every action the gate knows, as data. What is not here is denied (`unknown_action`).
 *
 * `scope` is what the policies judge: `session` stays inside the sandbox, `egress` and `model` have
 * policies of their own, `rule` widens what sandboxes may reach and `narrowing` takes it back,
 * `outside` is everything else that touches the world. The kill switch stops all but `session`
 * and `narrowing`.
 */
import type { ActionRegistryEntry } from "@signalbox/contract/gate";
import type { z } from "zod";

export interface RegisteredAction extends z.input<typeof ActionRegistryEntry> {
  readonly scope: "session" | "outside" | "egress" | "model" | "rule" | "narrowing";
}

const outside = { scope: "outside", zone: "supervised", compensating_action: null, cost_class: "none" } as const;
const session = {
  scope: "session",
  zone: "sandbox",
  risk: "write",
  reversible: true,
  compensating_action: null,
  cost_class: "none",
} as const;

const ENTRIES: readonly RegisteredAction[] = [
  { ...outside, action: "external.read", description: "Read from an outside service", risk: "read", reversible: true },
  {
    ...outside,
    action: "external.write",
    description: "Write to an outside service",
    risk: "write",
    reversible: false,
    zone: "high_stakes",
  },
  {
    ...outside,
    action: "api.call.idempotent",
    description: "Call an outside API in a way that changes nothing twice",
    risk: "read",
    reversible: true,
  },
  {
    ...outside,
    action: "api.call.mutating",
    description: "Call an outside API in a way that changes something",
    risk: "write",
    reversible: false,
    zone: "high_stakes",
  },
  { ...outside, action: "git.clone", description: "Clone a repository", risk: "read", reversible: true },
  { ...outside, action: "git.fetch", description: "Fetch from a git remote", risk: "read", reversible: true },
  {
    ...outside,
    action: "git.push",
    description: "Push commits to a git remote",
    risk: "write",
    reversible: true,
    compensating_action: "git.push",
  },
  {
    ...outside,
    action: "git.push.force",
    description: "Overwrite a branch that others may have",
    risk: "danger",
    reversible: false,
    zone: "high_stakes",
  },
  {
    ...outside,
    action: "git.branch.delete",
    description: "Delete a branch of a git remote",
    risk: "danger",
    reversible: false,
    compensating_action: "git.push",
    zone: "high_stakes",
  },
  { ...outside, action: "email.send", description: "Send an e-mail", risk: "write", reversible: false, zone: "high_stakes" },
  { ...outside, action: "chat.post", description: "Post to a chat", risk: "write", reversible: true },
  { ...outside, action: "payment.execute", description: "Pay", risk: "write", reversible: false, zone: "high_stakes", cost_class: "high" },
  { ...outside, action: "secret.use", description: "Use a stored secret", risk: "write", reversible: true, zone: "high_stakes" },
  {
    ...outside,
    action: "resource.delete",
    description: "Delete something outside for good",
    risk: "danger",
    reversible: false,
    zone: "high_stakes",
  },
  { ...session, action: "egress.request", description: "Reach a host from a sandbox", scope: "egress", risk: "read", zone: "supervised" },
  { ...session, action: "model.call", description: "Call a model", scope: "model", risk: "read", zone: "supervised", cost_class: "medium" },
  {
    ...outside,
    action: "egress.rule.add",
    description: "Put a host on the allow-list",
    scope: "rule",
    risk: "write",
    reversible: true,
    compensating_action: "egress.rule.remove",
  },
  {
    ...outside,
    action: "egress.rule.remove",
    description: "Take a host off the allow-list",
    scope: "narrowing",
    risk: "write",
    reversible: true,
    compensating_action: "egress.rule.add",
  },
  { ...session, action: "session.read", description: "Read a file of the session", risk: "read" },
  { ...session, action: "session.write", description: "Change a file of the session" },
  { ...session, action: "session.execute", description: "Run a command in the sandbox" },
  { ...session, action: "session.commit", description: "Commit in the session's working copy" },
  { ...session, action: "tool.*", description: "Use a tool inside the sandbox (what the agent's harness asks for)" },
  { ...session, action: "tool.doom_loop", description: "Go on repeating the same tool call", risk: "danger" },
  { ...session, action: "artifact.create", description: "Keep an output", zone: "supervised" },
  { ...session, action: "artifact.update", description: "Replace an output", zone: "supervised" },
];

/** Harnesses name their tools as they like; what a tool may reach is the sandbox's and the egress's business. */
export const registeredAction = (name: string): RegisteredAction | undefined =>
  ACTION_REGISTRY.get(name) ?? (/^tool\.[a-z]/.test(name) ? ACTION_REGISTRY.get("tool.*") : undefined);

export const ACTION_REGISTRY: ReadonlyMap<string, RegisteredAction> = new Map(ENTRIES.map((entry) => [entry.action, entry]));
