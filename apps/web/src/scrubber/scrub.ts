/*
 * Where one is in time, for as long as a page shows one session or room.
 *
 *                  seek, step, drag            play
 *   live (at null) ───────────────► then (at) ◄──────► playing
 *        ▲                             │                  │
 *        └────── live(), past the end ─┴──────────────────┘
 *
 * `at` is where the hand is; `shown` is the moment that has been read and is on screen, which follows within one
 * answer. The address follows once the hand rests; an address that others change (back, forward, a link) moves `at`.
 * The reel grows with the room's head, whether one looks at the past or not.
 */
import type { Timeline } from "@signalbox/contract/session-history";
import { createMoments, type Moments } from "./moments.ts";
import { played, upcoming, type Speed } from "./play.ts";
import { EMPTY_REEL, extended, indexOfSeq, nextOf, pauseAfter, type Mark, type Reel } from "./reel.ts";

/** What the scrubber reads of a session, a shared session, or a room. `Then` is a moment of it. */
export interface Subject<Then> {
  timeline(afterSeq: number, signal: AbortSignal): Promise<Timeline>;
  moment(seq: number, signal: AbortSignal): Promise<Then>;
}

export interface Scrubbed<Then> {
  readonly reel: Reel;
  readonly phase: "loading" | "ready" | "failed";
  readonly error: unknown;
  /** Seq of the room; null is live. */
  readonly at: number | null;
  readonly shown: number | null;
  readonly held: { readonly seq: number; readonly moment: Then } | null;
  readonly momentError: unknown;
  readonly isPlaying: boolean;
  readonly speed: Speed;
  /** While playing: how long the pause is that goes by as a second. */
  readonly pauseMs: number | null;
  readonly hidden: ReadonlySet<Mark>;
  /** The kind that next and previous go to. */
  readonly walked: Mark;
  /** The newest event that is known to be there, counted also while one looks at the past. */
  readonly head: number;
}

export interface Scrub<Then> {
  subscribe(listener: () => void): () => void;
  get(): Scrubbed<Then>;
  /** Where the play head stands on the reel; between two events while it plays. */
  readonly playHead: { place(): number; subscribe(listener: () => void): () => void };
  seek(seq: number | null): void;
  step(by: number): void;
  walk(mark: Mark, by: 1 | -1): void;
  first(): void;
  live(): void;
  toggle(): void;
  pause(): void;
  setSpeed(speed: Speed): void;
  setHidden(hidden: ReadonlySet<Mark>): void;
  setWalked(mark: Mark): void;
  /** The hand let go: the address says where. */
  rest(): void;
  /** What the address says; null is live. */
  fromAddress(at: number | null): void;
  grow(head: number): void;
  /** Something was erased: what was read may hold it. */
  forget(): void;
  retry(): void;
  /** Begins reading; ends with what it returns. */
  open(): () => void;
}

export interface ScrubOptions<Then> {
  readonly subject: Subject<Then>;
  readonly at: number | null;
  readonly isStill: () => boolean;
  onAddress(at: number | null, kind: "push" | "replace"): void;
  /** The address named a moment that has not been. */
  onAhead(at: number, head: number): void;
}

const REST_MS = 250;
const PLAYING_ADDRESS_MS = 1_000;
const GROW_MS = 400;
const AHEAD_MS = 120;

export function createScrub<Then>({ subject, at: initial, isStill, onAddress, onAhead }: ScrubOptions<Then>): Scrub<Then> {
  const listeners = new Set<() => void>();
  const headListeners = new Set<() => void>();
  let state: Scrubbed<Then> = {
    reel: EMPTY_REEL,
    phase: "loading",
    error: null,
    at: initial,
    shown: initial,
    held: null,
    momentError: null,
    isPlaying: false,
    speed: 1,
    pauseMs: null,
    hidden: new Set(),
    walked: "approval",
    head: 0,
  };
  let moments: Moments<Then> | null = null;
  let written = initial;
  let addressTimer: ReturnType<typeof setTimeout> | undefined;
  let frame = 0;
  let framedAt = 0;
  let place = 0;
  let closed = new AbortController();

  function set(change: Partial<Scrubbed<Then>>): void {
    state = { ...state, ...change };
    for (const listener of listeners) listener();
  }
  function moveHead(to: number): void {
    place = to;
    for (const listener of headListeners) listener();
  }

  const indexNow = (): number => (state.at === null ? state.reel.length - 1 : indexOfSeq(state.reel, state.at));
  const stand = (): void => {
    const i = indexNow();
    moveHead(i < 0 ? 0 : state.reel.place[i]!);
  };

  // The newest state is read in a closure that outlives many: the timer, the frame.
  function write(): void {
    clearTimeout(addressTimer);
    addressTimer = undefined;
    const { at } = state;
    if (at === written) return;
    const kind = at === null || written === null ? "push" : "replace";
    written = at;
    onAddress(at, kind);
  }
  function writeSoon(): void {
    if (!state.isPlaying) clearTimeout(addressTimer);
    else if (addressTimer !== undefined) return;
    addressTimer = setTimeout(write, state.isPlaying ? PLAYING_ADDRESS_MS : REST_MS);
  }

  /** Only the place in time; who plays goes on playing. */
  function go(seq: number | null): void {
    if (seq === state.at) return;
    set({ at: seq, momentError: null, ...(seq === null ? { shown: null } : {}) });
    if (seq !== null) moments?.want(seq);
    writeSoon();
  }
  function goIndex(i: number): void {
    const { reel } = state;
    if (reel.length === 0) return;
    pause();
    if (i >= reel.length - 1) live();
    else {
      go(reel.seq[Math.max(0, i)]!);
      stand();
      foreseeNear();
    }
  }
  /** The steps that a hand on the arrow keys takes next. */
  function foreseeNear(): void {
    const i = indexNow();
    moments?.foresee([i + 1, i - 1, i + 2, i - 2, i + 3].flatMap((each) => state.reel.seq[each] ?? []));
  }

  function pause(): void {
    cancelAnimationFrame(frame);
    frame = 0;
    if (!state.isPlaying) return;
    set({ isPlaying: false, pauseMs: null });
    clearTimeout(addressTimer);
    write();
    foreseeNear();
  }
  function live(): void {
    pause();
    go(null);
    stand();
    write();
  }
  function play(): void {
    const { reel } = state;
    if (reel.length < 2) return;
    if (state.at === null) go(reel.seq[0]!);
    stand();
    set({ isPlaying: true });
    framedAt = performance.now();
    frame = requestAnimationFrame(tick);
  }
  function tick(now: number): void {
    const { reel, speed } = state;
    const before = indexNow();
    const next = played(reel, place, now - framedAt, speed);
    framedAt = now;
    if (next.isOver) {
      live();
      return;
    }
    frame = requestAnimationFrame(tick);
    if (next.index !== before) {
      go(reel.seq[next.index]!);
      moments?.foresee(upcoming(reel, next.place, speed, AHEAD_MS, 6));
    }
    const pauseMs = pauseAfter(reel, next.index);
    if (pauseMs !== state.pauseMs) set({ pauseMs });
    // Without motion the head stands at each event and then at the next.
    place = next.place;
    if (!isStill() || next.index !== before) for (const listener of headListeners) listener();
  }

  let isReading = false;
  async function read(): Promise<void> {
    if (isReading) return;
    isReading = true;
    const { signal } = closed;
    try {
      do {
        const timeline = await subject.timeline(state.reel.lastSeq, signal);
        if (signal.aborted) return;
        const reel = extended(state.reel, timeline);
        set({ reel, phase: "ready", error: null, head: Math.max(state.head, reel.lastSeq) });
        if (state.at !== null && state.at > reel.lastSeq) {
          onAhead(state.at, reel.lastSeq);
          live();
        } else if (!state.isPlaying) stand();
        if (state.head > reel.lastSeq) await new Promise((resolve) => setTimeout(resolve, GROW_MS));
      } while (state.head > state.reel.lastSeq && !signal.aborted);
    } catch (error) {
      // What is drawn stays true; the next event asks again.
      if (!signal.aborted && state.reel.length === 0) set({ phase: "failed", error });
    } finally {
      if (!signal.aborted) isReading = false;
    }
  }

  return {
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get: () => state,
    playHead: {
      place: () => place,
      subscribe(listener) {
        headListeners.add(listener);
        return () => headListeners.delete(listener);
      },
    },
    seek(seq) {
      if (seq === null) live();
      else goIndex(indexOfSeq(state.reel, seq));
    },
    step: (by) => goIndex(Math.max(0, indexNow() + by)),
    walk(mark, by) {
      const i = nextOf(state.reel, indexNow(), by, mark);
      if (i !== -1) goIndex(i);
      else if (by === 1) live();
      else goIndex(0);
    },
    first: () => goIndex(0),
    live,
    toggle: () => (state.isPlaying ? pause() : play()),
    pause,
    setSpeed: (speed) => set({ speed }),
    setHidden: (hidden) => set({ hidden }),
    setWalked: (walked) => set({ walked }),
    rest: () => {
      if (!state.isPlaying) write();
    },
    fromAddress(at) {
      if (at === written) return;
      pause();
      written = at;
      clearTimeout(addressTimer);
      go(at);
      clearTimeout(addressTimer);
      stand();
    },
    grow(head) {
      if (head <= state.head) return;
      set({ head });
      if (state.phase === "ready") void read();
    },
    forget() {
      moments?.clear();
      // What is being read continues a reel that is gone.
      closed.abort();
      closed = new AbortController();
      isReading = false;
      set({ reel: EMPTY_REEL });
      void read();
      if (state.at !== null) moments?.want(state.at);
    },
    retry() {
      set({ phase: "loading", error: null, momentError: null });
      void read();
      if (state.at !== null) moments?.want(state.at);
    },
    open() {
      closed = new AbortController();
      isReading = false;
      moments = createMoments<Then>({
        read: (seq, signal) => subject.moment(seq, signal),
        onRead(seq, moment) {
          if (state.at !== null) set({ shown: seq, held: { seq, moment }, momentError: null });
        },
        onFailed(seq, error) {
          if (state.at === seq) set({ shown: seq, held: null, momentError: error });
        },
      });
      void read();
      if (state.at !== null) moments.want(state.at);
      return () => {
        closed.abort();
        moments?.close();
        cancelAnimationFrame(frame);
        clearTimeout(addressTimer);
      };
    },
  };
}

/** How many events of a mark lie before and after a moment, for the buttons that go there. */
export function around(reel: Reel, i: number, mark: Mark): { before: boolean; after: boolean } {
  return { before: nextOf(reel, i, -1, mark) !== -1, after: nextOf(reel, i, 1, mark) !== -1 };
}
