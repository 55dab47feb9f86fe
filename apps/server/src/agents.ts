/* Which agents this installation has, and what a sandbox may use. */
import { acpHarness, openCodeAcp } from "@signalbox/providers/agent/acp/harness";
import { openCodeBinary } from "@signalbox/providers/agent/opencode/binary";
import { openCodeHarness } from "@signalbox/providers/agent/opencode/harness";
import type { SandboxLimits } from "@signalbox/providers/sandbox/port";
import type { Config } from "./config/settings.ts";
import type { HarnessEntry } from "./modules/sessions/public.ts";

const MIB = 1024 * 1024;

export const sandboxLimits = (config: Config): SandboxLimits => ({
  memoryBytes: config.sandboxMemoryMb * MIB,
  pids: config.sandboxPids,
  diskBytes: config.sandboxDiskMb * MIB,
  cpu: config.sandboxCpus,
});

/** By the contract's harness name. Empty where npm has no agent for this machine: creating a session then says so. */
export function harnessesHere(): Record<string, HarnessEntry> {
  const binary = openCodeBinary();
  if (binary === null) return {};
  const tools = [{ name: "opencode", source: binary }];
  return {
    opencode: { harness: openCodeHarness(), tools },
    acp: { harness: acpHarness(openCodeAcp()), tools },
  };
}
