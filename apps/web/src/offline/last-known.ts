/*
 * What was last known, kept in this browser for when the server cannot be reached: who one is, the lists (what waits,
 * sessions, rooms) and the sessions that were opened. Shown at once, said to be old (frame/notices.tsx), and replaced
 * as soon as anything newer arrives.
 *
 *   signed in ──▶ what changes is written, a moment later, under the principal
 *   start     ──▶ read when `me` is known (that principal's only) or when nobody answers for a while (the last one's)
 *   signed out, another principal, another build, a week later ──▶ forgotten
 */
import { ApiError } from "@signalbox/client/client";
import { dehydrate, hydrate, type DehydratedState, type Query, type UseQueryResult } from "@tanstack/react-query";
import { del, get, set } from "idb-keyval";
import { useEffect } from "react";
import { queries } from "../data/api.ts";
import { knownSince } from "../data/reach.ts";

const KEY = "signalbox.last-known";
/** A chunk's address carries a hash: another build may read other shapes, so it starts anew. */
const BUILD = import.meta.url;
const FORGET_MS = 7 * 24 * 3_600_000;
const WRITE_AFTER_MS = 2_000;
/** How long nobody may answer at the start before what was known is shown. */
const PATIENCE_MS = 1_500;
/** Sessions, conversations and the like: as many as were opened lately. */
const OPENED = 12;

interface LastKnown {
  readonly principal: string;
  readonly build: string;
  readonly at: number;
  readonly state: DehydratedState;
}
interface Someone {
  readonly principal: { readonly id: string };
}

const LISTS = new Set(["me", "sessions", "approvals", "attention", "rooms", "kill-switch", "principals"]);
/** What was opened: the record itself and the newest page of what was said, not its diffs and panes, which may be large. */
const isOpened = ({ queryKey: [family, ...rest] }: Query): boolean =>
  ["session", "room", "approval", "newest"].includes(String(family)) && rest.length === 1;

// What nobody looks at is usually dropped after five minutes, and would then be missing from what is written.
const KEEP_MS = 3_600_000;
for (const family of [...LISTS, "newest"]) queries.setQueryDefaults([family], { gcTime: KEEP_MS });

let isRead = false;
let timer: ReturnType<typeof setTimeout> | undefined;

/** The browser may forbid storage altogether; then there is simply nothing that was last known. */
async function quietly<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch {
    return undefined; // Nothing depends on it.
  }
}

function isKept(query: Query, opened: ReadonlySet<string>): boolean {
  const [family] = query.queryKey;
  return query.state.status === "success" && (LISTS.has(String(family)) || opened.has(query.queryHash));
}

async function write(): Promise<void> {
  timer = undefined;
  const me = queries.getQueryData<Someone>(["me"]);
  if (me === undefined) return;
  const opened = new Set(
    queries
      .getQueryCache()
      .getAll()
      .filter(isOpened)
      .sort((a, b) => b.state.dataUpdatedAt - a.state.dataUpdatedAt)
      .slice(0, OPENED)
      .map(({ queryHash }) => queryHash),
  );
  const kept: LastKnown = {
    principal: me.principal.id,
    build: BUILD,
    at: Date.now(),
    state: dehydrate(queries, { shouldDehydrateQuery: (query) => isKept(query, opened), shouldDehydrateMutation: () => false }),
  };
  await quietly(() => set(KEY, kept));
}

/** `principal` null: nobody answers, so whoever was here last. */
async function read(principal: string | null): Promise<void> {
  if (isRead) return;
  isRead = true;
  const kept = await quietly(() => get<LastKnown>(KEY));
  if (kept === undefined) return;
  const isOf = principal === null || kept.principal === principal;
  if (!isOf || kept.build !== BUILD || Date.now() - kept.at > FORGET_MS) return forget();
  // Someone may have answered while the store was read: then only what is theirs.
  const me = queries.getQueryData<Someone>(["me"]);
  if (me !== undefined && me.principal.id !== kept.principal) return forget();
  if (me === undefined) knownSince(kept.at);
  hydrate(queries, kept.state);
}

/** The newest page of something long: as it is read, or, while nobody answers, as it was last known. */
export async function orLastKnown<Page>(id: string, read: () => Promise<Page>): Promise<Page> {
  const key = ["newest", id];
  try {
    const page = await read();
    queries.setQueryData(key, page);
    return page;
  } catch (error) {
    const known = error instanceof ApiError && error.status === 0 ? queries.getQueryData<Page>(key) : undefined;
    if (known === undefined) throw error;
    return known;
  }
}

export async function forget(): Promise<void> {
  clearTimeout(timer);
  timer = undefined;
  await quietly(() => del(KEY));
}

/** Reads what was known when it is needed, writes what is known while someone is signed in. */
export function useLastKnown(me: UseQueryResult<Someone>): void {
  const principal = me.data?.principal.id ?? null;
  const isOut = me.error instanceof ApiError && me.error.status === 401;
  useEffect(() => {
    if (isOut) void forget();
    else if (principal !== null) void read(principal);
    else {
      const patience = setTimeout(() => void read(null), navigator.onLine ? PATIENCE_MS : 0);
      return () => clearTimeout(patience);
    }
    return undefined;
  }, [principal, isOut]);

  useEffect(() => {
    if (principal === null || isOut) return;
    const stop = queries.getQueryCache().subscribe((event) => {
      if (event.type === "updated" && event.action.type === "success") timer ??= setTimeout(() => void write(), WRITE_AFTER_MS);
    });
    const onHide = (): void => {
      if (document.visibilityState === "hidden" && timer !== undefined) void write();
    };
    document.addEventListener("visibilitychange", onHide);
    return () => {
      stop();
      document.removeEventListener("visibilitychange", onHide);
    };
  }, [principal, isOut]);
}
