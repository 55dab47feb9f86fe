/*
 * The service worker, built to /sw.js (vite.config.ts fills in SHELL and BUILD). Two things, and nothing else:
 *
 * 1. The app opens without a server. The shell of each build is kept when its worker is installed, its other parts
 *    when they are first used. The page itself is asked of the server first, so a new version is never kept away.
 *    /v1, /llm and whatever else the server answers are not looked at: what was last known is the app's to keep.
 * 2. Notes. What waits for a person is shown; a press opens exactly that record, in a tab that is open if there is
 *    one. A button says what was meant and the page asks for it: a stray press on a locked phone decides nothing.
 *
 * Plain JavaScript, because it is its own program: no imports, no types of the page.
 */
const SHELL = __SHELL__;
const CACHE = `signalbox-${__BUILD__}`;
const PAGE = "/";
/** A server that does not answer in this time is taken for away, as far as the page is concerned. */
const PATIENCE_MS = 4_000;

self.addEventListener("install", (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(CACHE);
      await cache.addAll(SHELL.map((path) => new Request(path, { cache: path.startsWith("/assets/") ? "default" : "reload" })));
      await self.skipWaiting();
    })(),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      const ours = (await caches.keys()).filter((name) => name.startsWith("signalbox-"));
      // The build before this one stays: a tab that is still open may ask for one of its parts. `keys` is in order of creation.
      const kept = new Set([CACHE, ...ours.filter((name) => name !== CACHE).slice(-1)]);
      await Promise.all(ours.filter((name) => !kept.has(name)).map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  // `no-store` is the app asking which version the server has: what is kept is not an answer.
  if (request.method !== "GET" || origin !== self.location.origin || request.cache === "no-store") return;
  if (/^\/(v1|llm|metrics|openapi\.json|sw\.js)(\/|$)/.test(pathname)) return;
  if (request.mode === "navigate") event.respondWith(page(request));
  else if (pathname.startsWith("/assets/")) event.respondWith(part(request));
  else if (SHELL.includes(pathname)) event.respondWith(networkFirst(request));
});

/** Every place of the app is the same page. */
async function page(request) {
  try {
    return await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (error) {
    const kept = await caches.match(PAGE, { cacheName: CACHE });
    if (kept === undefined) throw error;
    return kept;
  }
}

/** A part carries a hash of what is in it, so the kept one is the one. */
async function part(request) {
  const kept = await caches.match(request);
  if (kept !== undefined) return kept;
  const answer = await fetch(request);
  if (answer.ok) {
    const copy = answer.clone();
    // Storage may be full: the part is then asked for again next time.
    void caches.open(CACHE).then((cache) => cache.put(request, copy).catch(() => undefined));
  }
  return answer;
}

async function networkFirst(request) {
  try {
    return await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (error) {
    const kept = await caches.match(request, { cacheName: CACHE });
    if (kept === undefined) throw error;
    return kept;
  }
}

/** A path of this app, whatever else may have been sent. */
const pathOf = (url) => (typeof url === "string" && /^\/(?!\/)/.test(url) ? url : "/");

self.addEventListener("push", (event) => {
  let note = {};
  try {
    note = event.data?.json() ?? {};
  } catch {
    // A note that cannot be read still says that something waits.
  }
  const actions = (Array.isArray(note.actions) ? note.actions : [])
    .filter(({ action }) => /^(approve|deny|open)$/.test(action))
    .slice(0, 2);
  event.waitUntil(
    self.registration.showNotification(String(note.title ?? "Signalbox"), {
      body: String(note.body ?? "Something waits for you."),
      tag: String(note.tag ?? "signalbox"),
      icon: "/icon-192.png",
      badge: "/badge-96.png",
      data: { url: pathOf(note.url), approvalId: typeof note.approval_id === "string" ? note.approval_id : null },
      actions,
    }),
  );
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { url = "/", approvalId = null } = event.notification.data ?? {};
  const isVerdict = event.action === "approve" || event.action === "deny";
  const target =
    approvalId !== null && /^appr_[0-9A-Z]+$/.test(approvalId)
      ? `/approvals/${approvalId}${isVerdict ? `?decide=${event.action}` : ""}`
      : pathOf(url);
  event.waitUntil(open(target));
});

async function open(target) {
  const tabs = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const tab = tabs.find(({ visibilityState }) => visibilityState === "visible") ?? tabs[0];
  if (tab === undefined) return self.clients.openWindow(target);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a client of our own scope, not a window
  tab.postMessage({ open: target });
  return tab.focus();
}
