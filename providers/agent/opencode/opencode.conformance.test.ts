import { describe } from "vitest";
import { harnessConformance } from "../conformance.ts";
import { unsandboxedHost } from "../unsandboxed.fixture.ts";
import { openCodeBinary } from "./binary.ts";
import { openCodeHarness } from "./harness.ts";

const command = openCodeBinary();

describe.skipIf(command === null)("OpenCode over HTTP", () => {
  harnessConformance({ harness: openCodeHarness({ command: command! }), createHost: () => unsandboxedHost() });
});
