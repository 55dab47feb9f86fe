import { describe } from "vitest";
import { harnessConformance } from "../conformance.ts";
import { openCodeBinary } from "../opencode/binary.ts";
import { unsandboxedHost } from "../unsandboxed.fixture.ts";
import { acpHarness, openCodeAcp } from "./harness.ts";

const command = openCodeBinary();

describe.skipIf(command === null)("ACP, with `opencode acp`", () => {
  harnessConformance({ harness: acpHarness(openCodeAcp(command!)), createHost: () => unsandboxedHost() });
});
