/*
 * The page's side of the service worker: registers it, and goes where a notification leads. The worker itself is
 * push/service-worker.js, built to /sw.js.
 */
import type { AnyRouter } from "@tanstack/react-router";

export function followWorker(router: AnyRouter): void {
  if (!("serviceWorker" in navigator) || !import.meta.env.PROD) return;
  const register = (): void => {
    navigator.serviceWorker.register("/sw.js", { scope: "/" }).catch(() => {
      // Private windows and some policies forbid it: then there is no offline shell and no push, and nothing else is lost.
    });
  };
  // After the first paint: it is of use to the next visit, not to this one.
  if (document.readyState === "complete") register();
  else window.addEventListener("load", register, { once: true });
  navigator.serviceWorker.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
    const url = (data as { open?: unknown } | null)?.open;
    // Only a path of this app: what arrives in a message is not to lead anywhere else.
    if (typeof url === "string" && /^\/(?!\/)/.test(url)) router.history.push(url);
  });
}
