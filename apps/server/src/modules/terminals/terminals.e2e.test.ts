import { databaseTest } from "@signalbox/testkit/database";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWorkbench, until, watchAt, type Workbench } from "./workbench.fixture.ts";

const database = databaseTest();
let at: Workbench;
let session: Awaited<ReturnType<Workbench["session"]>>;

beforeAll(async () => {
  at = await startWorkbench(database);
  session = await at.session();
}, 60_000);
afterAll(() => at.close());

const list = async (id = session.id) => (await at.call("GET", `/v1/sessions/${id}/terminals`, { token: at.owner })).body.items;
const close = (terminal: string, token = at.owner) => at.call("DELETE", `/v1/sessions/${session.id}/terminals/${terminal}`, { token });
/** Terminals without their sockets' ends count until they are closed. */
async function withTerminal(use: (id: string) => Promise<void>): Promise<void> {
  const id = await at.terminal(session.id);
  try {
    await use(id);
  } finally {
    await close(id);
  }
}

describe("a terminal", () => {
  test("is a shell in the workspace with the agent's environment, echoes, and learns its size", () =>
    withTerminal(async (id) => {
      const watch = await at.watch(id);
      expect(await watch.frame("ready")).toMatchObject({ offset: 0, cols: 100, rows: 30, read_only: false });
      watch.type("pwd; id -un; stty size; echo $TERM $SIGNALBOX\n");
      await watch.says(/\/workspace\r\nsbx\r\n30 100\r\nxterm-256color 1\r\n/);
      watch.send({ type: "resize", cols: 132, rows: 43 });
      expect(await watch.frame("resized")).toMatchObject({ cols: 132, rows: 43 });
      watch.type("stty size\n");
      await watch.says(/43 132/);
      expect((await list()).find((t: { id: string }) => t.id === id)).toMatchObject({
        alive: true,
        cols: 132,
        rows: 43,
        viewers: 1,
        exit: null,
      });
      watch.type("printf '\\033]0;a title\\007'\n");
      await until("its title", async () => (await list()).some((t: { title: string }) => t.title === "a title"));
    }));

  test("tells how it ended, and the log who opened it and how, but nothing of what was typed", async () => {
    const id = await at.terminal(session.id);
    const watch = await at.watch(id);
    watch.type("echo se''cret-word; exit 3\n");
    expect(await watch.frame("exit")).toEqual({ type: "exit", code: 3, signal: null, reason: "exited" });
    expect((await watch.closed).code).toBe(1000);
    expect(watch.output()).toContain("secret-word");
    expect((await list()).find((t: { id: string }) => t.id === id)).toMatchObject({ alive: false, exit: { code: 3, signal: null } });
    await until("it is recorded", async () => (await at.events(session.roomId, /^terminal\.closed/)).length > 0);
    const events = (await at.events(session.roomId, /^terminal\./)).filter((e) => e.data.terminal_id === id);
    expect(events.map((e) => [e.type, e.subject, e.session_id])).toEqual([
      ["terminal.opened", `terminal:${id}`, session.id],
      ["terminal.closed", `terminal:${id}`, session.id],
    ]);
    expect(events[0]!.data.by).toBe(events[0]!.principal.id);
    expect(events[1]!.data).toMatchObject({ reason: "exited", exit_code: 3 });
    expect(JSON.stringify(await at.events(session.roomId, /./))).not.toContain("cret-word");
    // Whoever comes late still sees the last it said.
    const late = await at.watch(id);
    await late.frame("exit");
    expect(late.output()).toContain("secret-word");
  });

  test("is closed by whoever may, and what runs in it ends", async () => {
    const id = await at.terminal(session.id);
    const watch = await at.watch(id);
    watch.type("trap '' HUP; echo trapped-$((1+1)); sleep 4321\n");
    await watch.says(/trapped-2/);
    expect((await close(id)).body).toMatchObject({ id, alive: false });
    expect(await watch.frame("exit")).toMatchObject({ reason: "closed" });
    expect((await close(id)).status).toBe(200);
    await until("nothing of it runs", async () => (await session.sh("ps ax -o args | grep -c '[s]leep 4321' || true")) === "0");
    const [closed] = (await at.events(session.roomId, /^terminal\.closed/)).filter((e) => e.data.terminal_id === id);
    expect(closed!.data.by).toMatch(/^usr_/);
  });

  test("shows several people the same, from where each had stopped", () =>
    withTerminal(async (id) => {
      const first = await at.watch(id);
      first.type("echo one-$((1+0))\n");
      await first.says(/one-1\r\n[^\n]*\$ $/);
      const second = await at.watch(id);
      await second.says(/one-1\r\n/);
      expect(await second.frame("ready")).toMatchObject({ offset: 0, replayed_bytes: first.bytes() });
      const seen = first.bytes();
      first.socket.close();
      second.type("echo two-$((1+1))\n");
      await second.says(/two-2\r\n[^\n]*\$ $/);
      const again = await at.watch(id, { from: seen });
      await again.says(/two-2\r\n[^\n]*\$ $/);
      expect(await again.frame("ready")).toMatchObject({ offset: seen });
      expect(again.output()).not.toContain("one-1");
      expect(first.output() + again.output()).toBe(second.output());
    }));

  test("takes what is pasted, megabytes of it", () =>
    withTerminal(async (id) => {
      const watch = await at.watch(id);
      watch.type("stty -echo -icanon; head -c 3000000 | wc -c\n");
      await watch.says(/wc -c/);
      await new Promise((resolve) => setTimeout(resolve, 300));
      for (let i = 0; i < 30; i++) watch.type("x".repeat(100_000));
      await watch.says(/3000000/);
    }));
});

describe("who may", () => {
  test("a viewer of the room watches and is not let type; neither is a token that may only read", () =>
    withTerminal(async (id) => {
      const viewer = await at.person("member");
      await at.call("POST", `/v1/rooms/${session.roomId}/members`, {
        token: at.owner,
        body: { principal_id: viewer.id, role: "viewer" },
      });
      const narrow = await at.person("owner", { scopes: ["read"] });
      const owner = await at.watch(id);
      for (const { token } of [viewer, narrow]) {
        const watch = await at.watch(id, { token });
        expect(await watch.frame("ready")).toMatchObject({ read_only: true });
        watch.type("touch was-typed\n");
        watch.send({ type: "resize", cols: 20, rows: 5 });
        expect(await watch.frame("error")).toMatchObject({ code: "read_only" });
        owner.type("echo still-$((40+2))\n");
        await watch.says(/still-42/);
        watch.socket.close();
      }
      expect(await session.sh("ls")).not.toContain("was-typed");
      expect(owner.frames.filter(({ type }) => type === "resized")).toEqual([]);
      expect((await at.call("POST", `/v1/sessions/${session.id}/terminals`, { token: viewer.token, body: {} })).status).toBe(403);
      expect((await close(id, viewer.token)).status).toBe(403);
    }));

  test("whoever is put out of the room, or whose token is revoked or ends, is cut off", () =>
    withTerminal(async (id) => {
      const member = await at.person("member");
      await at.call("POST", `/v1/rooms/${session.roomId}/members`, { token: at.owner, body: { principal_id: member.id, role: "member" } });
      const put = await at.watch(id, { token: member.token });
      await put.frame("ready");
      await at.call("DELETE", `/v1/rooms/${session.roomId}/members/${member.id}`, { token: at.owner });
      expect(await put.closed).toEqual({ code: 4403, reason: "forbidden" });
      const admin = await at.person("admin");
      const cut = await at.watch(id, { token: admin.token });
      await cut.frame("ready");
      await at.call("DELETE", `/v1/tokens/${admin.tokenId}`, { token: admin.token });
      expect(await cut.closed).toEqual({ code: 4401, reason: "unauthenticated" });
    }));

  test("another organization, an outsider, a wrong token and a token for other sessions find nothing", () =>
    withTerminal(async (id) => {
      const other = await at.organization();
      const outsider = await at.person("member");
      for (const { token } of [other, outsider]) {
        expect(await (await at.watch(id, { token })).closed).toEqual({ code: 4404, reason: "terminal_not_found" });
        for (const [method, url] of [
          ["GET", "terminals"],
          ["POST", "terminals"],
          ["DELETE", `terminals/${id}`],
        ] as const) {
          const answer = await at.call(method, `/v1/sessions/${session.id}/${url}`, { token, ...(method === "POST" ? { body: {} } : {}) });
          expect([answer.status, answer.body.error.code]).toEqual([404, "session_not_found"]);
        }
      }
      const { body } = await at.call("POST", "/v1/sync/token", { token: at.owner, body: { scopes: [`session:ses_${"0".repeat(26)}`] } });
      expect(await (await watchAt(at.port, body.token, id)).closed).toMatchObject({ code: 4404 });
      expect(await (await watchAt(at.port, "nonsense.x.y", id)).closed).toMatchObject({ code: 4401 });
    }));
});

describe("too much", () => {
  test("the ninth is refused", async () => {
    const own = await at.session();
    const made = await Promise.all(
      Array.from({ length: 9 }, () => at.call("POST", `/v1/sessions/${own.id}/terminals`, { token: at.owner, body: {} })),
    );
    expect(made.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 201, 201, 201, 201, 201, 201, 201, 409]);
    expect(made.find(({ status }) => status === 409)!.body.error.code).toBe("too_many_terminals");
    expect((await list(own.id)).filter((t: { alive: boolean }) => t.alive)).toHaveLength(8);
    const watch = await at.watch(made.find(({ status }) => status === 201)!.body.id);
    await watch.frame("ready");
    await at.call("POST", `/v1/sessions/${own.id}/stop`, { token: at.owner, body: {} });
    expect(await watch.frame("exit")).toMatchObject({ reason: "session_ended" });
    await until("all are recorded", async () => (await at.events(own.roomId, /^terminal\.closed/)).length === 8);
    expect((await at.call("POST", `/v1/sessions/${own.id}/terminals`, { token: at.owner, body: {} })).body.error.code).toBe(
      "sandbox_not_running",
    );
  });

  test("a flood that its only reader does not read stops inside; memory does not grow, and others are served", () =>
    withTerminal(async (id) => {
      const watch = await at.watch(id);
      // Answers come back while it prints: a window that is acknowledged, then not.
      watch.send({ type: "ack", bytes: 0 });
      watch.type("yes signalbox\n");
      await until("the window is full", () => watch.bytes() >= 256 * 1024);
      const pid = await session.sh("pgrep -x yes");
      const ticks = async () =>
        (await session.sh(`cut -d' ' -f14,15 /proc/${pid}/stat`)).split(" ").reduce((sum, one) => sum + Number(one), 0);
      await until("it stands still", async () => {
        const [used, printed] = [await ticks(), watch.bytes()];
        await new Promise((resolve) => setTimeout(resolve, 300));
        return watch.bytes() === printed && (await ticks()) === used;
      });
      const [before, rss, held] = [await ticks(), process.memoryUsage().rss, watch.bytes()];
      const asked: number[] = [];
      for (let i = 0; i < 20; i++) {
        const started = performance.now();
        await at.call("GET", `/v1/sessions/${session.id}`, { token: at.owner });
        asked.push(performance.now() - started);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
      // It waits in write(2): no time is used, nothing more arrives.
      expect((await ticks()) - before).toBeLessThanOrEqual(1);
      expect(watch.bytes()).toBe(held);
      expect(process.memoryUsage().rss - rss).toBeLessThan(50 * 1024 ** 2);
      expect(asked.toSorted((a, b) => a - b)[10]).toBeLessThan(200);
      // It reads again, and the flood goes on.
      watch.send({ type: "ack", bytes: held });
      await until("it goes on", () => watch.bytes() > held);
    }));

  test("as long as one reads, the flood goes on at a bounded pace and the one that does not is dropped", () =>
    withTerminal(async (id) => {
      const [reads, stops] = [await at.watch(id), await at.watch(id)];
      stops.send({ type: "ack", bytes: 0 });
      await stops.frame("ready");
      reads.type("yes signalbox\n");
      expect(await stops.closed).toEqual({ code: 4413, reason: "too_slow" });
      const from = reads.bytes();
      const started = performance.now();
      // How slowly is the machine's; how quickly is ours to bound.
      await until("it goes on for a second", () => performance.now() - started > 1000 && reads.bytes() - from > 1_000_000);
      expect(((reads.bytes() - from) / (performance.now() - started)) * 1000).toBeLessThan(16_000_000);
      reads.type("\u0003");
      reads.type("echo over-$((1+1))\n");
      await reads.says(/over-2/);
    }));

  test("a flood that nobody watches goes on slowly, and is found at its end", () =>
    withTerminal(async (id) => {
      const first = await at.watch(id);
      first.type("seq 1 300000; echo all-$((1+1))\n");
      await first.says(/seq 1/);
      first.socket.terminate();
      await until("it ends by itself", async () => {
        const watch = await at.watch(id);
        await watch.frame("ready");
        await new Promise((resolve) => setTimeout(resolve, 200));
        watch.socket.terminate();
        return /300000\r\nall-2/.test(watch.output());
      });
    }));
});
