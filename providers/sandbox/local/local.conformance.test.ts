import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sandboxConformance } from "../conformance.ts";
import { localSandboxes } from "./provider.ts";

sandboxConformance("local", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "sbx-"));
  const make = (): ReturnType<typeof localSandboxes> => localSandboxes({ dataDir });
  return {
    provider: make(),
    restarted: make,
    hostFolders: [dataDir, join(dataDir, "sandboxes"), join(dataDir, "tools"), "/run/signalbox", "/var/lib/signalbox"],
    cleanup: async () => rmSync(dataDir, { recursive: true, force: true }),
  };
});
