/*
 * Accounts: how people prove who they are. Which organizations they are in is `identity`'s.
 *
 * Off (the default, `SIGNALBOX_SIGN_IN=link`): nothing here but sign-ins by the printed link. On: the
 * local owner's account waits under the configured address from the first start on, so that whoever
 * proves that address is the owner that they always were, with everything they have.
 */
import path from "node:path";
import type { LoginView } from "@signalbox/contract/accounts";
import { erasable } from "@signalbox/eventlog/erasable";
import type { Tx } from "@signalbox/eventlog/log";
import type { FastifyInstance } from "fastify";
import type { Kysely } from "kysely";
import { z } from "zod";
import { NO_ORGANIZATION, SESSION_COOKIE } from "../../http/authenticate.ts";
import type { RequestContext } from "../../http/handle.ts";
import type { Deps, Module } from "../../module.ts";
import type { AuditModule } from "../audit/public.ts";
import type { CapabilitiesModule } from "../capabilities/public.ts";
import { type IdentityModule, securityRoute } from "../identity/public.ts";
import type { SecretsModule } from "../secrets/public.ts";
import { type Attempts, createAttempts } from "./attempts.ts";
import type { Auth } from "./auth.ts";
import { tell, TELL_JOB } from "./changes.ts";
import { createDeletion, DELETE_JOB, type DeletionStep } from "./delete-account.ts";
import { deviceRoutes } from "./device.ts";
import { normalEmail, provenEmail } from "./email.ts";
export { normalEmail } from "./email.ts";
import { serveAccounts } from "./gateway.ts";
import { createMailer, type Mailer } from "./mailer.ts";
import { createOpenId, type OpenId } from "./openid.ts";
import type { OAuthProvider } from "./oauth.ts";
import { invitationRoutes } from "./invitation-routes.ts";
import { invitationsProjection } from "./invitations.projection.ts";
import { ownAccountRoutes } from "./own-account-routes.ts";
import { accountRoutes, loginsOf } from "./routes.ts";
import { settingsOf, signOnRoutes } from "./sign-on-routes.ts";
import { domainsOf, signOnSettingsRoutes } from "./sign-on-settings.ts";
import { singleSignOnProjection } from "./single-sign-on.projection.ts";
import { createTextRecords, type TextRecords } from "./text-records.ts";

export type { OAuthProvider } from "./oauth.ts";

export interface AccountDeps extends Deps {
  readonly anywhere: Tx;
  readonly kyselyAnywhere: Kysely<unknown>;
  readonly identity: IdentityModule;
  readonly publicUrl: () => string;
  readonly isOn: boolean;
  readonly signUp: "open" | "invited";
  /** Signs cookies and links. Losing it ends no account: open links and codes become void, and whoever is signed in stays so. */
  readonly secret: string;
  readonly ownerEmail: string | undefined;
  /** The installation's own: it keeps what happens to people of no organization. */
  readonly localOrganizationId: string;
  readonly localOwner: { readonly id: string; readonly displayName: string };
  readonly smtpUrl: string | undefined;
  readonly mailFrom: string;
  readonly providers: readonly OAuthProvider[];
  readonly secrets: Pick<SecretsModule, "put" | "get" | "delete">;
  /** Organizations' providers may be on private addresses, over http too. */
  readonly allowPrivateProviders: boolean;
  /** Name server for TXT records; the machine's own when absent. */
  readonly nameServer: string | undefined;
  /** Shows something to whoever runs the server. */
  readonly show: (text: string) => void;
  /** Of the log as evidence: what an event says goes, its header stays. */
  readonly eraseOf: AuditModule["eraseOf"];
  readonly capabilitiesOf: CapabilitiesModule["issuedBy"];
  readonly endCapabilities: CapabilitiesModule["endIssuedBy"];
  /** Called behind each step of a deletion; a test dies there. */
  readonly atDeletion?: ((step: DeletionStep) => void | Promise<void>) | undefined;
}

export interface AccountParts extends AccountDeps {
  readonly attempts: Attempts;
  readonly mailer: Mailer;
  readonly openId: OpenId;
  readonly textRecords: TextRecords;
  /** Loaded with the first one that signs in: a second of modules that the printed link does not need. */
  readonly auth: () => Promise<Auth>;
  readonly mayRegister: (email: string) => Promise<boolean>;
  readonly sendCode: (email: string) => Promise<void>;
  /** Null: the code is not right, not any more, or was tried too often. */
  readonly enterCode: (
    email: string,
    code: string,
    from: RequestContext["from"],
  ) => Promise<{ readonly cookie: string; readonly user: { readonly id: string; readonly name: string } } | null>;
}

export interface AccountsModule extends Module {
  /** A person's open sign-ins; `own` is the one that asks. */
  loginsOf(principalId: string, own: string | undefined): Promise<z.input<typeof LoginView>[]>;
  /** The address that somebody has proven to be theirs. */
  provenEmail(principalId: string): Promise<{ readonly email: string; readonly name: string } | null>;
  /** What is not in the contract: better-auth's own paths. */
  serve(app: FastifyInstance): Promise<void>;
}

const DeletePayload = z.object({ principal_id: z.string() });

export function createAccounts(deps: AccountDeps): AccountsModule {
  const { anywhere, identity, logger } = deps;
  const attempts = createAttempts(deps);
  const mailer = createMailer({ ...deps, from: deps.mailFrom });
  const openId = createOpenId({ allowPrivate: deps.allowPrivateProviders });
  let loading: Promise<Auth> | undefined;

  const auth = (): Promise<Auth> =>
    (loading ??= import("./auth.ts").then(({ createAuth }) =>
      createAuth({
        db: deps.kyselyAnywhere,
        secret: deps.secret,
        publicUrl: deps.publicUrl,
        cookieName: SESSION_COOKIE,
        mailer,
        logger,
        providers: deps.providers,
        mayRegister,
        home: async (principalId) => (await identity.homeOf(principalId)) ?? NO_ORGANIZATION,
        opened: identity.loginOpened,
      }),
    ));

  async function mayRegister(email: string): Promise<boolean> {
    if (deps.signUp === "open" || normalEmail(email) === normalEmail(deps.ownerEmail ?? "")) return true;
    return (await anywhere.query("select 1 from idn_invitations_to($1, $2)", [normalEmail(email), deps.clock.now()])).rows.length > 0;
  }

  async function hasAccount(email: string): Promise<boolean> {
    return (await anywhere.query("select 1 from auth_users where email = $1", [email])).rows.length > 0;
  }

  const parts: AccountParts = {
    ...deps,
    attempts,
    mailer,
    openId,
    textRecords: createTextRecords(deps.nameServer),
    auth,
    mayRegister,

    async sendCode(email) {
      if (!(await hasAccount(email)) && !(await mayRegister(email))) return;
      await (await auth()).api.sendVerificationOTP({ body: { email, type: "sign-in" } });
    },

    async enterCode(email, code, from) {
      const headers = new Headers({ "user-agent": from?.userAgent ?? "", "x-signalbox-peer": from?.address ?? "" });
      try {
        const { headers: told, response } = await (
          await auth()
        ).api.signInEmailOTP({ body: { email, otp: code }, headers, returnHeaders: true });
        const cookie = told.getSetCookie().find((each) => each.startsWith(`${SESSION_COOKIE}=`));
        if (cookie === undefined) throw new Error("better-auth opened a session without its cookie");
        return { cookie, user: { id: response.user.id, name: response.user.name } };
      } catch (error) {
        // Its refusals are all one to whoever guesses; what is none of them is a fault.
        if ((error as { name?: string }).name === "APIError") return null;
        throw error;
      }
    },
  };

  const deletion = createDeletion(deps);
  identity.provideEndings(deletion.isRequested);

  /** The owner of before accounts gets one under the configured address, unproven: whoever proves it is them. */
  async function offerOwnership(): Promise<void> {
    if (deps.ownerEmail === undefined) return;
    if (await deletion.isRequested(deps.localOwner.id)) return;
    const email = normalEmail(deps.ownerEmail);
    if (email === null) throw new Error("SIGNALBOX_OWNER_EMAIL is not an e-mail address");
    const { rows } = await anywhere.query(
      `insert into auth_users (id, name, email, created_at, updated_at) values ($1, $2, $3, $4, $4) on conflict do nothing returning 1`,
      [deps.localOwner.id, deps.localOwner.displayName, email, deps.clock.now()],
    );
    if (rows.length > 0) logger.info("the local owner's account waits for its address to be proven");
  }

  return {
    routes: [
      ...accountRoutes(parts),
      ...deviceRoutes(parts),
      ...invitationRoutes(parts),
      ...ownAccountRoutes(parts, deletion),
      ...signOnRoutes(parts),
      ...signOnSettingsRoutes(parts),
      securityRoute({
        db: deps.db,
        loginsOf: (principalId, own) => loginsOf(parts, principalId, own),
        singleSignOn: (organizationId) => settingsOf(parts, organizationId),
        domains: (organizationId) => domainsOf(parts, organizationId),
      }),
    ],
    projections: [erasable(invitationsProjection, { bySubject: { proj_invitations: "id" } }), erasable(singleSignOnProjection)],
    schemas: [path.join(import.meta.dirname, "schema.sql")],
    jobs: {
      [TELL_JOB]: (job) => tell(deps, job),
      [DELETE_JOB]: ({ payload }) => deletion.resume(DeletePayload.parse(payload).principal_id),
    },
    loginsOf: (principalId, own) => loginsOf(parts, principalId, own),
    provenEmail: (principalId) => provenEmail(anywhere, principalId),
    serve: (app) => serveAccounts(app, parts),
    async start() {
      if (deps.isOn) await offerOwnership();
    },
    async stop() {
      mailer.close();
      await openId.close();
    },
  };
}
