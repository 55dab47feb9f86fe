/* The map of the app. Every page is a chunk of its own; what a URL can say is validated here. */
import { isId, type IdByPrefix } from "@signalbox/contract/ids";
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, notFound } from "@tanstack/react-router";
import { AppFrame } from "./frame/app-frame.tsx";
import { Crash, CrashAlone, Missing, MissingAlone } from "./frame/crash.tsx";
import { flag, oneOf, reading, text, whole } from "./frame/search.ts";

const rootRoute = createRootRoute({ notFoundComponent: MissingAlone, errorComponent: CrashAlone });

const loginRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/login",
  validateSearch: reading({ code: text }),
  component: lazyRouteComponent(() => import("./login/login-page.tsx"), "LoginPage"),
});

/** Where a program that shows a code sends its person. */
const deviceRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/device",
  validateSearch: reading({ code: text }),
  component: lazyRouteComponent(() => import("./login/device-page.tsx"), "DevicePage"),
});

const inviteRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/invite/$invitationId",
  component: lazyRouteComponent(() => import("./login/invite-page.tsx"), "InvitePage"),
});

/** Every component in its states, for whoever works on them (docs/design.md). Linked from nowhere in the app. */
const galleryRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/gallery",
  component: lazyRouteComponent(() => import("./gallery/gallery-page.tsx"), "GalleryPage"),
});

/** What was shared by a link: read without signing in, so it has none of the frame. */
const sharedRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/shared/$token",
  validateSearch: reading({ at: whole }),
  component: lazyRouteComponent(() => import("./shared/shared-page.tsx"), "SharedPage"),
});

/** Everything that needs a person who is signed in. `new` opens the new-session dialog over any page, `sample` with something to try. */
const frameRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: "frame",
  validateSearch: (search): { new?: true | "sample" | undefined } =>
    search["new"] === true || search["new"] === "sample" ? { new: search["new"] } : {},
  component: AppFrame,
});

const needsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/",
  validateSearch: reading({ tab: oneOf("decided"), kind: text }),
  component: lazyRouteComponent(() => import("./needs/needs-page.tsx"), "NeedsPage"),
});

const approvalRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/approvals/$approvalId",
  params: identified("approvalId", "appr"),
  /** `decide` is what a notification's button meant: the page asks before it does it. */
  validateSearch: reading({ decide: oneOf("approve", "deny") }),
  component: lazyRouteComponent(() => import("./approvals/approval-page.tsx"), "ApprovalPage"),
});

const welcomeRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/welcome",
  validateSearch: reading({ step: text }),
  component: lazyRouteComponent(() => import("./welcome/welcome-page.tsx"), "WelcomePage"),
});

const sessionsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/sessions",
  /** `status`: names of groups (list/filters.ts) with commas; `by`: `me` or a principal; `peek`: a session shown beside the list. */
  validateSearch: reading({
    q: text,
    archived: flag,
    status: text,
    model: text,
    repository: text,
    outcome: text,
    by: text,
    sort: text,
    peek: text,
  }),
  component: lazyRouteComponent(() => import("./sessions/sessions-page.tsx"), "SessionsPage"),
});

const sessionRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/sessions/$sessionId",
  params: identified("sessionId", "ses"),
  /** `at` is a seq of the room's stream: everything shows as it was then. `call` is a tool call's id. */
  validateSearch: reading({
    pane: oneOf("changes", "terminal", "files", "preview", "egress", "events"),
    file: text,
    line: whole,
    at: whole,
    call: text,
    run: text,
    message: text,
  }),
  component: lazyRouteComponent(() => import("./session/session-page.tsx"), "SessionPage"),
});

const roomsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/rooms",
  validateSearch: reading({ q: text, archived: flag }),
  component: lazyRouteComponent(() => import("./rooms/rooms-page.tsx"), "RoomsPage"),
});

const roomRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/rooms/$roomId",
  params: identified("roomId", "room"),
  validateSearch: reading({ thread: text, message: text, q: text, at: whole, tab: text }),
  component: lazyRouteComponent(() => import("./rooms/room-page.tsx"), "RoomPage"),
});

const runsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/runs",
  validateSearch: reading({ q: text, status: text, session: text, room: text, sort: text }),
  component: lazyRouteComponent(() => import("./runs/runs-page.tsx"), "RunsPage"),
});

const runRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/runs/$runId",
  params: identified("runId", "run"),
  validateSearch: reading({ tab: text, step: text, call: text, event: text }),
  component: lazyRouteComponent(() => import("./runs/run-page.tsx"), "RunPage"),
});

const correlationRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/correlations/$correlationId",
  validateSearch: reading({ tab: text, step: text, call: text, event: text }),
  component: lazyRouteComponent(() => import("./runs/correlation-page.tsx"), "CorrelationPage"),
});

const artifactRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/artifacts/$artifactId",
  params: identified("artifactId", "art"),
  validateSearch: reading({ view: text, line: whole }),
  component: lazyRouteComponent(() => import("./artifacts/artifact-page.tsx"), "ArtifactPage"),
});

const policyRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/policy",
  /** With `action` and `resource` it is a question put to the gate, which can be sent to somebody. */
  validateSearch: reading({
    tab: text,
    policy: text,
    decision: text,
    action: text,
    who: text,
    kind: text,
    resource: text,
    zone: text,
    session: text,
    context: text,
  }),
  component: lazyRouteComponent(() => import("./policy/policy-page.tsx"), "PolicyPage"),
});

const auditRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/audit",
  /** `event` is the one to be redacted. */
  validateSearch: reading({ tab: text, stream: text, event: text }),
  component: lazyRouteComponent(() => import("./audit/audit-page.tsx"), "AuditPage"),
});

const timelineRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/timeline",
  /** `stream` is `<type>:<id>`; absent: everything, newest first. `event` is one entry, opened. */
  validateSearch: reading({
    stream: text,
    type: text,
    event: text,
    at: whole,
    who: text,
    subject: text,
    q: text,
    after: text,
    before: text,
  }),
  component: lazyRouteComponent(() => import("./events/timeline-page.tsx"), "TimelinePage"),
});

const healthRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/health",
  validateSearch: reading({ tab: text, part: text }),
  component: lazyRouteComponent(() => import("./health/health-page.tsx"), "HealthPage"),
});

const adminRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/admin",
  validateSearch: reading({ tab: text }),
  component: lazyRouteComponent(() => import("./admin/admin-page.tsx"), "AdminPage"),
});
const settingsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/settings",
  component: lazyRouteComponent(() => import("./settings/settings-frame.tsx"), "SettingsFrame"),
});
const inSettings = { getParentRoute: () => settingsRoute };
const settingsRoutes = [
  createRoute({ ...inSettings, path: "/", component: lazyRouteComponent(() => import("./settings/settings-page.tsx"), "SettingsPage") }),
  createRoute({ ...inSettings, path: "/models", component: lazyRouteComponent(() => import("./settings/models-page.tsx"), "ModelsPage") }),
  createRoute({ ...inSettings, path: "/tokens", component: lazyRouteComponent(() => import("./settings/tokens-page.tsx"), "TokensPage") }),
  createRoute({
    ...inSettings,
    path: "/appearance",
    component: lazyRouteComponent(() => import("./settings/appearance-page.tsx"), "AppearancePage"),
  }),
  createRoute({
    ...inSettings,
    path: "/notifications",
    component: lazyRouteComponent(() => import("./settings/notifications-page.tsx"), "NotificationsPage"),
  }),
  createRoute({
    ...inSettings,
    path: "/account",
    component: lazyRouteComponent(() => import("./settings/account-page.tsx"), "AccountPage"),
  }),
  createRoute({
    ...inSettings,
    path: "/organization",
    component: lazyRouteComponent(() => import("./settings/organization-page.tsx"), "OrganizationPage"),
  }),
  createRoute({
    ...inSettings,
    path: "/members",
    component: lazyRouteComponent(() => import("./settings/members-page.tsx"), "MembersPage"),
  }),
  createRoute({
    ...inSettings,
    path: "/single-sign-on",
    component: lazyRouteComponent(() => import("./settings/single-sign-on-page.tsx"), "SingleSignOnPage"),
  }),
  createRoute({
    ...inSettings,
    path: "/security",
    component: lazyRouteComponent(() => import("./settings/security-page.tsx"), "SecurityPage"),
  }),
  createRoute({ ...inSettings, path: "/sinks", component: lazyRouteComponent(() => import("./settings/sinks-page.tsx"), "SinksPage") }),
  createRoute({ ...inSettings, path: "/data", component: lazyRouteComponent(() => import("./settings/data-page.tsx"), "DataPage") }),
] as const;

export const router = createRouter({
  routeTree: rootRoute.addChildren([
    loginRoute,
    deviceRoute,
    inviteRoute,
    galleryRoute,
    sharedRoute,
    frameRoute.addChildren([
      needsRoute,
      approvalRoute,
      welcomeRoute,
      sessionsRoute,
      sessionRoute,
      roomsRoute,
      roomRoute,
      runsRoute,
      runRoute,
      correlationRoute,
      artifactRoute,
      policyRoute,
      auditRoute,
      timelineRoute,
      healthRoute,
      adminRoute,
      settingsRoute.addChildren(settingsRoutes),
    ]),
  ]),
  defaultPreload: "intent",
  defaultPendingMs: 300,
  defaultErrorComponent: Crash,
  defaultNotFoundComponent: Missing,
  scrollRestoration: true,
});

/** An address with something that cannot be an id leads nowhere; the server is not asked. */
function identified<Name extends string, P extends keyof IdByPrefix>(name: Name, prefix: P) {
  return {
    parse: (params: Record<Name, string>): Record<Name, IdByPrefix[P]> => {
      const id: string = params[name];
      if (!isId(prefix, id)) throw notFound();
      return { [name]: id } as Record<Name, IdByPrefix[P]>;
    },
    stringify: (params: Record<Name, IdByPrefix[P]>): Record<Name, string> => ({ [name]: params[name] as string }) as Record<Name, string>,
  };
}

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
