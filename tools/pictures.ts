/*
 * Takes the pictures of docs/images and the recording of the main job from the real product: a fresh server with its
 * sample session, a real agent in a real sandbox on the scripted demo model, a person in Chromium.
 *
 *   node tools/pictures.ts             all of them; needs `img2webp` (Debian: webp) for the recording
 *
 * The recording is what the screen showed, in its own time: frames come when something changed, pauses are cut to 1.2 s.
 */
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createClient } from "@signalbox/client/client";
import { requestApproval } from "@signalbox/contract/approvals";
import { createLoginCode } from "@signalbox/contract/identity";
import { createMessage, createRoom, createThread } from "@signalbox/contract/rooms";
import { listRuns } from "@signalbox/contract/runs";
import { createSession, listSessions } from "@signalbox/contract/sessions";
import { createSample } from "@signalbox/contract/system";
import { chromium, type Browser, type Page } from "playwright-core";
import { startServer } from "../apps/web/e2e/server.ts";
import { ROOT } from "./step.ts";

const IMAGES = join(ROOT, "docs/images");
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const LONGEST_MS = 1_200;
const SHORTEST_MS = 90;

// Said before anything is recorded: minutes later it would be lost.
if (spawnSync("img2webp", ["-version"]).error !== undefined) {
  process.stderr.write("img2webp is missing, which makes the recording of frames. On Debian: apt-get install webp\n");
  process.exit(1);
}
const place = await mkdtemp(join(tmpdir(), "signalbox-pictures-"));
const server = await startServer({ withSample: true });
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
try {
  await mkdir(IMAGES, { recursive: true });
  await furnish();
  const state = await signIn(browser);
  await record(state);
  await stills(state);
} finally {
  await browser.close();
  await server.stop();
  await rm(place, { recursive: true, force: true });
}

type State = Awaited<ReturnType<Awaited<ReturnType<Browser["newContext"]>>["storageState"]>>;

/** A room that people talk in, so that the picture of rooms is not empty. */
async function furnish(): Promise<void> {
  const client = createClient({ baseUrl: server.url, token: server.token });
  const room = await client.call(createRoom, { body: { title: "Checkout" } });
  const thread = await client.call(createThread, { params: { id: room.id }, body: { title: "Discounts are wrong" } });
  for (const content_md of [
    "A customer paid **more** with a voucher than without.",
    "I have set an agent on it; its push waits for an approval.",
  ])
    await client.call(createMessage, { params: { id: thread.id }, body: { content_md } });
}

async function signIn(of: Browser): Promise<State> {
  const client = createClient({ baseUrl: server.url, token: server.token });
  const context = await of.newContext();
  const page = await context.newPage();
  const { pathname, search } = new URL((await client.call(createLoginCode, { body: {} })).url);
  await page.goto(server.url + pathname + search);
  await page.getByRole("navigation", { name: "Main" }).first().waitFor();
  const state = await context.storageState();
  await context.close();
  return state;
}

/** The main job, from the sample to the approved push, and back through it with the scrubber. */
async function record(storageState: State): Promise<void> {
  const context = await browser.newContext({ viewport: WIDE, storageState, colorScheme: "light" });
  const page = await context.newPage();
  // A busy machine takes its time; the pauses are cut out all the same.
  page.setDefaultTimeout(180_000);
  const client = createClient({ baseUrl: server.url, token: server.token });
  const sample = await client.call(createSample, { body: {} });
  const session = await client.call(createSession, {
    body: { source: { type: "repository", url: sample.remote_url }, title: "A discount makes the total larger", prompt: sample.prompt },
  });
  await page.goto(`${server.url}/sessions/${session.id}?pane=changes`);
  await page.getByRole("region", { name: "Conversation" }).waitFor();
  const frames = await film(page, async () => {
    const approval = page.getByRole("article", { name: /^Approval:/ }).first();
    await approval.waitFor({ timeout: 180_000 });
    await pause(1_500);
    await page.screenshot({ path: join(IMAGES, "session-light.png") });
    await page.keyboard.press("a");
    await page
      .getByText(/pushed/i)
      .last()
      .waitFor({ timeout: 60_000 });
    await pause(2_500);
    const slider = page.getByRole("slider").first();
    await slider.focus();
    await page.keyboard.press("Home");
    for (let i = 0; i < 12; i++) {
      await pause(350);
      // Event by event: the next prompt of a session that has one is its end.
      for (let step = 0; step < 3; step++) await page.keyboard.press("ArrowRight");
    }
    await pause(800);
    await page.screenshot({ path: join(IMAGES, "scrubber.png") });
    await page.keyboard.press("Escape");
    await pause(1_500);
  });
  await context.close();
  assemble(frames, join(IMAGES, "main-job.webp"));
}

interface Frame {
  readonly file: string;
  readonly atMs: number;
}

/** What the screen shows while `act` runs, whenever it changes. */
async function film(page: Page, act: () => Promise<void>): Promise<Frame[]> {
  const debug = await page.context().newCDPSession(page);
  const frames: Frame[] = [];
  const writing: Promise<void>[] = [];
  debug.on("Page.screencastFrame", ({ data, metadata, sessionId }) => {
    const atMs = (metadata.timestamp ?? 0) * 1000;
    if (atMs - (frames.at(-1)?.atMs ?? 0) >= SHORTEST_MS) {
      const file = join(place, `frame-${String(frames.length).padStart(5, "0")}.png`);
      frames.push({ file, atMs });
      writing.push(writeFile(file, Buffer.from(data, "base64")));
    }
    void debug.send("Page.screencastFrameAck", { sessionId }).catch(() => undefined); // The page may be closing.
  });
  await debug.send("Page.startScreencast", { format: "png", everyNthFrame: 1 });
  await act();
  await debug.send("Page.stopScreencast");
  await Promise.all(writing);
  return frames;
}

function assemble(frames: readonly Frame[], into: string): void {
  const args = ["-loop", "0", "-lossy", "-q", "62", "-m", "4"];
  for (const [i, { file, atMs }] of frames.entries()) {
    const next = frames[i + 1]?.atMs ?? atMs + LONGEST_MS;
    args.push("-d", String(Math.round(Math.min(LONGEST_MS, Math.max(SHORTEST_MS, next - atMs)))), file);
  }
  const made = spawnSync("img2webp", [...args, "-o", into], { encoding: "utf8" });
  if (made.error !== undefined || made.status !== 0) throw new Error(`img2webp: ${made.error?.message ?? made.stderr}`);
  process.stderr.write(`${into}: ${frames.length} frames\n`);
}

async function stills(storageState: State): Promise<void> {
  const shoot = async (
    name: string,
    path: string,
    scheme: "light" | "dark",
    viewport: { width: number; height: number },
  ): Promise<void> => {
    const context = await browser.newContext({ viewport, storageState, colorScheme: scheme });
    const page = await context.newPage();
    page.setDefaultTimeout(180_000);
    await page.goto(server.url + path);
    await pause(2_500);
    // A busy machine still shows the shapes of what comes.
    const loading = page.getByRole("status", { name: "Loading" });
    for (let i = 0; i < 60 && (await loading.count()) > 0; i++) await pause(500);
    await page.screenshot({ path: join(IMAGES, `${name}.png`) });
    await context.close();
  };
  const client = createClient({ baseUrl: server.url, token: server.token });
  const session = (await client.call(listSessions, { query: { limit: 1 } })).items[0];
  const run = (await client.call(listRuns, { query: { limit: 1 } })).items[0];
  if (session === undefined || run === undefined) throw new Error("there is no session to take a picture of");
  await client.call(requestApproval, {
    body: {
      action: "external.write",
      title: "Tell the customer that the refund is on its way",
      params: { to: "https://desk.example.com/tickets/4711", body: { text: "We have refunded the difference." } },
      request: {
        purpose: "The voucher made the total larger; the difference is refunded.",
        external_impact: "The customer reads it at once.",
        risks: ["A wrong amount would have to be corrected by hand."],
        rollback_plan: "None: what was read was read.",
      },
    },
  });
  await shoot("needs-you", "/", "light", WIDE);
  await shoot("needs-you-phone", "/", "dark", PHONE);
  await shoot("sessions", "/sessions", "light", WIDE);
  await shoot("session-dark", `/sessions/${session.id}?pane=changes`, "dark", WIDE);
  await shoot("run", `/runs/${run.id}`, "light", WIDE);
  await shoot("audit", "/audit", "light", WIDE);
  await shoot("policy", "/policy?tab=evaluate&action=git.push", "light", WIDE);
}
