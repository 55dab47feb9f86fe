/* The map of the app. Every page is a chunk of its own; what a URL can say is validated here. */
import { SessionId } from "@signalbox/contract/primitives";
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, notFound } from "@tanstack/react-router";
import { AppFrame } from "./frame/app-frame.tsx";
import { Crash, Missing } from "./frame/crash.tsx";

const rootRoute = createRootRoute({ notFoundComponent: Missing, errorComponent: Crash });

const loginRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/login",
  validateSearch: (search): { code?: string | undefined } =>
    typeof search["code"] === "string"
      ? { code: search["code"] }
      : typeof search["code"] === "number"
        ? { code: String(search["code"]) }
        : {},
  component: lazyRouteComponent(() => import("./login/login-page.tsx"), "LoginPage"),
});

/** Everything that needs a person who is signed in. `new` opens the new-session dialog over any page, `sample` with something to try. */
const frameRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: "frame",
  validateSearch: (search): { new?: true | "sample" | undefined } =>
    search["new"] === true || search["new"] === "sample" ? { new: search["new"] } : {},
  component: AppFrame,
});

const inboxRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/",
  validateSearch: (search): { tab?: "decided" | undefined } => (search["tab"] === "decided" ? { tab: "decided" } : {}),
  component: lazyRouteComponent(() => import("./approvals/inbox-page.tsx"), "InboxPage"),
});

const sessionsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/sessions",
  validateSearch: (search): { q?: string | undefined; archived?: true | undefined } => ({
    ...(typeof search["q"] === "string" && search["q"] !== "" ? { q: search["q"] } : {}),
    ...(search["archived"] === true ? { archived: true as const } : {}),
  }),
  component: lazyRouteComponent(() => import("./sessions/sessions-page.tsx"), "SessionsPage"),
});

const sessionRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/sessions/$sessionId",
  params: {
    parse: ({ sessionId }) => {
      const id = SessionId.safeParse(sessionId);
      if (!id.success) throw notFound();
      return { sessionId: id.data };
    },
    stringify: ({ sessionId }) => ({ sessionId }),
  },
  validateSearch: (search): { pane?: "changes" | "events" | undefined } =>
    search["pane"] === "changes" || search["pane"] === "events" ? { pane: search["pane"] } : {},
  component: lazyRouteComponent(() => import("./session/session-page.tsx"), "SessionPage"),
});

const timelineRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/timeline",
  /** `stream` is `<type>:<id>`; absent: everything, newest first. */
  validateSearch: (search): { stream?: string | undefined; type?: string | undefined } => ({
    ...(typeof search["stream"] === "string" ? { stream: search["stream"] } : {}),
    ...(typeof search["type"] === "string" ? { type: search["type"] } : {}),
  }),
  component: lazyRouteComponent(() => import("./events/timeline-page.tsx"), "TimelinePage"),
});

const settingsRoute = createRoute({
  getParentRoute: () => frameRoute,
  path: "/settings",
  component: lazyRouteComponent(() => import("./settings/settings-page.tsx"), "SettingsPage"),
});

export const router = createRouter({
  routeTree: rootRoute.addChildren([
    loginRoute,
    frameRoute.addChildren([inboxRoute, sessionsRoute, sessionRoute, timelineRoute, settingsRoute]),
  ]),
  defaultPreload: "intent",
  defaultPendingMs: 300,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
