import type { Sandbox } from "@signalbox/providers/sandbox/port";
import { SandboxLinkError } from "@signalbox/sandboxd/host";
import { expect, test } from "vitest";
import { isReserved, portsOf } from "./ports.ts";

const asked = (ports: Sandbox["ports"]): Sandbox => ({ ports }) as Sandbox;

test.each(["link_lost", "link_timeout"])("of a sandbox that ends while it is asked (%s) nothing is known", async (code) => {
  const ending = asked(() => Promise.reject(new SandboxLinkError(code, "the connection to the sandbox was lost")));
  expect(await portsOf(ending)).toBeNull();
  expect(await isReserved(ending, 3000)).toBeNull();
});

test("what else goes wrong is told", async () => {
  const failing = asked(() => Promise.reject(new Error("bad frame")));
  await expect(portsOf(failing)).rejects.toThrow("bad frame");
  await expect(isReserved(failing, 3000)).rejects.toThrow("bad frame");
});
