/* A terminal outlives the server: a whole installation is killed and started again, and the shell never knew. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { startInstallation, type Installation } from "../sessions/installation.fixture.ts";
import { until, watchAt, type Watch } from "./workbench.fixture.ts";

let at: Installation;

beforeAll(async () => {
  at = await startInstallation({ delayMs: 1 });
}, 120_000);
afterAll(() => at.close());

async function watch(terminalId: string, from?: number): Promise<Watch> {
  const { body } = await at.call("POST", "/v1/sync/token", {});
  return watchAt(Number(new URL(at.url()).port), body.token, terminalId, from);
}

test("after kill -9 of the server the same shell goes on, without a byte lost or repeated", { timeout: 180_000 }, async () => {
  const { body: session } = await at.call("POST", "/v1/sessions", { source: { type: "scratch" }, sandbox: "immediate" });
  await until("the session runs", async () => (await at.call("GET", `/v1/sessions/${session.id}`)).body.status === "running", 120_000);
  const { body: terminal } = await at.call("POST", `/v1/sessions/${session.id}/terminals`, { cols: 90, rows: 25 });
  const before = await watch(terminal.id);
  before.type("kept=yes; i=0; while [ $i -lt 10000 ]; do i=$((i+1)); echo tick-$i; sleep 0.02; done\n");
  await before.says(/tick-20\r\n/);
  await at.killServer();
  await before.closed;
  const seen = before.bytes();
  await at.startServer();

  let after = await watch(terminal.id, seen);
  // The sandbox is adopted in the background: a client that is told so comes again.
  await until(
    "it is attached again",
    async () => {
      if (after.frames.some(({ type }) => type === "ready")) return true;
      if (after.frames.some(({ type }) => type === "error")) after = await watch(terminal.id, seen);
      return false;
    },
    60_000,
  );
  expect(await after.frame("ready")).toMatchObject({ offset: seen, cols: 90, rows: 25 });
  await after.says(/tick-200\r\n/);
  const ticks = Array.from((before.output() + after.output()).matchAll(/tick-(\d+)\r\n/g), (match) => Number(match[1]));
  expect(ticks).toEqual(ticks.map((_, i) => i + 1));
  // A shell that just begins its next command may miss an interrupt; whoever sits there presses again.
  await until("the loop is interrupted, and the shell still knows", async () => {
    after.type("\u0003echo still-$kept\n");
    await new Promise((resolve) => setTimeout(resolve, 300));
    return after.output().includes("still-yes");
  });
  const late = await watch(terminal.id);
  await late.says(/tick-20\r\n[\s\S]*still-yes/);
  expect((await at.call("GET", `/v1/sessions/${session.id}/terminals`)).body.items).toMatchObject([
    { id: terminal.id, alive: true, viewers: 2 },
  ]);

  // And when its sandbox dies, that is said.
  const sandboxId = (await at.call("GET", `/v1/sessions/${session.id}/status`)).body.sandbox_id as string;
  at.killSandbox(sandboxId);
  expect(await late.frame("exit")).toMatchObject({ reason: "sandbox_ended" });
});
