import type { RunEvent } from "@signalbox/contract/events/runs";
import { databaseTest } from "@signalbox/testkit/database";
import { recorded } from "@signalbox/testkit/events";
import { expect, test } from "vitest";
import { claim, COMMAND, create, engine, foldRun, history, HISTORY, RUN, start, TURN } from "./fixtures.ts";
import { runRecord } from "./record.projection.ts";
import { runList } from "./runs.projection.ts";

const database = databaseTest();
const TABLES = ["proj_runs", "proj_run_attempts", "proj_steps", "proj_tool_calls", "proj_artifacts"];
const ORGANIZATION = "ws_projection";

const stored = async () =>
  Object.fromEntries(
    await Promise.all(
      TABLES.map(
        async (table) => [table, await database.rows(`select * from ${table} where organization_id = $1`, [ORGANIZATION])] as const,
      ),
    ),
  );
const clear = async () => {
  for (const table of TABLES) await database.rows(`delete from ${table} where organization_id = $1`, [ORGANIZATION]);
};
async function project(events: readonly RunEvent[], after: number): Promise<void> {
  const batch = recorded(events, { subjectId: RUN, subjectKind: "run", organizationId: ORGANIZATION, after });
  await database.transaction(async (tx) => {
    for (const projection of [runList, runRecord]) {
      const mine = batch.filter((r) => projection.types.includes(r.event.type as never));
      if (mine.length > 0) await projection.project(tx, mine);
    }
  });
}

const second = engine(2);
const long = history(
  create(),
  claim(),
  start(),
  COMMAND.create_step,
  COMMAND.invoke_tool,
  COMMAND.succeed_tool,
  COMMAND.create_artifact,
  COMMAND.release,
  COMMAND.assign,
  claim(2),
  start(second),
  { ...COMMAND.need_human, writer: second } as never,
  COMMAND.resolve,
);

test.each([
  ...Object.entries(HISTORY).filter(([status]) => status !== "none"),
  ["running", TURN.running] as const,
  ["succeeded", long] as const,
])("a history ending in %s lands as that, in one batch or many, and replaying it changes nothing", async (status, events) => {
  await clear();
  await project(events, 0);
  const once = await stored();
  expect(once["proj_runs"]).toMatchObject([{ id: RUN, status }]);
  await clear();
  for (const [i, event] of events.entries()) await project([event], i);
  expect(await stored()).toEqual(once);
  await project(events, 0);
  for (const [i, event] of events.entries()) await project([event], i);
  expect(await stored()).toEqual(once);
  await clear();
});

test("a history whose payloads were all erased still folds and still lands", async () => {
  const erased = long.map((event) => ({ type: event.type, data: {} }) as RunEvent);
  expect(() => foldRun(erased)).not.toThrow();
  const batch = recorded(erased, { subjectId: RUN, subjectKind: "run", organizationId: ORGANIZATION, more: { redaction: "full" } });
  await database.transaction(async (tx) => {
    await runList.project(
      tx,
      batch.filter((r) => runList.types.includes(r.event.type)),
    );
    await runRecord.project(
      tx,
      batch.filter((r) => runRecord.types.includes(r.event.type)),
    );
  });
  expect((await stored())["proj_runs"]).toMatchObject([{ id: RUN, kind: "turn", title: null }]);
  await clear();
});

test("a run that went through two hands shows both attempts, who has it, and what was done", async () => {
  await project(long, 0);
  const tables = await stored();
  expect(tables["proj_run_attempts"]).toMatchObject([
    { attempt_no: 1, end_reason: "released" },
    { attempt_no: 2, end_reason: "failed" },
  ]);
  expect(tables["proj_runs"]).toMatchObject([{ status: "succeeded", attempt_no: 2, assignee: "usr_person", error_code: "needs_human" }]);
  expect(tables["proj_tool_calls"]).toMatchObject([{ status: "succeeded", output: "ok", duration_ms: "5" }]);
  expect(tables["proj_artifacts"]).toHaveLength(1);
  await clear();
});
