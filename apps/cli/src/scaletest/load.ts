/*
 * The load, in the organization of the token.
 *
 *   rooms, threads ──► followers connect ──► for `duration`: messages, approvals, runs, sessions ──► all has
 *   arrived ──► sockets close ──► open runs canceled, open approvals denied, sessions stopped and deleted, rooms archived
 *
 * What was in the log stays there: nobody sees it in a list any more. Use the token of an organization that is there for
 * this, and delete that one, if it must go.
 *
 * An update's time is from before the request that caused it to its arrival at a follower, on this process' own clock.
 * Every follower checks that the watermarks of its room have no gap and no repeat; each of those is an error.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, createClient, type Client } from "@signalbox/client/client";
import { createSync, type Sync } from "@signalbox/client/sync";
import { decideApproval, requestApproval } from "@signalbox/contract/approvals";
import { archiveRoom } from "@signalbox/contract/room-reading";
import { createMessage, createRoom, createThread } from "@signalbox/contract/rooms";
import { cancelRun, claimRun, completeRun, createRun, createStep, startRun } from "@signalbox/contract/runs";
import { deleteSession } from "@signalbox/contract/session-queue";
import { createSession, stopSession } from "@signalbox/contract/sessions";
import { listModels } from "@signalbox/contract/system";
import { createMeasures, type Measures } from "./measures.ts";

export interface Load {
  readonly rooms: number;
  readonly followers: number;
  /** Messages a second, over all rooms. */
  readonly rate: number;
  readonly durationS: number;
  /** Approvals asked for and decided, a second. */
  readonly approvals: number;
  /** Engines that claim runs and report steps, as fast as they are answered. */
  readonly engines: number;
  /** Sessions on the scripted demo model, each followed while it works. */
  readonly sessions: number;
}

export interface Options {
  readonly baseUrl: string;
  readonly token: string;
  readonly load: Load;
  readonly signal: AbortSignal;
  readonly onTick: (measures: Measures, leftS: number) => void;
  /** What it is at before and after the load. */
  readonly onPhase: (phase: string) => void;
  /** Called now and then while the load is on. */
  readonly sample: (client: Client) => Promise<void>;
}

/** What has to be put away at the end. */
interface Left {
  readonly sessions: Set<string>;
  readonly runs: Set<string>;
  readonly approvals: Set<string>;
  readonly rooms: Set<string>;
}
interface Place {
  readonly roomId: string;
  readonly threadId: string;
}

const ARRIVAL_MS = 30_000;
const STEPS_PER_RUN = 5;

export async function runLoad({ baseUrl, token, load, signal, onTick, onPhase, sample }: Options): Promise<Measures> {
  const measures = createMeasures();
  const client = createClient({ baseUrl, token });
  const left: Left = { sessions: new Set(), runs: new Set(), approvals: new Set(), rooms: new Set() };
  const syncs: Sync[] = [];
  try {
    onPhase(`making ${load.rooms} rooms and connecting ${load.followers} followers`);
    const places = await makePlaces(client, load.rooms, { measures, left, signal });
    if (places.length === 0) return measures;
    const sent = new Map<string, number>();
    const heads = new Map<string, number>();
    const followers = await follow(client, places, load.followers, { measures, sent, syncs, signal });
    const endMs = performance.now() + load.durationS * 1000;
    const going = (): boolean => performance.now() < endMs && !signal.aborted;
    const ticking = tick(going, async () => {
      onTick(measures, Math.max(0, Math.round((endMs - performance.now()) / 1000)));
      await sample(client).catch(() => undefined); // what cannot be sampled is missing in the table, and no error of the load
    });
    await Promise.all([
      paced(load.rate, going, (i) => write(client, places[i % places.length]!, i, { measures, sent, heads })),
      paced(load.approvals, going, (i) => approve(client, places[i % places.length]!, i, { measures, left })),
      ...Array.from({ length: load.engines }, (_, i) => engine(client, places[i % places.length]!, i, going, { measures, left })),
      ...Array.from({ length: load.sessions }, (_, i) => session(client, i, { measures, left, syncs, endMs, signal })),
    ]);
    await ticking;
    onPhase("waiting until every update has arrived");
    await arrived(followers, heads, measures, signal);
    return measures;
  } finally {
    for (const sync of syncs) sync.close();
    onPhase(`${signal.aborted ? "interrupted: " : ""}putting away what was made`);
    await cleanUp(client, left, measures);
  }
}

async function makePlaces(
  client: Client,
  rooms: number,
  { measures, left, signal }: { measures: Measures; left: Left; signal: AbortSignal },
): Promise<Place[]> {
  const places: Place[] = [];
  for (let i = 0; i < rooms && !signal.aborted; i++) {
    const room = await measures.timed("room.create", () => client.call(createRoom, { body: { title: `Scale test ${i + 1}` } }));
    if (room === null) continue;
    left.rooms.add(room.id);
    const thread = await measures.timed("thread.create", () => client.call(createThread, { params: { id: room.id }, body: {} }));
    if (thread !== null) places.push({ roomId: room.id, threadId: thread.id });
  }
  return places;
}

interface Following {
  readonly roomId: string;
  last: number;
  live: boolean;
}

async function follow(
  client: Client,
  places: readonly Place[],
  count: number,
  of: { measures: Measures; sent: Map<string, number>; syncs: Sync[]; signal: AbortSignal },
): Promise<Following[]> {
  const followers: Following[] = [];
  for (let i = 0; i < count && !of.signal.aborted; i++) {
    const { roomId } = places[i % places.length]!;
    const following: Following = { roomId, last: 0, live: false };
    const sync = createSync({ client });
    of.syncs.push(sync);
    followers.push(following);
    const at = performance.now();
    sync.subscribe(`room:${roomId}`, {
      after: "0",
      onUpdate(update) {
        const seq = Number(update.watermark);
        if (seq !== following.last + 1) of.measures.failed("update", seq <= following.last ? "repeated" : "left out");
        following.last = seq;
        const { type, data } = update.payload as unknown as { type: string; data: { content_md?: string } };
        const sentAt = type === "message.created" ? of.sent.get(data.content_md ?? "") : undefined;
        if (sentAt !== undefined) of.measures.took("update", performance.now() - sentAt);
      },
      onStale: () => of.measures.failed("update", "stale cursor"),
      onRefused: (code) => of.measures.failed("follow", code),
      onStatus(status) {
        if (status !== "live" || following.live) return;
        following.live = true;
        of.measures.took("follow", performance.now() - at);
      },
    });
    // A few at a time, as people come.
    while (followers.filter(({ live }) => !live).length >= 20 && !of.signal.aborted) await sleep(5);
  }
  const deadline = performance.now() + ARRIVAL_MS;
  while (followers.some(({ live }) => !live) && performance.now() < deadline && !of.signal.aborted) await sleep(10);
  for (const { live } of followers) if (!live) of.measures.failed("follow", "not connected in time");
  return followers;
}

async function write(
  client: Client,
  { roomId, threadId }: Place,
  i: number,
  { measures, sent, heads }: { measures: Measures; sent: Map<string, number>; heads: Map<string, number> },
): Promise<void> {
  const text = `Scale test message ${i}`;
  sent.set(text, performance.now());
  const made = await measures.timed("message.create", () =>
    client.call(createMessage, { params: { id: threadId }, body: { content_md: text } }),
  );
  if (made !== null) heads.set(roomId, Math.max(heads.get(roomId) ?? 0, made.seq));
}

async function approve(
  client: Client,
  { roomId }: Place,
  i: number,
  { measures, left }: { measures: Measures; left: Left },
): Promise<void> {
  const asked = await measures.timed("approval.request", () =>
    client.call(requestApproval, {
      body: { action: "scaletest.nothing", title: `Scale test ${i}`, room_id: roomId, params: { i } },
    }),
  );
  if (asked === null) return;
  left.approvals.add(asked.id);
  const decided = await measures.timed("approval.decide", () =>
    client.call(decideApproval, { params: { id: asked.id }, body: { decision: "deny" } }),
  );
  if (decided !== null) left.approvals.delete(asked.id);
}

/** As an engine does: no model, no sandbox, every step an event. */
async function engine(
  client: Client,
  { roomId }: Place,
  n: number,
  going: () => boolean,
  { measures, left }: { measures: Measures; left: Left },
): Promise<void> {
  while (going()) {
    const made = await measures.timed("run.create", () =>
      client.call(createRun, { body: { room_id: roomId, title: `Scale test engine ${n}` } }),
    );
    if (made === null) await sleep(200);
    else left.runs.add(made.id);
    const claim = await measures.timed("run.claim", () => client.call(claimRun, { body: { room_id: roomId } }));
    if (claim?.run == null) continue;
    const { run_id: id, claim_token, epoch } = claim.run;
    const fence = { claim_token, epoch };
    await measures.timed("run.start", () => client.call(startRun, { params: { id }, body: fence }));
    for (let step = 0; step < STEPS_PER_RUN && going(); step++)
      await measures.timed("run.step", () =>
        client.call(createStep, { params: { id }, body: { ...fence, kind: "scaletest", title: `Step ${step}` } }),
      );
    if ((await measures.timed("run.complete", () => client.call(completeRun, { params: { id }, body: fence }))) !== null)
      left.runs.delete(id);
  }
}

async function session(
  client: Client,
  n: number,
  of: { measures: Measures; left: Left; syncs: Sync[]; endMs: number; signal: AbortSignal },
): Promise<void> {
  const { items } = await client.call(listModels, {});
  const model = items.find(({ is_demo: isDemo }) => isDemo);
  if (model === undefined) return of.measures.failed("session.create", "the server offers no scripted model");
  const at = performance.now();
  const made = await of.measures.timed("session.create", () =>
    client.call(createSession, {
      body: { source: { type: "scratch" }, title: `Scale test ${n}`, prompt: "Say hello, and list what is here.", model: model.id },
    }),
  );
  if (made === null) return;
  of.left.sessions.add(made.id);
  of.left.rooms.add(made.room_id);
  let first = true;
  let before = 0;
  const sync = createSync({ client });
  of.syncs.push(sync);
  sync.subscribe(`session:${made.id}`, {
    after: "0.0",
    onUpdate(update) {
      const now = performance.now();
      const { kind } = update.payload as unknown as { kind: string };
      if (kind !== "text" && kind !== "thought" && kind !== "tool_output") return;
      if (first) of.measures.took("session.first_delta", now - at);
      else of.measures.took("session.delta_gap", now - before);
      first = false;
      before = now;
    },
    onStale: () => of.measures.failed("session.delta", "stale cursor"),
    onRefused: (code) => of.measures.failed("session.delta", code),
  });
  while (performance.now() < of.endMs && !of.signal.aborted) await sleep(100);
  if (first) of.measures.failed("session.first_delta", "nothing was said before the end; give it a longer --duration");
}

/** Starts one every 1/rate s, without waiting for the one before: a slow server is not asked less. */
async function paced(rate: number, going: () => boolean, work: (i: number) => Promise<void>): Promise<void> {
  if (rate <= 0) return;
  const open = new Set<Promise<void>>();
  const start = performance.now();
  for (let i = 0; going(); i++) {
    const due = start + (i * 1000) / rate;
    const wait = due - performance.now();
    if (wait > 1) await sleep(wait);
    if (!going()) break;
    const done: Promise<void> = work(i).finally(() => open.delete(done));
    open.add(done);
    // Bounded all the same.
    if (open.size >= 1000) await Promise.race(open);
  }
  await Promise.all(open);
}

async function tick(going: () => boolean, work: () => Promise<void>): Promise<void> {
  while (going()) {
    await work();
    await sleep(1000);
  }
}

/** Every follower has come to the last message that was acknowledged, and all of a room to the same watermark. */
async function arrived(
  followers: readonly Following[],
  acknowledged: ReadonlyMap<string, number>,
  measures: Measures,
  signal: AbortSignal,
): Promise<void> {
  const heads = (): Map<string, number> => {
    const found = new Map(acknowledged);
    for (const { roomId, last } of followers) found.set(roomId, Math.max(found.get(roomId) ?? 0, last));
    return found;
  };
  const behind = (): Following[] => {
    const head = heads();
    return followers.filter(({ roomId, last }) => last < head.get(roomId)!);
  };
  const deadline = performance.now() + ARRIVAL_MS;
  await sleep(300);
  while (behind().length > 0 && performance.now() < deadline && !signal.aborted) await sleep(50);
  for (const _ of behind()) measures.failed("update", "never arrived");
}

/** What has ended by itself is put away already; what cannot be is an error, and lies there for a person. */
async function cleanUp(client: Client, { sessions, runs, approvals, rooms }: Left, measures: Measures): Promise<void> {
  let isReached = true;
  const put = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    if (!isReached) return;
    try {
      await work();
    } catch (error) {
      if (error instanceof ApiError && [404, 409].includes(error.status)) return;
      // Nothing more is asked of a server that is gone.
      isReached = error instanceof ApiError;
      measures.failed("put away", `${what}: ${error instanceof ApiError ? error.code : "the server does not answer any more"}`);
    }
  };
  for (const id of runs) await put("a run", () => client.call(cancelRun, { params: { id }, body: {} }));
  for (const id of approvals) await put("an approval", () => client.call(decideApproval, { params: { id }, body: { decision: "deny" } }));
  for (const id of sessions) {
    await put("a session", () => client.call(stopSession, { params: { id }, body: { reason: "The scale test is over." } }));
    await put("a session", () => client.call(deleteSession, { params: { id } }));
  }
  for (const id of rooms) await put("a room", () => client.call(archiveRoom, { params: { id }, body: {} }));
}
