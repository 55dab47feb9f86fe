/* Checkpoints left outside, and what is found when log or anchor were changed afterwards. */
import { checkAnchors, listAnchored, listAnchors, type AnchorFinding } from "@signalbox/contract/anchors";
import { createCheckpoint } from "@signalbox/contract/log";
import { startScript } from "@signalbox/testkit/crash";
import { fileAnchor } from "@signalbox/providers/anchor/file/file";
import { gitAnchor } from "@signalbox/providers/anchor/git/git";
import { gitText } from "@signalbox/providers/forge/git/run";
import { keptCheckpoints, verifyExportAgainst } from "@signalbox/verify/consistency";
import { nodePrimitives } from "@signalbox/verify/node";
import { parseKey } from "@signalbox/verify/note";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { auditStage, ORG } from "./audit.fixture.ts";

const outside = await mkdtemp(path.join(tmpdir(), "signalbox-outside-"));
afterAll(() => rm(outside, { recursive: true, force: true }));
const files = path.join(outside, "files");
let remote: string;
const stage = auditStage((deps) => {
  remote = path.join(deps.importsDirectory, "../remote.git");
  return {
    anchors: new Map([
      ["file", fileAnchor(files)],
      ["git", gitAnchor({ remote, branch: "anchors", directory: path.join(outside, "cache") })],
    ]),
  };
});
beforeAll(() => gitText(["init", "--quiet", "--bare", remote]));

/** What the queue holds is done, once. */
async function work(): Promise<void> {
  const pool = stage.database.pool("sb_log");
  const { rows } = await pool.query<{ payload: unknown }>("delete from jobs where kind = 'audit.anchor' returning payload");
  const job = { id: "1", kind: "audit.anchor", organizationId: ORG, attempt: 1, fence: 1, signal: new AbortController().signal };
  for (const { payload } of rows)
    await stage.audit.jobs["audit.anchor"]!({ ...job, payload: typeof payload === "string" ? JSON.parse(payload) : payload });
}
const sign = async (): Promise<number> => ((await stage.call(createCheckpoint, {})) as { position: number }).position;
const anchorsNow = async () => ((await stage.call(listAnchors, {})) as { items: Record<string, unknown>[] }).items;
const findings = async (anchor?: string): Promise<AnchorFinding[]> => {
  const body = { limit: 20, ...(anchor === undefined ? {} : { anchor }) };
  const check = (await stage.call(checkAnchors, { body })) as { agrees: boolean; anchors: { findings: AnchorFinding[] }[] };
  const found = check.anchors.flatMap((one) => one.findings);
  expect(check.agrees).toBe(found.length === 0);
  return found;
};
const fileOf = (position: number): string => path.join(files, ORG, `${String(position).padStart(10, "0")}.json`);

let first: number;
test("what is signed is left at every anchor, once, and agrees with the log", async () => {
  first = await sign();
  expect(await anchorsNow()).toMatchObject([
    { anchor: "file", state: "behind", behind: 1, position: null },
    { anchor: "git", state: "behind", behind: 1 },
  ]);
  await work();
  await sign(); // nothing new: the same one
  await work();
  expect(await anchorsNow()).toMatchObject([
    { anchor: "file", state: "current", behind: 0, position: first, readable: true },
    { anchor: "git", state: "current", position: first },
  ]);
  expect(readdirSync(path.join(files, ORG))).toHaveLength(1);
  expect(await gitText(["-C", remote, "rev-list", "--count", "anchors"])).toBe("1");
  expect(
    ((await stage.call(listAnchored, { params: { anchor: "git" }, query: { limit: 50 } })) as { items: object[] }).items,
  ).toMatchObject([{ position: first, ref: expect.stringMatching(/^[0-9a-f]{40}$/), problem: null }]);
  expect(await findings()).toEqual([]);
});

test("a worker killed between leaving and recording leaves nothing twice", async () => {
  await stage.write("room_a", "more");
  const position = await sign();
  const args = [stage.database.connection("sb_log"), stage.database.connection("sb_app"), stage.directory];
  const script = path.join(import.meta.dirname, "anchor-crash.script.ts");
  expect(await startScript(script, { args, crashAt: "left" }).ended).toBe("SIGKILL");
  expect(await gitText(["-C", remote, "rev-list", "--count", "anchors"])).toBe("2");
  expect((await anchorsNow())[1]).toMatchObject({ position: first, behind: 1 });
  await work();
  expect(await gitText(["-C", remote, "rev-list", "--count", "anchors"])).toBe("2");
  expect((await anchorsNow())[1]).toMatchObject({ position, behind: 0, state: "current" });
  expect(await findings()).toEqual([]);
});

test("an anchor that fails is tried again later, is said, and catches up in order", async () => {
  await rename(remote, `${remote}.away`);
  await stage.write("room_a", "while it is away");
  await sign();
  await work();
  const [file, git] = await anchorsNow();
  expect(file).toMatchObject({ state: "current" });
  expect(git).toMatchObject({ state: "failing", behind: 1, failures: 1, last_error: expect.stringContaining("did not take it") });
  await stage.write("room_b", "and more");
  await sign();
  await work(); // too early: it only asks for later
  expect((await anchorsNow())[1]).toMatchObject({ failures: 1, behind: 2 });
  await stage.database.pool("admin").query("update audit_checkpoints set created_at = created_at - interval '1 hour'");
  expect(await stage.audit.health!()).toMatchObject({ ok: true, detail: expect.stringContaining("2 checkpoints are not anchored to git") });
  await rename(`${remote}.away`, remote);
  await stage.database.pool("sb_log").query("update audit_anchor_state set next_attempt_at = null");
  await work();
  expect((await anchorsNow())[1]).toMatchObject({ state: "current", behind: 0, failures: 0, last_error: null });
  expect(await stage.audit.health!()).toMatchObject({ detail: null });
  expect(await gitText(["-C", remote, "rev-list", "--count", "anchors"])).toBe("4");
});

test("what lies in an anchor is accepted by log verify --against", async () => {
  const lines = await stage.exported();
  const { keys } = JSON.parse(lines[0]!) as { keys: string[] };
  const trusted = await Promise.all(keys.map((key) => parseKey(nodePrimitives, key)));
  const note = await gitText(["-C", remote, "show", `anchors:checkpoints/${ORG}/${String(first).padStart(10, "0")}.note`]);
  const message = JSON.stringify({ specversion: "1.0", type: "checkpoint.signed", data: { note: `${note}\n` } });
  for (const text of [`${note}\n`, message, readFileSync(fileOf(first), "utf8")])
    expect(await verifyExportAgainst(nodePrimitives, lines, trusted, keptCheckpoints(text)!)).toMatchObject({ valid: true });
  const cut = lines.filter((line) => !line.includes("say 9"));
  expect((await verifyExportAgainst(nodePrimitives, cut, trusted, keptCheckpoints(readFileSync(fileOf(first), "utf8"))!)).valid).toBe(
    false,
  );
});

test("an anchored checkpoint that was forged or removed is named", async () => {
  const whole = readFileSync(fileOf(first), "utf8");
  await writeFile(fileOf(first), whole.replace(`position ${first}`, `position ${first - 1}`));
  expect(await findings("file")).toMatchObject([
    { position: first, kind: "forged", message: expect.stringContaining("does not fit its text") },
  ]);
  await writeFile(fileOf(first), "something else");
  expect(await findings("file")).toMatchObject([{ position: first, kind: "forged" }]);
  await rm(fileOf(first));
  expect(await findings("file")).toMatchObject([{ position: first, kind: "missing" }]);
  expect(await findings("git")).toEqual([]);
  await writeFile(fileOf(first), whole);
  expect(await findings()).toEqual([]);
});

test("a log that was changed is contradicted by what lies outside, with the place", async () => {
  const admin = stage.database.pool("admin");
  await admin.query(`begin; alter table evt_events disable trigger evt_events_no_delete; alter table evt_events disable trigger evt_events_keep_ours;
    delete from evt_events where stream_id = 'room_b' and seq > 4;
    alter table evt_events enable always trigger evt_events_no_delete; alter table evt_events enable always trigger evt_events_keep_ours; commit`);
  const found = await findings("file");
  expect(found.at(-1)).toMatchObject({
    position: first,
    kind: "log_changed",
    message: expect.stringContaining("room:room_b has no event 5"),
  });
  await admin.query("delete from audit_checkpoints where position = $1", [first]);
  expect((await findings("git")).at(-1)).toMatchObject({ position: first, kind: "log_lost" });
});

test("another organization has its own anchors' state, and sees nothing of ours", async () => {
  expect((await stage.call(listAnchors, {}, "ws_other")) as object).toMatchObject({
    items: [{ position: null, behind: 0 }, { behind: 0 }],
  });
  expect(await stage.call(listAnchored, { params: { anchor: "git" }, query: { limit: 5 } }, "ws_other")).toMatchObject({ items: [] });
  expect(await stage.call(listAnchored, { params: { anchor: "webhook" }, query: { limit: 5 } })).toMatchObject({
    refusal: { code: "anchor_not_found" },
  });
});
