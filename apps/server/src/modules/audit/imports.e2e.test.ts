/* Logs of one organization imported into others, over the composed server. */
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { verifyExport } from "@signalbox/verify/export";
import { nodePrimitives } from "@signalbox/verify/node";
import { keyId, parseKey, formatKey, checkpointText, signedNote } from "@signalbox/verify/note";
import { rootOf } from "@signalbox/verify/merkle";
import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Composed, startComposed } from "../../composed.fixture.ts";

const database = databaseTest();
let c: Composed;
let origin: string;
let source: { id: string; ownerId: string; token: string };
let sessionId: string;
let roomId: string;
let wholeLog: string[];
let sessionLog: string[];

beforeAll(async () => {
  c = await startComposed(database);
  // A stream over a real socket: what is injected never drains.
  origin = `http://127.0.0.1:${await c.server.listen()}`;
  source = await c.organization();
  ({ sessionId, roomId } = await something(source));
  sessionLog = await exported(source.token, `?session_id=${sessionId}`);
  wholeLog = await exported(source.token, "");
}, 60_000);
afterAll(() => c.close());

const post = async (token: string, url: string, body: unknown) => {
  const answer = await c.call("POST", url, { token, body });
  if (answer.status >= 300) throw new Error(`${url}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
};

/** A session with its room, an engine's run with steps, tool calls and an artifact, an approval given and one still open. */
async function something(who: { token: string }) {
  const session = await post(who.token, "/v1/sessions", { source: { type: "scratch" }, title: "Fix the parser", sandbox: "deferred" });
  const room = session.room_id;
  await post(who.token, `/v1/threads/${session.thread_id}/messages`, { content_md: "What about the tests?" });
  await post(who.token, "/v1/runs", { room_id: room, title: "Count the lines", goal: "Say how many" });
  await post(who.token, "/v1/runs", { room_id: room, title: "Left open" });
  const { run } = await post(who.token, "/v1/runs/claim", { room_id: room });
  const fence = { claim_token: run.claim_token, epoch: run.epoch };
  await post(who.token, `/v1/runs/${run.id}/start`, fence);
  const step = await post(who.token, `/v1/runs/${run.id}/steps`, { ...fence, kind: "model" });
  const call = await post(who.token, `/v1/steps/${step.id}/toolcalls`, { ...fence, name: "bash", arguments: { command: "wc -l *" } });
  await post(who.token, `/v1/toolcalls/${call.id}/succeed`, { ...fence, output: "x".repeat(100_000), duration_ms: 12 });
  await post(who.token, `/v1/steps/${step.id}/artifacts`, { ...fence, kind: "json", name: "count", json: { lines: 12 } });
  await post(who.token, `/v1/runs/${run.id}/complete`, { ...fence, summary: "12 lines" });
  const given = await post(who.token, "/v1/approvals", {
    session_id: session.id,
    action: "deploy",
    title: "Deploy it",
    room_id: room,
    params: { to: "production" },
  });
  await post(who.token, `/v1/approvals/${given.id}/decide`, { decision: "approve" });
  await post(who.token, "/v1/approvals", { action: "delete", title: "Delete it", room_id: room, params: {} });
  return { sessionId: session.id as string, roomId: room as string };
}

async function exported(token: string, query: string): Promise<string[]> {
  const answer = await fetch(`${origin}/v1/audit/export${query}`, { headers: { authorization: `Bearer ${token}` } });
  expect(answer.status).toBe(200);
  return (await answer.text()).trimEnd().split("\n");
}
const imported = (token: string, lines: readonly string[], query = "") =>
  c.call("POST", `/v1/audit/import${query}`, { token, body: lines.join("\n"), headers: { "content-type": "application/x-ndjson" } });
const counts = async (organizationId: string): Promise<Record<string, number>> => {
  const tables = [
    "evt_events",
    "evt_payloads",
    "evt_stream_heads",
    "evt_imports",
    "evt_import_lines",
    "proj_runs",
    "proj_sessions",
    "proj_rooms",
    "proj_principals",
    "proj_tokens",
    "proj_approvals",
    "proj_kill_switch",
    "proj_room_members",
    "proj_usage_days",
    "jobs",
  ];
  const found: Record<string, number> = {};
  for (const table of tables) {
    const { rows } = await database
      .pool("sb_log")
      .query(`select count(*)::int as n from ${table} where organization_id = $1`, [organizationId]);
    found[table] = rows[0].n;
  }
  return found;
};

describe("an export of one session", () => {
  test("verifies offline, and says which streams it tells only in part", async () => {
    const header = JSON.parse(sessionLog[0]!);
    expect(header).toMatchObject({ format: "signalbox-export/2", session_id: sessionId, stream: `room:${roomId}` });
    const report = await verifyExport(
      nodePrimitives,
      sessionLog,
      await Promise.all(header.keys.map((key: string) => parseKey(nodePrimitives, key))),
    );
    expect(report).toMatchObject({ valid: true, uncovered: 0, problems: [], first_mismatch: null });
    expect(report.streams).toBeGreaterThan(1);
  });

  test("shows in another organization like any other session, and is over", async () => {
    const to = await c.organization();
    const { status, body: view } = await imported(to.token, sessionLog);
    expect(status, JSON.stringify(view)).toBe(200);
    expect(view).toMatchObject({ name: "Fix the parser", source_organization_id: source.id, verified: true, imported_by: to.ownerId });
    expect(Object.values(view.names)).toContain("Other owner");
    const sessions = (await c.call("GET", "/v1/sessions", { token: to.token })).body.items;
    expect(sessions).toHaveLength(1);
    expect(sessions[0]).toMatchObject({
      id: view.sessions[0],
      title: "Fix the parser",
      status: "stopped",
      imported: { import_id: view.id, from: source.id },
    });
    const said = await c.call("GET", `/v1/sessions/${view.sessions[0]}/conversation`, { token: to.token });
    expect(said.status, JSON.stringify(said.body)).toBe(200);
    const conversation = said.body.items;
    const there = (await c.call("GET", `/v1/sessions/${sessionId}/conversation`, { token: source.token })).body.items;
    expect(there.length).toBeGreaterThan(0);
    const plain = (item: { type: string; seq: number; at: string }) => [item.type, item.seq, item.at];
    expect(conversation.map(plain)).toEqual(there.map(plain));
    const runs = (await c.call("GET", `/v1/runs?room_id=${sessions[0].room_id}`, { token: to.token })).body.items;
    expect(runs.map((run: { title: string; status: string }) => [run.title, run.status]).toSorted()).toEqual([
      ["Count the lines", "succeeded"],
      ["Left open", "canceled"],
    ]);
    const approvals = (await c.call("GET", "/v1/approvals", { token: to.token })).body.items;
    expect(approvals.map((one: { status: string }) => one.status).toSorted()).toEqual(["approved", "expired"]);
    const events = await c.call("GET", `/v1/events?stream_type=room&stream_id=${sessions[0].room_id}&limit=200`, { token: to.token });
    expect(events.body.items.map((one: { seq: number }) => one.seq)).toEqual(events.body.items.map((_: unknown, i: number) => i + 1));
    expect(JSON.stringify(events.body)).not.toContain(source.ownerId);
    // The large output came along as content.
    const done = runs.find((run: { status: string }) => run.status === "succeeded");
    const artifacts = (await c.call("GET", `/v1/artifacts?run_id=${done.id}`, { token: to.token })).body.items;
    const output = artifacts.find((one: { size_bytes: number }) => one.size_bytes === 100_000);
    expect((await c.call("GET", `/v1/artifacts/${output.id}`, { token: to.token })).body.text).toHaveLength(100_000);
  });

  test("can be verified in place, and exported again exactly as it came", async () => {
    const to = await c.organization();
    const { body: view } = await imported(to.token, sessionLog);
    const room = (await c.call("GET", `/v1/sessions/${view.sessions[0]}`, { token: to.token })).body.room_id;
    const check = await c.call("GET", `/v1/audit/verify?stream=room:${room}`, { token: to.token });
    expect(check.body).toMatchObject({ valid: true, first_mismatch: null });
    const again = await exported(to.token, `?session_id=${view.sessions[0]}`);
    const plain = (line: string) => ({ ...JSON.parse(line), position: 0 });
    expect(again.map(plain)).toEqual(sessionLog.map(plain));
    const own = await exported(to.token, "");
    const { keys } = JSON.parse(own[0]!);
    const report = await verifyExport(nodePrimitives, own, await Promise.all(keys.map((key: string) => parseKey(nodePrimitives, key))));
    expect(report).toMatchObject({ valid: true, problems: [] });
  });

  test("imported again is the import that is there, also at once", async () => {
    const to = await c.organization();
    const [one, two] = await Promise.all([imported(to.token, sessionLog), imported(to.token, sessionLog)]);
    expect(one.status).toBe(200);
    expect(two.status).toBe(200);
    const before = await counts(to.id);
    const later = await exported(source.token, `?session_id=${sessionId}`);
    const again = await imported(to.token, later);
    expect([one.body.id, two.body.id, again.body.id]).toEqual([again.body.id, again.body.id, again.body.id]);
    expect(await counts(to.id)).toEqual(before);
  });

  test("is read-only: every write on it is refused and nothing is appended", async () => {
    const to = await c.organization();
    const { body: view } = await imported(to.token, sessionLog);
    const session = (await c.call("GET", `/v1/sessions/${view.sessions[0]}`, { token: to.token })).body;
    const approvals = (await c.call("GET", "/v1/approvals", { token: to.token })).body.items;
    const runs = (await c.call("GET", "/v1/runs", { token: to.token })).body.items;
    // What the import itself left to do is done, so that a job more or less is one of the writes'.
    await expect.poll(async () => (await counts(to.id))["jobs"]).toBe(0);
    const before = await counts(to.id);
    const writes: [string, string, unknown][] = [
      ["POST", `/v1/sessions/${session.id}/messages`, { content_md: "go on" }],
      ["POST", `/v1/sessions/${session.id}/resume`, {}],
      ["POST", `/v1/sessions/${session.id}/archive`, {}],
      ["PATCH", `/v1/sessions/${session.id}`, { title: "mine" }],
      ["POST", `/v1/threads/${session.thread_id}/messages`, { content_md: "hello" }],
      ["POST", `/v1/rooms/${session.room_id}/threads`, { title: "more" }],
      ["POST", `/v1/runs/${runs[0].id}/cancel`, {}],
      ["POST", `/v1/runs/${runs[0].id}/assign`, {}],
      ...approvals.map((one: { id: string }): [string, string, unknown] => [
        "POST",
        `/v1/approvals/${one.id}/decide`,
        { decision: "approve" },
      ]),
    ];
    for (const [method, url, body] of writes) {
      const answer = await c.call(method, url, { token: to.token, body });
      expect([url, answer.status, answer.body.error?.code]).toEqual([url, 409, "session_imported"]);
    }
    // Named in a body rather than in the path.
    const inRoom = await c.call("POST", "/v1/runs", { token: to.token, body: { room_id: session.room_id, title: "x" } });
    expect(inRoom.status).toBeGreaterThanOrEqual(400);
    expect((await c.call("POST", "/v1/runs/claim", { token: to.token, body: {} })).body).toMatchObject({ claimed: false });
    const event = (await c.call("GET", `/v1/events?session_id=${session.id}`, { token: to.token })).body.items[0];
    const erase = await c.call("POST", "/v1/audit/redact", { token: to.token, body: { event_id: event.event_id, reason: "gone" } });
    expect([erase.status, erase.body.error.code]).toEqual([409, "session_imported"]);
    expect(await counts(to.id)).toEqual(before);
    await expect(
      database.pool("sb_log").query(
        `select evt_claim(array[$1], array['room'], array[$2], array[(select seq from evt_stream_heads where stream_id = $2)],
        (select hash from evt_stream_heads where stream_id = $2), array[9999::bigint], decode(repeat('00', 32), 'hex'), '{}', '{}', '{}', '{}', '{}', '{}')`,
        [to.id, session.room_id],
      ),
    ).rejects.toThrow("imported and read-only");
  });

  test("rebuilds to the same tables", async () => {
    const to = await c.organization();
    await imported(to.token, sessionLog);
    const { body } = await c.call("POST", "/v1/audit/rebuild", { token: to.token, body: {} });
    expect(body.projections.flatMap((one: { drift: unknown[] }) => one.drift)).toEqual([]);
    expect((await c.call("GET", "/v1/sessions", { token: to.token })).body.items).toHaveLength(1);
  });

  test("is removed whole, said so in the log, and can come again", async () => {
    const to = await c.organization();
    const clean = await counts(to.id);
    const { body: view } = await imported(to.token, sessionLog);
    const gone = await c.call("DELETE", `/v1/audit/imports/${view.id}`, { token: to.token });
    expect([gone.status, gone.body.id]).toEqual([200, view.id]);
    const { evt_events: events, evt_payloads: payloads, jobs: _jobs, ...rest } = await counts(to.id);
    const { evt_events: eventsBefore, evt_payloads: _p, jobs: _j, ...restBefore } = clean;
    expect(rest).toEqual(restBefore);
    expect([events, payloads]).toEqual([eventsBefore! + 2, eventsBefore! + 2]);
    const said = (await c.call("GET", "/v1/events?event_type=log.import_removed", { token: to.token })).body.items;
    expect(said).toMatchObject([{ data: { import_id: view.id }, principal: { id: to.ownerId } }]);
    expect((await c.call("GET", `/v1/audit/imports/${view.id}`, { token: to.token })).status).toBe(404);
    expect((await c.call("POST", "/v1/audit/rebuild", { token: to.token, body: {} })).body.drifted).toBe(false);
    expect((await imported(to.token, sessionLog)).body.id).toBe(view.id);
    expect((await c.call("GET", "/v1/sessions", { token: to.token })).body.items).toHaveLength(1);
  });

  test("of another organization is not there to see or remove", async () => {
    const [to, other] = [await c.organization(), await c.organization()];
    const { body: view } = await imported(to.token, sessionLog);
    for (const method of ["GET", "DELETE"])
      expect((await c.call(method, `/v1/audit/imports/${view.id}`, { token: other.token })).status).toBe(404);
    expect((await c.call("GET", "/v1/audit/imports", { token: other.token })).body.items).toEqual([]);
  });
});

describe("a whole log", () => {
  test("brings no power: no principal, token, membership, switch, open question or work", async () => {
    await c.call("POST", "/v1/kill-switch", { token: source.token, body: { reason: "there" } });
    const to = await c.organization();
    const before = await counts(to.id);
    const { status, body } = await imported(to.token, await exported(source.token, ""));
    expect(status, JSON.stringify(body)).toBe(200);
    expect(body.name).toBe("Fix the parser");
    const after = await counts(to.id);
    for (const table of ["proj_principals", "proj_tokens", "proj_room_members", "proj_kill_switch", "proj_usage_days"])
      expect([table, after[table]]).toEqual([table, before[table]]);
    expect((await c.call("GET", "/v1/approvals?status=open", { token: to.token })).body.items).toEqual([]);
    const { rows } = await database.pool("sb_log").query("select kind from jobs where organization_id = $1", [to.id]);
    expect(rows.map((row) => row.kind).filter((kind) => kind !== "audit.import.record")).toEqual([]);
  });

  test("may come from where it is imported into: a copy beside the original", async () => {
    const { status, body } = await imported(source.token, sessionLog);
    expect(status).toBe(200);
    expect(body.sessions[0]).not.toBe(sessionId);
    expect((await c.call("GET", `/v1/sessions/${sessionId}`, { token: source.token })).body.imported ?? null).toBeNull();
  });
});

/** A log that anybody could write: whole, signed by a key of their own. */
async function forged(
  events: readonly { stream?: string; type: string; subject: string; data: object; version?: number }[],
  organization = "ws_evil",
): Promise<string[]> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = new Uint8Array(publicKey.export({ format: "der", type: "spki" }).subarray(-32));
  const name = `signalbox/${organization}`;
  const key = { name, id: await keyId(nodePrimitives, name, raw), publicKey: raw };
  const lines = [
    JSON.stringify({ kind: "header", format: "signalbox-export/1", organization_id: organization, complete: true, keys: [formatKey(key)] }),
  ];
  const hash = (...parts: (string | Buffer)[]) => parts.reduce((of, part) => of.update(part), createHash("sha256")).digest();
  const heads = new Map<string, { seq: number; hash: Buffer }>();
  const versions = new Map<string, number>();
  events.forEach(({ stream = ROOM, type, subject, data, version }, i) => {
    const head = heads.get(stream) ?? { seq: 0, hash: Buffer.alloc(32) };
    const [streamType = "", id = ""] = stream.split(":");
    const seq = head.seq + 1;
    const v = version ?? (versions.get(subject) ?? 0) + 1;
    versions.set(subject, v);
    const salt = Buffer.alloc(32, i);
    const text = JSON.stringify(data);
    const header = JSON.stringify({
      correlation_id: "cor_1",
      data_hash: `sha256:${hash(salt, text).toString("hex")}`,
      event_id: `01890000-0000-7000-8000-${String(i).padStart(12, "0")}`,
      occurred_at: "2030-01-01T00:00:00.000Z",
      organization_id: organization,
      principal: { id: "usr_owner", type: "user" },
      redaction: "none",
      stream: { id, type: streamType },
      subject,
      subject_version: v,
      type,
      version: 1,
      zone: "supervised",
    });
    const place = Buffer.alloc(8);
    place.writeBigUInt64BE(BigInt(seq));
    const made = hash(Buffer.of(1), head.hash, place, hash(Buffer.of(0), header));
    lines.push(
      JSON.stringify({
        kind: "event",
        position: i + 1,
        stream: { type: streamType, id },
        seq,
        recorded_at: "2030-01-01T00:00:00.000Z",
        header,
        data: text,
        salt: salt.toString("base64"),
        prev_hash: `sha256:${head.hash.toString("hex")}`,
        hash: `sha256:${made.toString("hex")}`,
      }),
    );
    heads.set(stream, { seq, hash: made });
  });
  const stated = [...heads].map(([stream, head]) => ({ stream, seq: head.seq, hash: `sha256:${head.hash.toString("hex")}` }));
  const text = checkpointText({
    origin: name,
    streams: stated.length,
    rootHash: await rootOf(nodePrimitives, stated),
    position: events.length,
    time: "2030-01-01T00:00:00.000Z",
  });
  lines.push(JSON.stringify({ kind: "checkpoint", note: signedNote(text, key, sign(null, Buffer.from(text), privateKey)), heads: stated }));
  lines.push(JSON.stringify({ kind: "end", events: events.length, checkpoints: 1 }));
  return lines;
}
const ULID = "01J00000000000000000000000";
const ROOM = `room:room_${ULID}`;

describe("a hostile log", () => {
  test("cannot name anything of ours, whatever ids it uses", async () => {
    const to = await c.organization();
    const mine = await something(to);
    const run = (await c.call("GET", "/v1/runs?status=queued", { token: to.token })).body.items[0];
    const pending = (await c.call("GET", "/v1/approvals?status=open", { token: to.token })).body.items[0];
    const look = async () =>
      JSON.stringify(
        [
          await c.call("GET", `/v1/sessions/${mine.sessionId}`, { token: to.token }),
          await c.call("GET", `/v1/runs/${run.id}`, { token: to.token }),
          await c.call("GET", `/v1/approvals/${pending.id}`, { token: to.token }),
          await c.call("GET", "/v1/principals", { token: to.token }),
          await c.call("GET", "/v1/kill-switch", { token: to.token }),
        ].map((answer) => answer.body),
      );
    const before = await look();
    const log = await forged(
      [
        {
          type: "session.renamed",
          subject: `session:${mine.sessionId}`,
          version: 1,
          data: { session_id: mine.sessionId, title: "Owned", by: "usr_owner" },
        },
        { type: "run.canceled", subject: `run:${run.id}`, data: { run_id: run.id, by: "usr_owner" } },
        {
          type: "approval.approved",
          subject: `approval:${pending.id}`,
          data: {
            approval_id: pending.id,
            by: to.ownerId,
            scope: "room",
            expires_at: "2099-01-01T00:00:00.000Z",
            at: "2030-01-01T00:00:00.000Z",
          },
        },
        {
          type: "principal.registered",
          subject: "principal:usr_evil",
          data: { principal_id: "usr_evil", principal_type: "user", display_name: "Evil", role: "owner" },
        },
        { type: "room.member_added", subject: ROOM, data: { room_id: mine.roomId, principal_id: "usr_evil", role: "owner" } },
        { type: "kill_switch.engaged", subject: "kill_switch", data: { scope: "global", by: "usr_evil", epoch: 9 } },
        {
          type: "event.redacted",
          subject: "event:x",
          data: {
            target_event_id: (await c.call("GET", "/v1/events", { token: to.token })).body.items[0].event_id,
            reason: "x",
            level: "full",
          },
        },
      ]
        .map((event, i) => ({ ...event, version: i + 100 }))
        .map(({ version: _v, ...event }) => event),
    );
    const { status, body } = await imported(to.token, log);
    expect(status, JSON.stringify(body)).toBe(200);
    expect(await look()).toBe(before);
    const rebuilt = (await c.call("POST", "/v1/audit/rebuild", { token: to.token, body: {} })).body;
    expect(rebuilt.projections.filter((one: { drift: unknown[] }) => one.drift.length > 0)).toEqual([]);
    expect(await look()).toBe(before);
    // Commands on ours still decide on what we recorded.
    expect((await c.call("POST", `/v1/approvals/${pending.id}/decide`, { token: to.token, body: { decision: "deny" } })).status).toBe(200);
  });

  test.each([
    ["data of another shape", { type: "run.created", subject: `run:run_${ULID}`, data: { run_id: 7 } }],
    [
      "U+0000",
      {
        type: "message.created",
        subject: `message:msg_${ULID}`,
        data: { message_id: `msg_${ULID}`, thread_id: `th_${ULID}`, room_id: `room_${ULID}`, content_md: "a\0b" },
      },
    ],
    [
      "a stream that is none",
      { stream: "room:somewhere", type: "room.created", subject: ROOM, data: { room_id: `room_${ULID}`, title: "x" } },
    ],
  ])("with %s is refused as not understood, and leaves nothing", async (_what, event) => {
    const to = await c.organization();
    const before = await counts(to.id);
    const { status, body } = await imported(to.token, await forged([event]));
    expect([status, body.error?.code]).toEqual([422, "import_unsupported"]);
    expect(await counts(to.id)).toEqual(before);
  });
});

describe("what was tampered with is refused with its place, and leaves nothing:", () => {
  const edit = (lines: readonly string[], at: (line: string) => boolean, change: (line: string) => string | null): string[] => {
    const i = lines.findLastIndex(at);
    if (i < 0) throw new Error("nothing to tamper with");
    const changed = change(lines[i]!);
    return [...lines.slice(0, i), ...(changed === null ? [] : [changed]), ...lines.slice(i + 1)];
  };
  const isEvent = (line: string) => line.includes('"kind":"event"');
  const recount = (lines: string[]) =>
    edit(
      lines,
      (line) => line.includes('"kind":"end"'),
      (line) => JSON.stringify({ ...JSON.parse(line), events: lines.filter(isEvent).length }),
    );
  const cases: [string, (lines: readonly string[]) => string[], RegExp][] = [
    [
      "a flipped byte of data",
      (lines) =>
        edit(
          lines,
          (line) => line.includes("12 lines"),
          (line) => line.replace("12 lines", "13 lines"),
        ),
      /data hash mismatch/,
    ],
    [
      "a flipped byte of a header",
      (lines) =>
        edit(
          lines,
          (line) => isEvent(line) && line.includes("usr_"),
          (line) => line.replace(/usr_(.)/, (_, first: string) => `usr_${first === "0" ? "1" : "0"}`),
        ),
      /hash mismatch/,
    ],
    [
      "a dropped event",
      (lines) =>
        recount(
          edit(
            lines,
            (line) => line.includes("run.started"),
            () => null,
          ),
        ),
      /seq gap/,
    ],
    [
      "a cut tail",
      (lines) =>
        recount(
          edit(
            lines,
            (line) => line.includes('"type":"room"') && isEvent(line),
            () => null,
          ),
        ),
      /tail was removed/,
    ],
    ["a file cut off", (lines) => lines.slice(0, 6), /cut off/],
    [
      "a wrong signature",
      (lines) =>
        edit(
          lines,
          (line) => line.includes('"checkpoint"'),
          (line) => line.replace(/position (\d)/, (_, d: string) => `position ${(Number(d) + 1) % 10}`),
        ),
      /signature/,
    ],
    [
      "no checkpoint",
      (lines) =>
        edit(
          edit(
            lines,
            (line) => line.includes('"kind":"checkpoint"'),
            () => null,
          ),
          (line) => line.includes('"kind":"end"'),
          (line) => line.replace(/"checkpoints":1/, '"checkpoints":0'),
        ),
      /checkpoint/,
    ],
    [
      "another's key",
      (lines) =>
        edit(
          lines,
          (line) => line.includes('"kind":"header"'),
          (line) => JSON.stringify({ ...JSON.parse(line), keys: [] }),
        ),
      /not among the given public keys/,
    ],
    [
      "a flipped link",
      (lines) =>
        edit(
          lines,
          (line) => line.includes('"kind":"links"'),
          (line) => {
            const links = JSON.parse(line);
            const bytes = Buffer.from(links.entry_hashes, "base64");
            bytes[0]! ^= 1;
            return JSON.stringify({ ...links, entry_hashes: bytes.toString("base64") });
          },
        ),
      /signed over|mismatch/,
    ],
    [
      "other content",
      (lines) =>
        edit(
          lines,
          (line) => line.includes('"kind":"blob"'),
          (line) => JSON.stringify({ ...JSON.parse(line), base64: Buffer.from("other").toString("base64") }),
        ),
      /content is not that/,
    ],
    ["no export at all", () => ["hello", "world"], /not a line|header/],
  ];

  test.each(cases)("%s", async (_name, tamper, said) => {
    const to = await c.organization();
    const before = await counts(to.id);
    const { status, body } = await imported(to.token, tamper(sessionLog));
    expect([status, body.error?.code]).toEqual([422, "import_not_verified"]);
    expect(`${body.error.message} ${JSON.stringify(body.error.details)}`).toMatch(said);
    expect(await counts(to.id)).toEqual(before);
  });

  test("a whole stream left out of a whole log", async () => {
    const to = await c.organization();
    const lines = wholeLog.filter((line) => !line.includes(`"stream":{"type":"ledger"`));
    const { status, body } = await imported(to.token, lines);
    expect([status, body.error?.code]).toEqual([422, "import_not_verified"]);
  });
});
