/* GitHub and Google as better-auth wants them. Their addresses are configuration, so that a GitHub Enterprise, or a stand-in, can be one. */
import type { GenericOAuthConfig } from "better-auth/plugins/generic-oauth";
import type { Logger } from "pino";
import { z } from "zod";

export interface OAuthProvider {
  readonly id: "github" | "google";
  readonly clientId: string;
  readonly clientSecret: string;
  /** `https://github.com`, `https://accounts.google.com`, or another's. */
  readonly baseUrl: string;
  /** GitHub's API: `https://api.github.com`. */
  readonly apiUrl?: string | undefined;
}

export function oauthConfig({ id, clientId, clientSecret, baseUrl, apiUrl }: OAuthProvider, logger: Logger): GenericOAuthConfig {
  const common = { providerId: id, clientId, clientSecret, pkce: true };
  if (id === "google")
    return { ...common, discoveryUrl: `${baseUrl}/.well-known/openid-configuration`, scopes: ["openid", "email", "profile"] };
  return {
    ...common,
    authorizationUrl: `${baseUrl}/login/oauth/authorize`,
    tokenUrl: `${baseUrl}/login/oauth/access_token`,
    scopes: ["read:user", "user:email"],
    async getUserInfo({ accessToken }) {
      if (accessToken === undefined) return null;
      try {
        return await gitHubUser(apiUrl ?? baseUrl, accessToken);
      } catch (error) {
        // A person is on their way back: they are led to the sign-in page, not left with a fault.
        logger.warn({ err: error }, "GitHub did not say who signs in");
        return null;
      }
    },
  };
}

const GitHubUser = z.object({
  id: z.union([z.int(), z.string()]),
  login: z.string(),
  name: z.string().nullish(),
  avatar_url: z.string().nullish(),
});
const GitHubEmails = z.array(z.object({ email: z.string(), primary: z.boolean(), verified: z.boolean() }));

/** GitHub's profile may name an address that nobody proved: only the primary one that it vouches for counts. */
async function gitHubUser(apiUrl: string, accessToken: string) {
  const get = async <T>(path: string, schema: z.ZodType<T>): Promise<T> => {
    const response = await fetch(`${apiUrl}${path}`, {
      headers: { authorization: `Bearer ${accessToken}`, accept: "application/json", "user-agent": "signalbox" },
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new Error(`GitHub answered ${response.status} to ${path}`);
    return schema.parse(await response.json());
  };
  const [user, emails] = await Promise.all([get("/user", GitHubUser), get("/user/emails", GitHubEmails)]);
  const primary = emails.find((one) => one.primary && one.verified);
  if (primary === undefined) return null;
  return {
    id: String(user.id),
    name: user.name ?? user.login,
    email: primary.email.toLowerCase(),
    emailVerified: true,
    ...(user.avatar_url == null ? {} : { image: user.avatar_url }),
  };
}
