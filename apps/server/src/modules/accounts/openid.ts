/*
 * Talking to an organization's OpenID provider. What a token must satisfy (issuer, audience, nonce,
 * times, signature by one of the provider's keys) is openid-client's to check, with signatures asked
 * for: over TLS alone the standard would let them be.
 *
 * Nothing of a provider is remembered from one sign-in to the next, so that its keys may rotate at
 * any moment; sign-ins are rare. Its address is an organization's to choose, hence public ones only,
 * unless the operator says otherwise, checked again of the very address that is connected to.
 */
import { createHash } from "node:crypto";
import * as oidc from "openid-client";
import { Agent, fetch } from "undici";
import { z } from "zod";
import { addressProblem, pinnedLookup } from "../sinks/public.ts";

const TIMEOUT_S = 10;
/** How far a provider's clock may be from ours. */
export const CLOCK_TOLERANCE_S = 60;
const MAX_ANSWER_BYTES = 1024 * 1024;

export interface Client {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
}
export interface Vouched {
  readonly subject: string;
  readonly email: string | null;
  /** Undefined: it does not say. */
  readonly emailVerified: boolean | undefined;
  readonly name: string | null;
  readonly claims: Readonly<Record<string, unknown>>;
}

export interface OpenId {
  /** Why it may not be a provider's address; null: it may. */
  issuerProblem(issuer: string): string | null;
  /** What is wrong with the provider, in words; null: it answers as one should. */
  check(client: Client): Promise<string | null>;
  begin(
    client: Client,
    redirectUri: string,
  ): Promise<{ readonly url: string; readonly state: string; readonly nonce: string; readonly codeVerifier: string }>;
  /** `at`: where the provider sent the browser, in full. Throws what is wrong with it. */
  finish(
    client: Client,
    at: URL,
    expected: { readonly state: string; readonly nonce: string; readonly codeVerifier: string },
  ): Promise<Vouched>;
  close(): Promise<void>;
}

const Said = z.object({
  email: z.string().optional().catch(undefined),
  email_verified: z.boolean().optional().catch(false),
  name: z.string().optional().catch(undefined),
});

export function createOpenId(deps: { readonly allowPrivate: boolean }): OpenId {
  const agent = new Agent({
    connect: { lookup: pinnedLookup(deps), timeout: TIMEOUT_S * 1000 },
    headersTimeout: TIMEOUT_S * 1000,
    bodyTimeout: TIMEOUT_S * 1000,
    maxResponseSize: MAX_ANSWER_BYTES,
  });
  const customFetch: oidc.CustomFetch = (url, options) => {
    // Each address is checked, also those that the provider names itself.
    const problem = addressProblem(url, deps);
    if (problem !== null) throw new Error(problem);
    return fetch(url, { ...options, dispatcher: agent } as never) as never;
  };
  const execute = deps.allowPrivate ? [oidc.allowInsecureRequests] : [];

  async function configurationOf({ issuer, clientId, clientSecret }: Client): Promise<oidc.Configuration> {
    const found = await oidc.discovery(new URL(issuer), clientId, undefined, oidc.None(), {
      [oidc.customFetch]: customFetch,
      timeout: TIMEOUT_S,
      execute,
    });
    const server = found.serverMetadata();
    const ways = server.token_endpoint_auth_methods_supported;
    const proof =
      ways === undefined || ways.includes("client_secret_basic")
        ? oidc.ClientSecretBasic(clientSecret)
        : oidc.ClientSecretPost(clientSecret);
    const configuration = new oidc.Configuration(server, clientId, { [oidc.clockTolerance]: CLOCK_TOLERANCE_S }, proof);
    configuration[oidc.customFetch] = customFetch;
    configuration.timeout = TIMEOUT_S;
    for (const extension of execute) extension(configuration);
    oidc.enableNonRepudiationChecks(configuration);
    return configuration;
  }

  return {
    issuerProblem(issuer) {
      const url = new URL(issuer);
      if (url.search !== "" || url.hash !== "") return "An issuer has neither a query nor a fragment.";
      if (url.protocol !== "https:" && !deps.allowPrivate) return "A provider is reached over https only.";
      return addressProblem(issuer, deps);
    },

    async check(client) {
      try {
        const { jwks_uri, authorization_endpoint, token_endpoint } = (await configurationOf(client)).serverMetadata();
        if (authorization_endpoint === undefined || token_endpoint === undefined || jwks_uri === undefined)
          return "It names no authorization, token or key endpoint.";
        const answer = await customFetch(jwks_uri, { method: "GET", headers: {}, body: undefined as never, redirect: "manual" });
        const keys = z.object({ keys: z.array(z.unknown()).min(1) }).safeParse(await answer.json().catch(() => null));
        return keys.success ? null : `It answers ${answer.status} without keys at ${jwks_uri}.`;
      } catch (error) {
        return reasonOf(error);
      }
    },

    async begin(client, redirectUri) {
      const configuration = await configurationOf(client);
      const [state, nonce, codeVerifier] = [oidc.randomState(), oidc.randomNonce(), oidc.randomPKCECodeVerifier()];
      const url = oidc.buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: "openid email profile",
        state,
        nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(codeVerifier),
        code_challenge_method: "S256",
      });
      return { url: url.href, state, nonce, codeVerifier };
    },

    async finish(client, at, { state, nonce, codeVerifier }) {
      const configuration = await configurationOf(client);
      const tokens = await oidc.authorizationCodeGrant(configuration, at, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: codeVerifier,
        idTokenExpected: true,
      });
      const id = tokens.claims();
      if (id === undefined) throw new Error("the provider sent no identity token");
      const more =
        configuration.serverMetadata().userinfo_endpoint === undefined
          ? {}
          : await oidc.fetchUserInfo(configuration, tokens.access_token, id.sub);
      // What is signed counts before what is only said.
      const claims: Record<string, unknown> = { ...more, ...id };
      const { email, email_verified, name } = Said.parse(claims);
      return { subject: id.sub, email: email ?? null, emailVerified: email_verified, name: name ?? null, claims };
    },

    close: () => agent.close(),
  };
}

/** For an operator or an admin; never a token, a code or a claim. */
export function reasonOf(error: unknown): string {
  const { message, code, cause } = error as { message?: string; code?: string; cause?: { message?: unknown; code?: unknown } };
  const below = typeof cause?.message === "string" ? ` (${cause.message})` : "";
  return `${message ?? "unknown"}${below}${code === undefined ? "" : ` [${code}]`}`.slice(0, 500);
}

/** Which provider an account is linked by: an issuer for one organization, so that no other's word counts for it. */
export const providerKey = (organizationId: string, issuer: string): string =>
  `sso:${organizationId}:${createHash("sha256").update(issuer).digest("base64url").slice(0, 22)}`;
