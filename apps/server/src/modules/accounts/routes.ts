/* Signing in with a mailed code, and one's open sign-ins. Passwords, passkeys and providers: `gateway.ts`. */
import {
  endLogin,
  endOtherLogins,
  getSignInMethods,
  listLogins,
  sendSignInCode,
  verifySignInCode,
  type LoginView,
} from "@signalbox/contract/accounts";
import type { z } from "zod";
import { SESSION_COOKIE } from "../../http/authenticate.ts";
import { handle, refused, type BoundRoute } from "../../http/handle.ts";
import { ShellRefused } from "../../http/refusal.ts";
import { CODE_TTL_S } from "./auth.ts";
import { LIMITS } from "./attempts.ts";
import { normalEmail } from "./email.ts";
import type { AccountParts } from "./public.ts";

/** The address that a code was asked for, so that typing the code is enough. Not a secret, and proves nothing. */
const PENDING_COOKIE = "signalbox_code_for";

interface LoginRow {
  id: z.input<typeof LoginView>["id"];
  organization_id: string;
  method: string;
  user_agent: string | null;
  ip_address: string | null;
  created_at: Date;
  seen_at: Date;
  expires_at: Date;
}

export function accountRoutes(parts: AccountParts): readonly BoundRoute[] {
  const { anywhere, attempts, identity, isOn, publicUrl } = parts;
  const isSecure = (): boolean => publicUrl().startsWith("https:");

  async function end(principalId: string, rows: readonly LoginRow[]): Promise<void> {
    for (const { id, organization_id } of rows) await identity.loginEnded({ id, principalId, organizationId: organization_id });
  }

  return [
    handle(getSignInMethods, async () => ({
      accounts: isOn,
      sign_up: parts.signUp,
      providers: parts.providers.map(({ id }) => ({ id, name: id === "github" ? "GitHub" : "Google" })),
    })),

    handle(sendSignInCode, async ({ body, from, responseHeaders }) => {
      if (!isOn) return NOT_CONFIGURED;
      const email = normalEmail(body.email);
      if (email === null)
        return refused("email_invalid", {
          message: "That is not an e-mail address that is accepted here.",
          fix: "Write it like name@example.com, in plain letters.",
        });
      await insist(attempts.take(LIMITS.address, from?.address ?? ""));
      await insist(attempts.take(LIMITS.sendCode, email));
      // Not awaited: how long it takes must not tell whether there is an account.
      parts.sendCode(email).catch((error: unknown) => parts.logger.error({ err: error }, "a code could not be made"));
      if (responseHeaders !== undefined)
        responseHeaders["set-cookie"] =
          `${PENDING_COOKIE}=${encodeURIComponent(email)}; Path=/api/auth; HttpOnly; SameSite=Strict; Max-Age=${CODE_TTL_S}${isSecure() ? "; Secure" : ""}`;
      return { ok: true as const, status: "code-sent" as const, email };
    }),

    handle(verifySignInCode, async ({ body, from, responseHeaders }) => {
      if (!isOn) return NOT_CONFIGURED;
      const email = normalEmail(body.email ?? from?.cookies[PENDING_COOKIE] ?? "");
      if (email === null) return CODE_INVALID;
      await insist(attempts.take(LIMITS.address, from?.address ?? ""));
      await insist(attempts.take(LIMITS.tryCode, email));
      const entered = await parts.enterCode(email, body.code, from);
      if (entered === null) return CODE_INVALID;
      if (responseHeaders !== undefined) responseHeaders["set-cookie"] = entered.cookie;
      return {
        ok: true as const,
        userId: entered.user.id,
        status: "authenticated" as const,
        user: { id: entered.user.id, name: entered.user.name, email },
        redirect: "/",
      };
    }),

    handle(listLogins, async ({ caller }) => {
      return { items: await loginsOf(parts, caller.principal.id, caller.credential?.id) };
    }),

    handle(endLogin, async ({ caller, params, responseHeaders }) => {
      const { rows } = await anywhere.query<LoginRow>("delete from idn_sessions where id = $1 and principal_id = $2 returning *", [
        params.id,
        caller.principal.id,
      ]);
      if (rows.length === 0)
        return refused("login_not_found", { message: "There is no such sign-in of yours.", fix: "List them with GET /v1/logins." });
      await end(caller.principal.id, rows);
      if (params.id === (caller.credential?.id as string) && responseHeaders !== undefined)
        responseHeaders["set-cookie"] = `${SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`;
      return { ok: true as const };
    }),

    handle(endOtherLogins, async ({ caller }) => {
      const { rows } = await anywhere.query<LoginRow>("delete from idn_sessions where principal_id = $1 and id <> $2 returning *", [
        caller.principal.id,
        caller.credential?.id ?? "",
      ]);
      await end(caller.principal.id, rows);
      return { ended: rows.length };
    }),
  ];
}

export async function loginsOf(
  { anywhere, clock }: Pick<AccountParts, "anywhere" | "clock">,
  principalId: string,
  own: string | undefined,
): Promise<z.input<typeof LoginView>[]> {
  const { rows } = await anywhere.query<LoginRow>(
    "select * from idn_sessions where principal_id = $1 and expires_at > $2 order by seen_at desc, id limit 200",
    [principalId, clock.now()],
  );
  return rows.map((row) => loginView(row, own));
}

async function insist(ok: Promise<boolean>): Promise<void> {
  if (!(await ok)) throw new ShellRefused("rate_limited", "Too many tries.", { fix: "Wait a minute." });
}

export const NOT_CONFIGURED = refused("accounts_not_configured", {
  message: "This installation has no accounts: one signs in with the link that it prints.",
  fix: "The operator can set SIGNALBOX_SIGN_IN=accounts.",
});
const CODE_INVALID = refused("code_invalid", {
  message: "This code is not valid: it is mistyped, was used, is older than 10 minutes, or was tried too often.",
  fix: "Ask for a new one.",
});

const loginView = (row: LoginRow, own: string | undefined): z.input<typeof LoginView> => ({
  id: row.id,
  method: row.method,
  user_agent: row.user_agent,
  ip_address: row.ip_address,
  created_at: row.created_at.toISOString(),
  seen_at: row.seen_at.toISOString(),
  expires_at: row.expires_at.toISOString(),
  is_this: row.id === own,
});
