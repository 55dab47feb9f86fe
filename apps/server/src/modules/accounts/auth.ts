/*
 * better-auth, set up for us: it holds accounts (auth_users, auth_accounts, auth_passkeys) and checks
 * passwords, codes, passkeys and other providers. What it does not hold: who is in which organization
 * (the log), and sessions of its own (they are rows of idn_sessions, with hashed tokens; see
 * session-store.ts). An account's id is its person's principal id in every organization.
 *
 * Of its API only the paths in `OPEN` can be called from outside. What is not named there, among it
 * everything that would tell whether an address has an account, is answered as if it did not exist.
 */
import { createHmac } from "node:crypto";
import { passkey } from "@better-auth/passkey";
import { kyselyAdapter } from "@better-auth/kysely-adapter";
import { newId } from "@signalbox/kernel/id";
import { betterAuth, type BetterAuthOptions } from "better-auth";
import { APIError, isAPIError } from "better-auth/api";
import { emailOTP } from "better-auth/plugins/email-otp";
import { genericOAuth } from "better-auth/plugins/generic-oauth";
import type { Kysely } from "kysely";
import type { Logger } from "pino";
import type { Mailer } from "./mailer.ts";
import { type OAuthProvider, oauthConfig } from "./oauth.ts";
import { hashingSessions } from "./session-store.ts";

export const CODE_TTL_S = 600;
const CODE_TRIES = 5;
const LINK_TTL_S = 3600;
const SESSION_TTL_S = 30 * 24 * 3600;

export interface AuthDeps {
  readonly db: Kysely<unknown>;
  readonly secret: string;
  readonly publicUrl: () => string;
  readonly cookieName: string;
  readonly mailer: Mailer;
  readonly logger: Logger;
  readonly providers: readonly OAuthProvider[];
  /** Whether somebody with this (normal, proven or to be proven) address may have an account. */
  readonly mayRegister: (email: string) => Promise<boolean>;
  readonly home: (principalId: string) => Promise<string>;
  /** After a session was made. */
  readonly opened: (session: { readonly id: string; readonly principalId: string; readonly method: string }) => Promise<void>;
}
/** What browsers may call; `:…` is one segment. Codes have routes of their own in the contract. */
export const OPEN = [
  "POST /sign-in/email",
  "POST /sign-in/social",
  "POST /sign-up/email",
  "POST /request-password-reset",
  "POST /reset-password",
  "POST /send-verification-email",
  "POST /change-password",
  "GET /verify-email",
  "GET /reset-password/:token",
  "GET /callback/github",
  "GET /callback/google",
  "GET /passkey/generate-register-options",
  "POST /passkey/verify-registration",
  "GET /passkey/generate-authenticate-options",
  "POST /passkey/verify-authentication",
  "GET /passkey/list-user-passkeys",
  "POST /passkey/delete-passkey",
];
const OPEN_PATTERNS = OPEN.map((path) => new RegExp(`^${path.replaceAll(/:[a-z]+/g, "[^/]+")}$`));
export const isOpen = (method: string, path: string): boolean => OPEN_PATTERNS.some((pattern) => pattern.test(`${method} ${path}`));

function methodOf(path: string): string {
  if (path.includes("email-otp")) return "code";
  if (path.includes("callback")) return "provider";
  if (path.includes("passkey")) return "passkey";
  return path.includes("verify-email") ? "confirmed_address" : "password";
}

const isReset = (path: string | undefined): boolean => path === "/reset-password";

export type Auth = ReturnType<typeof createAuth>;

export function createAuth(deps: AuthDeps) {
  const { mailer, providers } = deps;
  const url = new URL(deps.publicUrl());
  const options = {
    appName: "Signalbox",
    baseURL: url.origin,
    basePath: "/api/auth",
    secret: deps.secret,
    database: (of: BetterAuthOptions) => hashingSessions(kyselyAdapter(deps.db as never, { type: "postgres" })(of), deps.home),
    logger: { level: "warn", log: (level, message) => deps.logger[level]({ from: "better-auth" }, message) },
    onAPIError: {
      // Where an error ends it does not ask its logger above but writes to the console; a fault is thrown on, to the shell,
      // which says no more than its request's id. Of a refusal only the words: its headers may hold cookies.
      onError: (error) => {
        if (!isAPIError(error)) throw error;
        const isFault = error.status === "INTERNAL_SERVER_ERROR";
        deps.logger[isFault ? "error" : "debug"]({ from: "better-auth", reason: error.message }, "a sign-in was refused");
      },
    },
    telemetry: { enabled: false },
    user: {
      modelName: "auth_users",
      fields: { emailVerified: "email_verified", createdAt: "created_at", updatedAt: "updated_at" },
    },
    account: {
      modelName: "auth_accounts",
      fields: {
        accountId: "account_id",
        providerId: "provider_id",
        userId: "user_id",
        accessToken: "access_token",
        refreshToken: "refresh_token",
        idToken: "id_token",
        accessTokenExpiresAt: "access_token_expires_at",
        refreshTokenExpiresAt: "refresh_token_expires_at",
        createdAt: "created_at",
        updatedAt: "updated_at",
      },
      additionalFields: {
        changedBy: { type: "string", required: false, input: false, returned: false, fieldName: "changed_by" },
      },
      encryptOAuthTokens: true,
      // A provider that vouches for the address may be joined to the account that has it proven, and to no other.
      accountLinking: { enabled: true, trustedProviders: [] },
    },
    session: {
      modelName: "idn_sessions",
      fields: {
        userId: "principal_id",
        token: "secret_hash",
        expiresAt: "expires_at",
        createdAt: "created_at",
        updatedAt: "seen_at",
        ipAddress: "ip_address",
        userAgent: "user_agent",
      },
      additionalFields: {
        organizationId: { type: "string", required: true, input: false, fieldName: "organization_id" },
        method: { type: "string", required: false, input: false, fieldName: "method" },
      },
      expiresIn: SESSION_TTL_S,
      // Sliding is ours (identity/logins.ts): what a provider vouched for must not be made longer here.
      disableSessionRefresh: true,
    },
    verification: {
      modelName: "auth_verifications",
      fields: { expiresAt: "expires_at", createdAt: "created_at", updatedAt: "updated_at" },
      storeIdentifier: "hashed",
    },
    emailAndPassword: {
      enabled: true,
      requireEmailVerification: true,
      minPasswordLength: 12,
      maxPasswordLength: 200,
      revokeSessionsOnPasswordReset: true,
      resetPasswordTokenExpiresIn: LINK_TTL_S,
      sendResetPassword: async ({ user, url: link }) => {
        void mailer.send({
          to: user.email,
          subject: "Set a new password for Signalbox",
          text: `Open this within an hour to set a new password:\n\n${link}\n\nIf you did not ask for it, do nothing.`,
          lifetimeMs: LINK_TTL_S * 1000,
        });
      },
    },
    emailVerification: {
      sendOnSignUp: true,
      sendOnSignIn: true,
      autoSignInAfterVerification: true,
      expiresIn: LINK_TTL_S,
      sendVerificationEmail: async ({ user, url: link }) => {
        void mailer.send({
          to: user.email,
          subject: "Confirm your address for Signalbox",
          text: `Open this within an hour to confirm that this address is yours:\n\n${link}\n\nIf you did not sign up, do nothing.`,
          lifetimeMs: LINK_TTL_S * 1000,
        });
      },
    },
    advanced: {
      // Said, because left out they depend on NODE_ENV.
      disableOriginCheck: false,
      disableCSRFCheck: false,
      cookiePrefix: "signalbox",
      useSecureCookies: false,
      defaultCookieAttributes: { secure: url.protocol === "https:", httpOnly: true, sameSite: "lax", path: "/" },
      // Our pages are one origin and nobody links into a control room from elsewhere; the providers' way back carries a cookie of its own.
      cookies: { session_token: { name: deps.cookieName, attributes: { sameSite: "strict" } } },
      database: {
        generateId: ({ model }) =>
          newId(model === "user" || model === "auth_users" ? "usr" : model === "session" || model === "idn_sessions" ? "login" : "auth"),
      },
      ipAddress: { ipAddressHeaders: ["x-signalbox-peer"] },
    },
    // Ours are in Postgres and count across processes (attempts.ts).
    rateLimit: { enabled: false },
    databaseHooks: {
      user: {
        create: {
          before: async (user) => {
            if (!(await deps.mayRegister(user.email)))
              throw new APIError("FORBIDDEN", { message: "Signing up needs an invitation.", code: "SIGN_UP_CLOSED" });
            return { data: { ...user, name: user.name.trim() === "" ? user.email.split("@")[0]! : user.name.slice(0, 200) } };
          },
        },
      },
      account: {
        create: {
          before: async (account, context) => ({ data: { ...account, ...(isReset(context?.path) ? { changedBy: "reset" } : {}) } }),
        },
        update: {
          // The log tells a password that was reset by a mailed link from one that was changed (migration 0850).
          before: async (_account, context) => ({ data: { changedBy: isReset(context?.path) ? "reset" : "changed" } }),
        },
      },
      session: {
        create: {
          before: async (session, context) => ({ data: { ...session, method: methodOf(context?.path ?? "") } }),
          after: async (session) =>
            deps.opened({ id: session.id, principalId: session.userId, method: String(session["method"] ?? "password") }),
        },
      },
    },
    plugins: [
      genericOAuth({ config: providers.map((provider) => oauthConfig(provider, deps.logger)) }),
      emailOTP({
        otpLength: 6,
        expiresIn: CODE_TTL_S,
        allowedAttempts: CODE_TRIES,
        // Six digits are guessed from a plain hash at once: keyed, the database alone does not tell them.
        storeOTP: { hash: async (otp) => createHmac("sha256", deps.secret).update(`code:${otp}`).digest("base64url") },
        sendVerificationOTP: async ({ email, otp }) => {
          void mailer.send({
            to: email,
            subject: `${otp} is your code for Signalbox`,
            text: `Your code is ${otp}. It works once, for 10 minutes.\n\nIf you did not ask for it, do nothing: nobody gets in without it.`,
            lifetimeMs: CODE_TTL_S * 1000,
          });
        },
      }),
      passkey({
        rpID: url.hostname,
        rpName: "Signalbox",
        origin: url.origin,
        schema: {
          passkey: {
            modelName: "auth_passkeys",
            fields: {
              publicKey: "public_key",
              userId: "user_id",
              credentialID: "credential_id",
              deviceType: "device_type",
              backedUp: "backed_up",
              createdAt: "created_at",
            },
          },
        },
      }),
    ],
  } satisfies BetterAuthOptions;
  return betterAuth(options);
}
