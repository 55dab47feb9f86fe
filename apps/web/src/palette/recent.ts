/* The things that were opened lately in this browser, by the name that their page had. Forgotten on leaving. */
import type { AnyRouter } from "@tanstack/react-router";

export interface Visit {
  readonly href: string;
  readonly title: string;
}

const KEY = "signalbox.recent";
const KEPT = 8;
/** A page knows its name when it has been read. */
const SETTLED_MS = 1_500;

export function recent(): readonly Visit[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? (kept as Visit[]).filter(({ href, title }) => typeof href === "string" && typeof title === "string") : [];
  } catch {
    return []; // Storage may be forbidden, or hold something else.
  }
}

function remember(visit: Visit): void {
  try {
    localStorage.setItem(KEY, JSON.stringify([visit, ...recent().filter(({ href }) => href !== visit.href)].slice(0, KEPT)));
  } catch {
    // Storage may be forbidden or full; the list is only a convenience.
  }
}

export function forgetRecent(): void {
  try {
    localStorage.removeItem(KEY);
  } catch {
    // Storage is forbidden: then nothing was kept.
  }
}

export function followVisits(router: AnyRouter): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  router.subscribe("onResolved", ({ toLocation, pathChanged }) => {
    if (!pathChanged) return;
    clearTimeout(timer);
    const href: string = toLocation.pathname;
    if (!/^\/(sessions|rooms|runs|artifacts)\/[^/]+$/.test(href)) return;
    timer = setTimeout(() => {
      const title = document.title.replace(/^\(\d+\) /, "").replace(/ · Signalbox$/, "");
      if (window.location.pathname === href) remember({ href, title });
    }, SETTLED_MS);
  });
}
