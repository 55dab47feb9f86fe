/*
 * Signing in as people do, in a real browser: invited by a link, by a mailed code (shown on the
 * console, since there is no mail server here), by a passkey, and through an OpenID provider that is
 * a real one, run here in Google's place and in that of an organization's own.
 */
import { createClient } from "@signalbox/client/client";
import { pollDevice, startDevice } from "@signalbox/contract/accounts";
import { createInvitation } from "@signalbox/contract/invitations";
import { listMembers } from "@signalbox/contract/organizations";
import { checkDomain, claimDomain, setSingleSignOn } from "@signalbox/contract/single-sign-on";
import { databaseTest } from "@signalbox/testkit/database";
import { decode, encode } from "dns-packet";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Provider } from "oidc-provider";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { borrowBrowser, giveBack, openPage } from "./browser.ts";
import { startServer, type ServerProcess } from "./server.ts";

vi.setConfig({ testTimeout: 240_000 });

const database = databaseTest();
let server: ServerProcess;
let browser: Browser;
let google: Server;
let origin: string;
let issuer: string;
let contexts: BrowserContext[] = [];
/** Answers every question for a TXT record with this. */
const dns = createSocket("udp4");
let record = "";

/** A port that is free now: the public address has to be known before the server listens. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}

beforeAll(async () => {
  const port = await freePort();
  origin = `http://localhost:${port}`;
  google = createServer().listen(0, "127.0.0.1");
  await once(google, "listening");
  issuer = `http://127.0.0.1:${(google.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "signalbox",
        client_secret: "not-a-secret",
        redirect_uris: [`${origin}/api/auth/callback/google`, `${origin}/api/auth/sso/callback`],
      },
    ],
    claims: { email: ["email", "email_verified"], profile: ["name"] },
    conformIdTokenClaims: false,
    findAccount: (_context, sub) => ({
      accountId: sub,
      claims: async () => ({ sub, email: sub.includes("@") ? sub : `${sub}@example.com`, email_verified: true, name: `Person ${sub}` }),
    }),
  });
  const answer = provider.callback();
  dns.on("message", (message, from) => {
    const { id = 0, questions = [] } = decode(message);
    const answers = [{ type: "TXT" as const, name: questions[0]?.name ?? "", ttl: 0, data: [record] }];
    dns.send(encode({ type: "response", id, flags: 0x8400, questions, answers }), from.port, from.address);
  });
  dns.bind(0, "127.0.0.1");
  await once(dns, "listening");
  google.on("request", (request, response) => void answer(request, response));
  [server, browser] = await Promise.all([
    startServer({
      database,
      port,
      environment: {
        SIGNALBOX_SIGN_IN: "accounts",
        SIGNALBOX_OWNER_EMAIL: "owner@example.com",
        SIGNALBOX_PUBLIC_URL: origin,
        GOOGLE_CLIENT_ID: "signalbox",
        GOOGLE_CLIENT_SECRET: "not-a-secret",
        SIGNALBOX_GOOGLE_URL: issuer,
        SIGNALBOX_SSO_ALLOW_PRIVATE: "true",
        SIGNALBOX_NAME_SERVER: `127.0.0.1:${dns.address().port}`,
      },
    }),
    borrowBrowser(),
  ]);
}, 120_000);
afterEach(async () => {
  await Promise.all(contexts.map((context) => context.close()));
  contexts = [];
});
afterAll(async () => {
  await giveBack(browser);
  await server?.stop();
  google?.close();
  dns.close();
});

async function visit(path: string): Promise<Page> {
  // What a service worker keeps ends with the browser that each of them has, and is two hundred requests.
  const { page } = await openPage(browser, { serviceWorkers: "block" });
  page.setDefaultTimeout(90_000);
  contexts.push(page.context());
  await page.goto(origin + path);
  return page;
}
const client = () => createClient({ baseUrl: server.url, token: server.token });
const isIn = (page: Page) => page.getByRole("navigation", { name: "Main" }).first().waitFor();

/** The provider's own pages, and back. */
async function throughProvider(page: Page, login: string): Promise<void> {
  await page.locator("input[name=login]").fill(login);
  await page.locator("input[name=password]").fill("anything");
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
  await page.waitForURL((url) => url.origin === origin);
}
async function enterCode(page: Page, email: string, { hasProvider = false } = {}): Promise<void> {
  await page.getByLabel("E-mail address").fill(email);
  await page.getByRole("button", { name: "Mail me a code" }).click();
  if (hasProvider) await page.getByRole("button", { name: "Mail me a code instead" }).click();
  const field = page.getByLabel("Code");
  await field.waitFor();
  const mailed = new RegExp(`Mail to ${email}[^]*?Your code is (\\d{6})`);
  await expect.poll(() => mailed.exec(server.console())?.[1], { timeout: 60_000 }).toBeDefined();
  await field.fill(mailed.exec(server.console())![1]!);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

test("an invited person comes in by the link and a code, adds a passkey, and comes back with it; a program is let in", async () => {
  const { url } = await client().call(createInvitation, { body: { email: "anna@example.com", role: "approver" } });
  const page = await visit(new URL(url).pathname);
  const devices = await page.context().newCDPSession(page);
  await devices.send("WebAuthn.enable");
  await devices.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await page.getByText("You are invited to").waitFor();
  await enterCode(page, "anna@example.com");
  await page.getByRole("button", { name: "Accept" }).click();
  await isIn(page);
  await page.goto(`${origin}/settings/security`);
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await page.getByRole("list", { name: "Passkeys" }).waitFor();

  const device = await client().call(startDevice, { body: { client_name: "a program" } });
  await page.goto(origin + new URL(device.verification_uri_complete).pathname + new URL(device.verification_uri_complete).search);
  await page.getByRole("button", { name: "Go on" }).click();
  await page.getByRole("button", { name: "Let it in" }).click();
  await page.getByText("It is in").waitFor();
  const { access_token } = await client().call(pollDevice, { body: { device_code: device.device_code } });
  expect(access_token).toMatch(/^sbt_/);

  await page.context().clearCookies();
  await page.goto(`${origin}/sessions`);
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await isIn(page);
  expect(new URL(page.url()).pathname).toBe("/sessions");
});

test("a person downloads what is held about them, and deletes their account by the keyboard, after typing who they are", async () => {
  const { url } = await client().call(createInvitation, { body: { email: "gone@example.com", role: "member" } });
  const page = await visit(new URL(url).pathname);
  await enterCode(page, "gone@example.com");
  await page.getByRole("button", { name: "Accept" }).click();
  await isIn(page);
  await page.goto(`${origin}/settings/account`);
  const [saved] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download your data" }).click()]);
  const exported = JSON.parse(await readFile(await saved.path(), "utf8")) as { person: { email: string } };
  expect([saved.suggestedFilename(), exported.person.email]).toEqual(["signalbox-account.json", "gone@example.com"]);

  await page.getByRole("button", { name: "Delete account…" }).press("Enter");
  const dialog = page.getByRole("alertdialog");
  const typed = dialog.getByRole("textbox");
  expect(await dialog.getByRole("button", { name: "Delete it for good" }).isDisabled()).toBe(true);
  await typed.fill("somebody else");
  await typed.press("Enter");
  await dialog.getByText("That is neither your address nor your name.").waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Delete account…" }).press("Enter");
  await typed.fill("gone@example.com");
  await typed.press("Enter");
  await page.waitForURL((at) => at.pathname === "/login");
  expect(await page.evaluate(async () => (await fetch("/v1/me")).status)).toBe(401);
  const { items } = await client().call(listMembers, { query: { q: "gone" } });
  expect(items).toEqual([]);
});

test("the owner of before accounts proves the address by a code; from then on the provider that vouches for it does", async () => {
  const first = await visit("/");
  await enterCode(first, "owner@example.com");
  await isIn(first);
  const page = await visit("/");
  await page.getByRole("button", { name: "Continue with Google" }).click();
  await throughProvider(page, "owner");
  await page.waitForLoadState();
  const me = await page.evaluate(async () => (await fetch("/v1/me")).json() as Promise<unknown>);
  expect(me).toMatchObject({ principal: { id: "usr_owner" }, role: "owner" });
});

test("whom the provider vouches for, and nobody invited, stays out", async () => {
  const page = await visit("/");
  await page.getByRole("button", { name: "Continue with Google" }).click();
  await throughProvider(page, "stranger");
  await page.getByText("That did not sign you in").waitFor();
  expect(await page.evaluate(async () => (await fetch("/v1/me")).status)).toBe(401);
});

test("an organization's people are led to its own provider by their address, come in through it, and to where they wanted to", async () => {
  const as = client();
  await as.call(setSingleSignOn, { body: { issuer, client_id: "signalbox", client_secret: "not-a-secret" } });
  const claimed = await as.call(claimDomain, { body: { domain: "acme.test" } });
  record = claimed.record_value;
  await as.call(checkDomain, { params: { id: claimed.id }, body: {} });
  const page = await visit("/sessions");
  await page.getByLabel("E-mail address").fill("zoe@acme.test");
  await page.getByRole("button", { name: "Mail me a code" }).click();
  await page.getByRole("button", { name: "Continue with single sign-on" }).click();
  await throughProvider(page, "zoe@acme.test");
  await isIn(page);
  expect(new URL(page.url()).pathname).toBe("/sessions");
  const me = await page.evaluate(async () => (await fetch("/v1/me")).json() as Promise<unknown>);
  expect(me).toMatchObject({ principal: { display_name: "Person zoe@acme.test" }, organization: { id: "ws_dev" }, role: "member" });
});

test("where the provider is the only way in, whoever came by a code stands before its door, and goes in through it", async () => {
  await client().call(setSingleSignOn, { body: { issuer, client_id: "signalbox", is_required: true } });
  const page = await visit("/rooms");
  await enterCode(page, "zoe@acme.test", { hasProvider: true });
  await page.getByRole("heading", { name: "One more door" }).waitFor();
  expect(await page.evaluate(async () => (await fetch("/v1/rooms")).status)).toBe(403);
  await page.getByRole("button", { name: "Sign in through it" }).click();
  await throughProvider(page, "zoe@acme.test");
  await isIn(page);
  expect(new URL(page.url()).pathname).toBe("/rooms");
});
