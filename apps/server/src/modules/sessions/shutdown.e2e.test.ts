/* A server that is told to stop while an agent does not come up: it has three minutes to do so, and the server does not wait. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { openCodeHarness } from "@signalbox/providers/agent/opencode/harness";
import { databaseTest } from "@signalbox/testkit/database";
import { expect, test } from "vitest";
import { startComposed } from "../../composed.fixture.ts";

const database = databaseTest();

test("a server stops while an agent is still starting, and the session goes on with the next message", async () => {
  const tools = mkdtempSync(path.join(tmpdir(), "signalbox-shutdown-"));
  chmodSync(tools, 0o755);
  const source = path.join(tools, "never-ready");
  writeFileSync(source, "#!/bin/sh\nexec sleep 600\n", { mode: 0o755 });
  const harnesses = {
    opencode: { harness: openCodeHarness({ command: "never-ready" }), tools: [{ name: "never-ready", source }] },
  };
  const c = await startComposed(database, { environment: { SIGNALBOX_DEMO: "1" }, harnesses });
  const created = await c.call("POST", "/v1/sessions", { token: c.owner, body: { source: { type: "scratch" }, prompt: "Begin." } });
  expect(created.status, JSON.stringify(created.body)).toBe(201);
  const { id } = created.body;
  // Its program is there: what is waited for now is that it answers.
  await expect
    .poll(async () => (await database.rows<{ alive: boolean }>("select sandbox_record is not null as alive from session_hubs"))[0]?.alive, {
      timeout: 60_000,
    })
    .toBe(true);
  const began = performance.now();
  await c.close();
  // A minute and a half and more without being told to give up.
  expect(performance.now() - began).toBeLessThan(30_000);
  const events = await database.rows<{ type: string }>(
    "select type from evt_events where type like 'session.%' and header like $1 order by position",
    [`%${id}%`],
  );
  expect(events.map(({ type }) => type)).toEqual(["session.created", "session.starting", "session.paused"]);
  rmSync(tools, { recursive: true, force: true });
}, 180_000);
