/*
 * Photographs every page of the control room in its four dresses (by day and by night, 1440 and 390 px wide), for whoever
 * works on how it looks. The server is the real one with a session in a real sandbox; its agent is played, so that there
 * is a bit of everything: a plan, coloured output, a question, a push that waits, a failed run, a room that is talked in.
 *
 *   node tools/look.ts DIRECTORY [--only REGEXP] [--dress light-1440] [--keep]
 *
 * `--keep` leaves the server up when the pictures are taken, and takes the next ones when Enter is pressed: what was
 * built in between is shown.
 */
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import type { BrowserContext, Page } from "playwright-core";
import { startComposed } from "../apps/server/src/composed.fixture.ts";
import { startEmbeddedPostgres } from "../apps/server/src/postgres/embedded.ts";
import { openBrowser } from "../apps/web/e2e/browser.ts";
import { furnish, LOOKS_AGENT, type Look } from "./look-furnished.ts";
import { ROOT } from "./step.ts";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string" }, dress: { type: "string" }, keep: { type: "boolean", default: false } },
});
const [directory] = positionals;
if (directory === undefined) throw new Error("say where the pictures go: node tools/look.ts DIRECTORY");
await mkdir(directory, { recursive: true });

const DRESSES = (["light", "dark"] as const)
  .flatMap((scheme) => [1440, 390].map((width) => ({ scheme, width, name: `${scheme}-${width}` })))
  .filter(({ name }) => flags.dress === undefined || new RegExp(flags.dress).test(name));

const dataDir = await mkdtemp(join(tmpdir(), "signalbox-look-"));
const postgres = await startEmbeddedPostgres({ dataDir });
// Where people sign in with accounts there is more to see. The address is named before anybody listens at it.
const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const composed = await startComposed(
  { connection: postgres.connection },
  {
    flags: ["--port", String(port)],
    environment: {
      SIGNALBOX_DEMO: "1",
      SIGNALBOX_SIGN_IN: "accounts",
      SIGNALBOX_OWNER_EMAIL: "owner@example.com",
      SIGNALBOX_PUBLIC_URL: url,
      GITHUB_CLIENT_ID: "signalbox",
      GITHUB_CLIENT_SECRET: "not-a-secret",
      SIGNALBOX_ANCHOR_FILE: join(dataDir, "anchored"),
      // Nobody answers there.
      SIGNALBOX_ANCHOR_WEBHOOK: `http://127.0.0.1:${await freePort()}/checkpoints`,
      SIGNALBOX_ANCHOR_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 1).toString("base64")}`,
    },
    harnesses: LOOKS_AGENT.harnesses,
  },
);
await composed.server.listen();
const browser = await openBrowser();
try {
  const looks = await furnish(composed);
  console.error(`${url} holds ${looks.length} pages`);
  await photograph(looks);
  const input = flags.keep ? createInterface({ input: process.stdin }) : null;
  for await (const line of input ?? []) {
    if (line === "end") break;
    await photograph(looks, line);
    console.error("done");
  }
} finally {
  await browser.close();
  await composed.close();
  await postgres.stop();
  await rm(dataDir, { recursive: true, force: true });
}
process.exit(0);

/** `only`: a part of the names, and after a blank a part of the dresses. */
async function photograph(looks: readonly Look[], only = flags.only ?? ""): Promise<void> {
  const [pattern = "", dress = ""] = only.split(" ");
  const asked = looks.filter(({ name }) => new RegExp(pattern).test(name));
  const dresses = DRESSES.filter(({ name }) => new RegExp(dress).test(name));
  for (const isStranger of [false, true]) {
    const context = await browser.newContext({ reducedMotion: "reduce", serviceWorkers: "block" });
    await newestBuild(context);
    const page = await context.newPage();
    if (!isStranger) await signIn(page);
    let now = "";
    page.on("console", (message) => message.type() === "error" && console.error(`${now}: ${message.text()}`));
    page.on("pageerror", (error) => console.error(`${now}: ${String(error)}`));
    for (const look of asked.filter((each) => (each.isStranger ?? false) === isStranger)) {
      now = look.name;
      await take(page, look, dresses).catch((error: unknown) => console.error(`${look.name}: ${String(error).split("\n")[0]}`));
    }
    await context.close();
  }
}

/** A page is loaded once and dressed four times. */
async function take(page: Page, look: Look, dresses: typeof DRESSES): Promise<void> {
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.goto(url + look.path, { waitUntil: "commit" });
  await page.getByRole("heading").first().waitFor({ state: "attached" });
  await page.waitForLoadState("networkidle", { timeout: 3_000 }).catch(() => undefined); // The live connection may keep it busy for ever.
  await expectLoaded(page);
  // What was done to whoever looks is undone also when the pictures failed: the next page is somebody else's.
  try {
    await look.act?.(page);
    await photographed(page, look, dresses);
  } finally {
    await look.undo?.(page);
  }
}

async function photographed(page: Page, look: Look, dresses: typeof DRESSES): Promise<void> {
  for (const { scheme, width, name } of dresses) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: width < 500 ? 844 : 900 });
    await page.waitForTimeout(500);
    // A page that scrolls as a whole is shown as a whole.
    const tall = await page.evaluate(() => {
      const scrolling = [document.documentElement, ...document.querySelectorAll("main")];
      return Math.max(
        ...scrolling.map((each) => each.scrollHeight + (each === document.documentElement ? 0 : innerHeight - each.clientHeight)),
      );
    });
    if (look.isWhole !== false && tall > page.viewportSize()!.height) {
      await page.setViewportSize({ width, height: Math.min(tall, 2_600) });
      await page.waitForTimeout(150);
    }
    const file = join(directory!, `${look.name}.${name}.png`);
    await page.screenshot({ path: file });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    if (wide > width) console.error(`${file}: the page is ${wide} px wide`);
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port: free } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return free;
}

/** What is still a shape of what comes, after half a minute, is photographed as that. */
async function expectLoaded(page: Page): Promise<void> {
  const loading = page.getByRole("status", { name: "Loading" });
  for (let i = 0; i < 60 && (await loading.count()) > 0; i++) await page.waitForTimeout(500);
}

async function signIn(page: Page): Promise<void> {
  const { body } = await composed.call("POST", "/v1/auth/login-codes", { token: composed.owner, body: {} });
  const { pathname, search } = new URL(body.url as string);
  await page.goto(url + pathname + search);
  await page.getByRole("navigation", { name: "Main" }).first().waitFor();
  await page.evaluate(() => localStorage.setItem("signalbox.welcome.ws_dev", "seen"));
}

/** The server knows the files of the build that it found when it began. */
async function newestBuild(context: BrowserContext): Promise<void> {
  await context.route("**/assets/*", async (route) => {
    const name = new URL(route.request().url()).pathname.slice(1);
    const type = { js: "text/javascript", css: "text/css", woff2: "font/woff2" }[name.split(".").at(-1)!] ?? "application/octet-stream";
    const body = await readFile(join(ROOT, "apps/web/dist", name)).catch(() => null);
    await (body === null ? route.continue() : route.fulfill({ body, contentType: type }));
  });
}
