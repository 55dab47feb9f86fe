/*
 * A new version of the app was deployed while this page was open: nobody is told to refresh, the next move to another
 * page simply loads it. Noticed by the script that the server's page names: after every interruption, now and then,
 * and when a part of the old version is not there any more.
 */
import type { AnyRouter } from "@tanstack/react-router";
import { onReturn } from "../data/reach.ts";

const EVERY_MS = 10 * 60_000;
const RELOADED = "signalbox.reloaded";

const entryOf = (page: Document): string | null => page.querySelector('script[type="module"]')?.getAttribute("src") ?? null;

async function isOutdated(): Promise<boolean> {
  const mine = entryOf(document);
  if (mine === null || !mine.includes("/assets/")) return false; // Development: the page is never behind.
  try {
    const answer = await fetch("/", { cache: "no-store", headers: { accept: "text/html" } });
    if (!answer.ok) return false;
    const served = entryOf(new DOMParser().parseFromString(await answer.text(), "text/html"));
    return served !== null && served !== mine;
  } catch {
    return false; // Nobody answers: there is nothing newer to load either.
  }
}

export function followVersions(router: AnyRouter): void {
  let isBehind = false;
  const look = async (): Promise<void> => {
    if (!isBehind && document.visibilityState === "visible") isBehind = await isOutdated();
  };
  onReturn(() => void look());
  // Interruptions too short to be noticed, and tabs that slept.
  window.addEventListener("online", () => void look());
  document.addEventListener("visibilitychange", () => void look());
  setInterval(() => void look(), EVERY_MS);

  router.subscribe("onBeforeNavigate", ({ toLocation, pathChanged }) => {
    if (isBehind && pathChanged) window.location.assign(toLocation.href);
  });
  // A page's part is asked for under the old name; without this the person would see a page that broke.
  window.addEventListener("vite:preloadError", (event) => {
    const last = Number(sessionStorage.getItem(RELOADED) ?? 0);
    if (Date.now() - last < 30_000) return; // It did not help: say what is wrong.
    event.preventDefault();
    void isOutdated().then((outdated) => {
      if (!outdated) return;
      sessionStorage.setItem(RELOADED, String(Date.now()));
      window.location.assign(router.latestLocation.href);
    });
  });
}
