/* What sessions need of others, beyond the modules' own public interfaces. `compose.ts` fits them together. */
import type { Harness } from "@signalbox/providers/agent/port";

/** The way out of a sandbox: listens in its host-owned directory, whose socket is the sandbox's identity. */
export interface EgressPort {
  listen(identity: { organizationId: string; sessionId: string; sandboxId: string }, directory: string): Promise<void>;
  unlisten(sandboxId: string): Promise<void>;
}

export interface HarnessEntry {
  readonly harness: Harness;
  /** The agent's own program, bound read-only into the sandbox and found on its PATH as `name`. */
  readonly tools: readonly { readonly name: string; readonly source: string }[];
}

/** As seen from inside; the key is a placeholder, the socket is the credential. */
export const MODEL_BASE_URL = "http://model.signalbox.invalid/llm/v1";
export const MODEL_PLACEHOLDER_KEY = "signalbox-placeholder";
