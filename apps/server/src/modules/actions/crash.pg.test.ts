import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { startScript } from "@signalbox/testkit/crash";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, expect, test } from "vitest";
import { type Stage, startStage } from "./stage.fixture.ts";

const database = databaseTest();
const script = path.join(import.meta.dirname, "crash.script.ts");
const dir = mkdtempSync(path.join(tmpdir(), "signalbox-crash-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const connections = () =>
  Object.fromEntries((["admin", "sb_owner", "sb_log", "sb_app"] as const).map((role) => [role, database.connection(role)]));

async function approvedCall(stage: Stage): Promise<string> {
  const asked = await stage.request();
  if (!asked.ok) throw new Error(asked.refusal.code);
  await stage.decide(asked.approvalId!, "approve");
  return asked.invocationId;
}

test.each([
  ["before the effect", 0, { status: "failed", error: { code: "never_happened", message: "the world has no trace of it" } }],
  ["after the effect", 1, { status: "completed", result: { found: true } }],
] as const)(
  "a worker killed with -9 %s of an approved action: it happens %i times in all, never twice, and its outcome becomes known",
  async (crashAt, times, outcome) => {
    const world = path.join(dir, crashAt.replaceAll(" ", "-"));
    writeFileSync(world, "");
    const stage = await startStage(database.connection, { works: false });
    try {
      const id = await approvedCall(stage);
      const doomed = startScript(script, { args: [connections(), world], crashAt });
      expect(await doomed.ended).toBe("SIGKILL");
      expect(await stage.actions.view("ws_dev", id)).toMatchObject({ status: "executing" });

      const successors = [startScript(script, { args: [connections(), world] }), startScript(script, { args: [connections(), world] })];
      try {
        await expect.poll(() => stage.actions.view("ws_dev", id), { timeout: 30_000, interval: 50 }).toMatchObject(outcome);
      } finally {
        for (const successor of successors) successor.kill();
        await Promise.all(successors.map(({ ended }) => ended));
      }
      expect(
        readFileSync(world, "utf8")
          .split("\n")
          .filter((line) => line === id),
      ).toHaveLength(times);
      const types = (
        await database.rows<{ type: string }>("select type from evt_events where subject = $1 order by subject_version", [
          `invocation:${id}`,
        ])
      ).map((row) => row.type);
      expect(types).toEqual([
        "invocation.requested",
        "invocation.approved",
        "invocation.executing",
        "invocation.unknown",
        `invocation.${outcome.status}`,
      ]);
    } finally {
      await stage.stop();
    }
  },
  60_000,
);

test("two workers, ten approved actions: each happens once", async () => {
  const world = path.join(dir, "many");
  writeFileSync(world, "");
  const stage = await startStage(database.connection, { works: false });
  const workers = [startScript(script, { args: [connections(), world] }), startScript(script, { args: [connections(), world] })];
  try {
    const ids = await Promise.all(Array.from({ length: 10 }, () => approvedCall(stage)));
    for (const id of ids) expect(await stage.end(id, 30_000)).toMatchObject({ status: "completed" });
    expect(readFileSync(world, "utf8").trim().split("\n").toSorted()).toEqual(ids.toSorted());
  } finally {
    for (const worker of workers) worker.kill();
    await Promise.all(workers.map(({ ended }) => ended));
    await stage.stop();
  }
}, 60_000);
