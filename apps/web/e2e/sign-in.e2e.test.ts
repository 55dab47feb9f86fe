/*
 * Signing in as people do, in a real browser: invited by a link, by a mailed code (shown on the
 * console, since there is no mail server here), by a passkey, and through an OpenID provider that is
 * a real one, run here in Google's place.
 */
import { createClient } from "@signalbox/client/client";
import { pollDevice, startDevice } from "@signalbox/contract/accounts";
import { createInvitation } from "@signalbox/contract/invitations";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Provider } from "oidc-provider";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { openBrowser, openPage } from "./browser.ts";
import { startServer, type ServerProcess } from "./server.ts";

vi.setConfig({ testTimeout: 120_000 });

let server: ServerProcess;
let browser: Browser;
let google: Server;
let origin: string;
let contexts: BrowserContext[] = [];

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
  const issuer = `http://127.0.0.1:${(google.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: "signalbox", client_secret: "not-a-secret", redirect_uris: [`${origin}/api/auth/callback/google`] }],
    claims: { email: ["email", "email_verified"], profile: ["name"] },
    conformIdTokenClaims: false,
    findAccount: (_context, sub) => ({
      accountId: sub,
      claims: async () => ({ sub, email: `${sub}@example.com`, email_verified: true, name: `Person ${sub}` }),
    }),
  });
  const answer = provider.callback();
  google.on("request", (request, response) => void answer(request, response));
  [server, browser] = await Promise.all([
    startServer({
      port,
      environment: {
        SIGNALBOX_SIGN_IN: "accounts",
        SIGNALBOX_OWNER_EMAIL: "owner@example.com",
        SIGNALBOX_PUBLIC_URL: origin,
        GOOGLE_CLIENT_ID: "signalbox",
        GOOGLE_CLIENT_SECRET: "not-a-secret",
        SIGNALBOX_GOOGLE_URL: issuer,
      },
    }),
    openBrowser(),
  ]);
}, 120_000);
afterEach(async () => {
  await Promise.all(contexts.map((context) => context.close()));
  contexts = [];
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
  google?.close();
});

async function visit(path: string): Promise<Page> {
  const { page } = await openPage(browser);
  contexts.push(page.context());
  await page.goto(origin + path);
  return page;
}
const client = () => createClient({ baseUrl: server.url, token: server.token });
const isIn = (page: Page) => page.getByRole("navigation", { name: "Main" }).first().waitFor();

async function enterCode(page: Page, email: string): Promise<void> {
  await page.getByLabel("E-mail address").fill(email);
  await page.getByRole("button", { name: "Mail me a code" }).click();
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

test("the owner of before accounts proves the address by a code; from then on the provider that vouches for it does", async () => {
  const first = await visit("/");
  await enterCode(first, "owner@example.com");
  await isIn(first);
  const page = await visit("/");
  await page.getByRole("button", { name: "Continue with Google" }).click();
  await page.locator("input[name=login]").fill("owner");
  await page.locator("input[name=password]").fill("anything");
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
  await page.waitForURL((url) => url.origin === origin);
  await page.waitForLoadState();
  const me = await page.evaluate(async () => (await fetch("/v1/me")).json() as Promise<unknown>);
  expect(me).toMatchObject({ principal: { id: "usr_owner" }, role: "owner" });
});

test("whom the provider vouches for, and nobody invited, stays out", async () => {
  const page = await visit("/");
  await page.getByRole("button", { name: "Continue with Google" }).click();
  await page.locator("input[name=login]").fill("stranger");
  await page.locator("input[name=password]").fill("anything");
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
  await page.waitForURL((url) => url.origin === origin);
  await page.getByText("That did not sign you in").waitFor();
  expect(await page.evaluate(async () => (await fetch("/v1/me")).status)).toBe(401);
});
