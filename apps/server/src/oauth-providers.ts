/* Who the configuration lets people sign in with. */
import type { Config } from "./config/settings.ts";
import type { OAuthProvider } from "./modules/accounts/public.ts";

export function providersOf(config: Config): OAuthProvider[] {
  const { githubClientId, githubClientSecret, googleClientId, googleClientSecret } = config;
  const providers: OAuthProvider[] = [];
  if (githubClientId !== undefined && githubClientSecret !== undefined)
    providers.push({
      id: "github",
      clientId: githubClientId,
      clientSecret: githubClientSecret,
      baseUrl: config.githubUrl,
      apiUrl: config.githubApiUrl,
    });
  if (googleClientId !== undefined && googleClientSecret !== undefined)
    providers.push({ id: "google", clientId: googleClientId, clientSecret: googleClientSecret, baseUrl: config.googleUrl });
  return providers;
}
