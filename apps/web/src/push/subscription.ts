/*
 * This browser's subscription to notes. The browser makes it (with the server's key, only after a person allowed it),
 * the server keeps it; its id is remembered here, because the list does not tell whose endpoint is whose.
 */
import { createPushSubscription, deletePushSubscription, getPushKey, listPushSubscriptions } from "@signalbox/contract/push";
import { queryOptions } from "@tanstack/react-query";
import { client, queries } from "../data/api.ts";

const ID = "signalbox.push";

export type Support = "yes" | "denied" | "no-worker" | "no-push";

/** Whether notes can come to this browser at all, and what is in the way. */
export function support(): Support {
  if (!("serviceWorker" in navigator) || !window.isSecureContext) return "no-worker";
  if (!("PushManager" in window) || !("Notification" in window)) return "no-push";
  return Notification.permission === "denied" ? "denied" : "yes";
}

export const subscriptionsQuery = queryOptions({
  queryKey: ["push"],
  queryFn: ({ signal }) => client.call(listPushSubscriptions, { signal }),
  staleTime: 60_000,
});

export function idHere(): string | null {
  try {
    return localStorage.getItem(ID);
  } catch {
    return null; // Storage may be forbidden; then no entry of the list can be told to be this browser.
  }
}
function keepId(id: string | null): void {
  try {
    if (id === null) localStorage.removeItem(ID);
    else localStorage.setItem(ID, id);
  } catch {
    // As above.
  }
}

function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  const binary = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** "Firefox on Linux": how a person finds this browser in a list. */
function labelHere(): string {
  const agent = navigator.userAgent;
  const browser = /Edg\//.test(agent)
    ? "Edge"
    : /Firefox\//.test(agent)
      ? "Firefox"
      : /Chrome\//.test(agent)
        ? "Chrome"
        : /Safari\//.test(agent)
          ? "Safari"
          : "Browser";
  const system = /Android/.test(agent)
    ? "Android"
    : /iPhone|iPad/.test(agent)
      ? "iOS"
      : /Mac/.test(agent)
        ? "macOS"
        : /Windows/.test(agent)
          ? "Windows"
          : "Linux";
  return `${browser} on ${system}`;
}

/** Asks the person, so it is only called from a button. */
export async function subscribe(): Promise<void> {
  if ((await Notification.requestPermission()) !== "granted") throw new Error("This browser was not allowed to show notes.");
  const [{ public_key: key }, worker] = await Promise.all([client.call(getPushKey, {}), navigator.serviceWorker.ready]);
  const old = await worker.pushManager.getSubscription();
  // Made with another server's key, it would never get anything from this one.
  await old?.unsubscribe();
  const { endpoint, keys } = (await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytesOf(key) })).toJSON();
  if (endpoint === undefined || keys?.["p256dh"] === undefined || keys["auth"] === undefined)
    throw new Error("The browser made a subscription without an address.");
  const made = await client.call(createPushSubscription, {
    body: { endpoint, keys: { p256dh: keys["p256dh"], auth: keys["auth"] }, label: labelHere() },
  });
  keepId(made.id);
  await queries.invalidateQueries({ queryKey: subscriptionsQuery.queryKey });
}

/** Ends one; of this browser also the browser's half. */
export async function unsubscribe(id: string): Promise<void> {
  if (id === idHere()) await endHere();
  await client.call(deletePushSubscription, { params: { id } });
  await queries.invalidateQueries({ queryKey: subscriptionsQuery.queryKey });
}

async function endHere(): Promise<void> {
  keepId(null);
  const worker = await navigator.serviceWorker.getRegistration();
  await (await worker?.pushManager.getSubscription())?.unsubscribe();
}

/** On leaving: whoever uses this browser next gets no notes about somebody else's work. */
export async function unsubscribeHere(): Promise<void> {
  const id = idHere();
  if (id === null) return;
  await unsubscribe(id).catch(() => undefined); // The browser's half has ended first; the server's falls off with the next note.
}
