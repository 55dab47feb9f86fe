/* Every route there is; registration, client, OpenAPI, reference and access matrix read this list. */
import * as accounts from "./accounts.ts";
import * as anchors from "./anchors.ts";
import * as admin from "./admin.ts";
import * as approvals from "./approvals.ts";
import * as archives from "./archives.ts";
import * as attention from "./attention.ts";
import * as capabilities from "./capabilities.ts";
import * as durable from "./durable.ts";
import * as evidence from "./evidence.ts";
import * as egressHosts from "./egress-hosts.ts";
import * as gate from "./gate.ts";
import * as identity from "./identity.ts";
import * as imports from "./imports.ts";
import * as invitations from "./invitations.ts";
import * as keyRings from "./key-rings.ts";
import * as log from "./log.ts";
import * as modelConnections from "./model-connections.ts";
import * as repositories from "./repositories.ts";
import * as operations from "./operations.ts";
import * as ownAccount from "./own-account.ts";
import * as organizations from "./organizations.ts";
import * as push from "./push.ts";
import * as quotas from "./quotas.ts";
import * as questions from "./questions.ts";
import * as roomReading from "./room-reading.ts";
import * as rooms from "./rooms.ts";
import type { Route } from "./route.ts";
import * as runs from "./runs.ts";
import * as search from "./search.ts";
import * as security from "./security.ts";
import * as sessionHistory from "./session-history.ts";
import * as sessionQueue from "./session-queue.ts";
import * as sessions from "./sessions.ts";
import * as shares from "./shares.ts";
import * as singleSignOn from "./single-sign-on.ts";
import * as sinks from "./sinks.ts";
import * as sync from "./sync.ts";
import * as system from "./system.ts";
import * as workbench from "./workbench.ts";

const MODULES = [
  system,
  identity,
  capabilities,
  accounts,
  ownAccount,
  organizations,
  invitations,
  security,
  singleSignOn,
  admin,
  rooms,
  runs,
  approvals,
  gate,
  log,
  anchors,
  archives,
  imports,
  evidence,
  sessions,
  sessionHistory,
  shares,
  sinks,
  sessionQueue,
  questions,
  quotas,
  sync,
  durable,
  modelConnections,
  repositories,
  attention,
  roomReading,
  search,
  operations,
  keyRings,
  egressHosts,
  push,
  workbench,
];

const isRoute = (value: unknown): value is Route =>
  typeof value === "object" && value !== null && "method" in value && "path" in value && "access" in value;

export const ROUTES: readonly Route[] = MODULES.flatMap((module) => Object.values(module).filter(isRoute));
