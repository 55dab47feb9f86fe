/*
 * What each role of a split installation does. `all` does everything and is alone with its database;
 * the others are parts of one installation, on one Postgres (docs/operate.md, specs/roles.md).
 *
 *   browser ── HTTP ──────────────────► api ── signed ──► gateway (the one that holds the session)
 *   browser ── sync, terminals, previews ───────────────► gateway ◄──► sandbox
 *   forge, chat ── signed webhooks ────► ingress
 *                                        worker: jobs, schedules, readers of the log
 *
 * This table is the only place that knows it: what composes the process asks it, and no module does.
 */
import type { Route } from "@signalbox/contract/route";
import { getPresence } from "@signalbox/contract/session-queue";
import { getDiff } from "@signalbox/contract/sessions";
import {
  closeTerminal,
  createPreview,
  createTerminal,
  deletePreview,
  listFiles,
  listPorts,
  listTerminals,
  readFile,
  searchFiles,
} from "@signalbox/contract/workbench";

export const ROLES = ["all", "api", "gateway", "worker", "ingress"] as const;
export type Role = (typeof ROLES)[number];

export interface Duties {
  /** Routes of the contract that people and programs may call here; health is answered everywhere. */
  readonly routes: "all" | "streams" | "webhooks" | "none";
  /** The web app. */
  readonly web: boolean;
  /** Sockets and previews, and the model proxy for tools outside a sandbox. */
  readonly sockets: boolean;
  /** Hubs, and with them the proxies that sandboxes reach; and the jobs that need a hub. */
  readonly sandboxes: boolean;
  /** All other jobs, the schedules, the readers of the log. */
  readonly background: boolean;
  /** Database connections, where fewer than configured will do. */
  readonly most: { readonly requests: number; readonly jobs: number; readonly sessions: number };
}

export const DUTIES: Readonly<Record<Role, Duties>> = {
  all: { routes: "all", web: true, sockets: true, sandboxes: true, background: true, most: { requests: 500, jobs: 100, sessions: 6 } },
  api: { routes: "all", web: true, sockets: false, sandboxes: false, background: false, most: { requests: 500, jobs: 2, sessions: 2 } },
  gateway: {
    routes: "streams",
    web: false,
    sockets: true,
    sandboxes: true,
    background: false,
    most: { requests: 500, jobs: 4, sessions: 6 },
  },
  worker: { routes: "none", web: false, sockets: false, sandboxes: false, background: true, most: { requests: 4, jobs: 100, sessions: 2 } },
  ingress: {
    routes: "webhooks",
    web: false,
    sockets: false,
    sandboxes: false,
    background: false,
    most: { requests: 10, jobs: 2, sessions: 2 },
  },
};

/** Modules whose jobs need a hub. */
export const JOBS_OF_SANDBOXES: ReadonlySet<string> = new Set(["sessions"]);
/** Modules whose public routes take signed deliveries from outside: what the ingress serves. */
export const WEBHOOK_MODULES: ReadonlySet<string> = new Set(["ingress", "triggers", "webhooks"]);

/** Answered by the process that holds the session (`params.id`); another one passes them on. */
export const AT_HUB: ReadonlySet<string> = new Set(
  [
    listFiles,
    readFile,
    searchFiles,
    getDiff,
    createTerminal,
    listTerminals,
    closeTerminal,
    listPorts,
    createPreview,
    deletePreview,
    getPresence,
  ].map(({ id }: Pick<Route, "id">) => id),
);

export function servesRoute(duties: Duties, module: string, route: Pick<Route, "id" | "access" | "stream" | "raw">): boolean {
  switch (duties.routes) {
    case "all":
      return true;
    case "streams":
      return route.stream === "sse" || route.raw === true;
    case "webhooks":
      return WEBHOOK_MODULES.has(module) && route.access === "public";
    case "none":
      return false;
  }
}
