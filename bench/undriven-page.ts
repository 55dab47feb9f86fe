/*
 * A page in a Chromium of its own that nobody drives. A driver has the browser's instrumentation on for as long as it
 * holds a page, and that keeps records of every socket frame in the page's own heap: +5 % in an hour (heap snapshots).
 * Here the page is attached to for the moment in which its heap is measured.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

export interface UndrivenPage {
  /** Megabytes of JavaScript heap in use after a collection. */
  heapMb(): Promise<number>;
  close(): Promise<void>;
}

/** `cookies` as Chromium's `Storage.setCookies` takes them. */
export async function openUndrivenPage(url: string, cookies: readonly object[]): Promise<UndrivenPage> {
  const profile = await mkdtemp(path.join(tmpdir(), "signalbox-bench-chromium-"));
  const chromium = spawn(
    "/usr/bin/chromium",
    [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--disable-background-networking",
      "--no-first-run",
      "--window-size=1440,900",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
      "about:blank",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const browser = await connect(await debuggerOf(chromium.stderr));
  await browser.call("Storage.setCookies", { cookies });
  const { targetId } = await browser.call<{ targetId: string }>("Target.createTarget", { url });
  return {
    async heapMb() {
      const { sessionId } = await browser.call<{ sessionId: string }>("Target.attachToTarget", { targetId, flatten: true });
      await browser.call("HeapProfiler.collectGarbage", {}, sessionId);
      const { usedSize } = await browser.call<{ usedSize: number }>("Runtime.getHeapUsage", {}, sessionId);
      await browser.call("Target.detachFromTarget", { sessionId });
      return usedSize / 2 ** 20;
    },
    async close() {
      const gone = once(chromium, "exit");
      chromium.kill("SIGKILL");
      await gone;
      await rm(profile, { recursive: true, force: true });
    },
  };
}

async function debuggerOf(stderr: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: stderr })) {
    const found = /^DevTools listening on (ws:\S+)/.exec(line);
    if (found !== null) {
      stderr.resume();
      return found[1];
    }
  }
  throw new Error("Chromium ended before it listened");
}

/** Chromium's debugging protocol: numbered calls and their answers. */
async function connect(address: string) {
  const socket = new WebSocket(address);
  const open = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  let last = 0;
  socket.addEventListener("message", ({ data }) => {
    const { id, result, error } = JSON.parse(String(data)) as { id?: number; result?: unknown; error?: { message: string } };
    const waiting = id === undefined ? undefined : open.get(id);
    if (waiting === undefined) return;
    open.delete(id!);
    if (error === undefined) waiting.resolve(result);
    else waiting.reject(new Error(error.message));
  });
  socket.addEventListener("close", () => {
    for (const { reject } of open.values()) reject(new Error("Chromium is gone"));
  });
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve, { once: true });
    socket.addEventListener("error", reject, { once: true });
  });
  return {
    call: <Result = unknown>(method: string, params: object, sessionId?: string): Promise<Result> =>
      new Promise<Result>((resolve, reject) => {
        open.set(++last, { resolve, reject });
        socket.send(JSON.stringify({ id: last, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
      }),
  };
}
