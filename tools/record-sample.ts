/*
 * Records the session that a fresh installation shows: a real agent in a real sandbox on the scripted demo
 * model, with a plan, a failing and then a passing test, a blocked host, a denied and an approved push.
 *
 *   node tools/record-sample.ts            writes apps/server/samples/first-session.jsonl
 *
 * The file is an export like any other; `signalbox log verify` checks it.
 */
import { createClient } from "@signalbox/client/client";
import { decideApproval, listApprovals } from "@signalbox/contract/approvals";
import { exportLog, getAuditKeys } from "@signalbox/contract/log";
import { createSession, getSession, listTurns, promptSession, stopSession } from "@signalbox/contract/sessions";
import type { SessionId } from "@signalbox/contract/primitives";
import { createSample, listModels } from "@signalbox/contract/system";
import { verifyExport } from "@signalbox/verify/export";
import { nodePrimitives } from "@signalbox/verify/node";
import { parseKey } from "@signalbox/verify/note";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startServer } from "../apps/cli/src/server-process.ts";
import { ROOT } from "./step.ts";

const OUT = join(ROOT, "apps/server/samples/first-session.jsonl");
const MAX_BYTES = 500 * 1024;

const place = await mkdtemp(join(tmpdir(), "signalbox-sample-"));
// Postgres runs as a user of its own and must be able to pass through.
await chmod(place, 0o711);
const server = await startServer(join(place, "data"));
try {
  const client = createClient({ baseUrl: server.url, token: server.token });
  const sample = await client.call(createSample, { body: {} });
  const model = (await client.call(listModels, {})).items.find((one) => one.is_demo)?.id;
  if (model === undefined) throw new Error("the server has no demo model");

  async function turn(id: SessionId, prompt: string | null, verdict?: "approve" | "deny", reason?: string): Promise<void> {
    const before = (await client.call(listTurns, { params: { id } })).items.length - (prompt === null ? 1 : 0);
    if (prompt !== null) await client.call(promptSession, { params: { id }, body: { content_md: prompt } });
    for (let waited = 0; waited < 180; waited++) {
      await pause(500);
      for (const one of (await client.call(listApprovals, { query: { status: "open", session_id: id } })).items)
        if (verdict !== undefined)
          await client.call(decideApproval, {
            params: { id: one.id },
            body: { decision: verdict, ...(reason === undefined ? {} : { reason }) },
          });
      const turns = (await client.call(listTurns, { params: { id } })).items;
      const last = turns.at(-1);
      if (turns.length > before && last?.ended_at !== null && last !== undefined) {
        process.stderr.write(`${last.status}: ${prompt ?? sample.prompt}\n`);
        return;
      }
    }
    throw new Error(`the turn did not end: ${prompt ?? "the first"}`);
  }

  const session = await client.call(createSession, {
    body: {
      title: "Mend the failing test (recorded with the scripted demo model)",
      source: { type: "repository", url: sample.remote_url },
      prompt:
        "The tests of this project fail. Make a plan, reproduce the failure, find the cause, fix it, run the tests again, and commit.",
      model,
    },
  });
  await turn(session.id, null);
  await turn(session.id, "Is the npm registry reachable from where you are?");
  await turn(session.id, "Push your branch.", "deny", "Let me look at the diff first.");
  await turn(session.id, "I have looked at it. Push it now.", "approve", "The diff is one line and the tests are green.");
  for (let waited = 0; waited < 60; waited++) {
    await pause(500);
    const turns = (await client.call(listTurns, { params: { id: session.id } })).items;
    if (turns.every((one) => one.ended_at !== null) && waited > 6) break;
  }
  await client.call(stopSession, { params: { id: session.id }, body: { reason: "The recording is over." } });
  await pause(1000);
  const ended = await client.call(getSession, { params: { id: session.id } });
  process.stderr.write(`${ended.tool_calls} tool calls, ${ended.cost_micro_usd} micro-USD, ${ended.status}\n`);

  const lines: string[] = [];
  for await (const line of client.lines(exportLog, { query: { session_id: session.id } })) lines.push(line);
  const { keys } = await client.call(getAuditKeys, {});
  const report = await verifyExport(nodePrimitives, lines, await Promise.all(keys.map((key) => parseKey(nodePrimitives, key.public_key))));
  if (!report.valid || report.uncovered > 0) throw new Error(`the recording does not verify: ${report.problems.join("; ")}`);
  const text = `${lines.join("\n")}\n`;
  if (Buffer.byteLength(text) > MAX_BYTES) throw new Error(`the recording has ${Buffer.byteLength(text)} bytes, more than ${MAX_BYTES}`);
  if (text.includes(place)) process.stderr.write("note: the recording names its temporary directory\n");
  await mkdir(dirname(OUT), { recursive: true });
  await writeFile(OUT, text);
  process.stderr.write(`${OUT}: ${report.events} events, ${Buffer.byteLength(text)} bytes\n`);
} finally {
  await server.stop();
  await rm(place, { recursive: true, force: true });
}
