/* A sandbox provider that also knows which of its sandboxes are alive in this process, for whoever asks how they do. */
import type { Sandbox, SandboxProvider } from "@signalbox/providers/sandbox/port";

export interface LiveSandbox {
  readonly sandbox: Sandbox;
  /** Null: it was taken over from a server before this one. */
  readonly startedAt: string | null;
}
export interface WatchedSandboxes extends SandboxProvider {
  alive(): readonly LiveSandbox[];
}

export function watchSandboxes(provider: SandboxProvider, now: () => string): WatchedSandboxes {
  const known = new Map<string, LiveSandbox>();
  function keep(sandbox: Sandbox, startedAt: string | null): Sandbox {
    const entry = { sandbox, startedAt };
    known.set(sandbox.id, entry);
    return sandbox;
  }
  return {
    name: provider.name,
    check: () => provider.check(),
    create: async (spec) => keep(await provider.create(spec), now()),
    async adopt(record) {
      const sandbox = await provider.adopt(record);
      return sandbox === null ? null : keep(sandbox, null);
    },
    list: () => provider.list(),
    async release(id) {
      known.delete(id);
      await provider.release(id);
    },
    remove: (id) => provider.remove(id),
    close: () => provider.close(),
    alive() {
      for (const [id, { sandbox }] of known) if (!sandbox.alive()) known.delete(id);
      return [...known.values()];
    },
  };
}
