/* Every event type there is, by name. Exported as JSON Schema; released shapes never change. */
import type { z } from "zod";
import { AccountDeletionEvent, AccountEvent } from "./events/accounts.ts";
import { ApprovalEvent } from "./events/approvals.ts";
import { AuditEvent } from "./events/audit.ts";
import { CapabilityEvent } from "./events/capabilities.ts";
import { AdminEvent } from "./events/admin.ts";
import { GateEvent, InvocationEvent } from "./events/gate.ts";
import { IdentityEvent } from "./events/identity.ts";
import { InvitationEvent } from "./events/invitations.ts";
import { LedgerEvent, ModelKeyEvent } from "./events/ledger.ts";
import { ModelConnectionEvent } from "./events/models.ts";
import { MembershipEvent } from "./events/organizations.ts";
import { QuestionEvent } from "./events/questions.ts";
import { QuotaEvent } from "./events/quotas.ts";
import { RoomEvent } from "./events/rooms.ts";
import { RunEvent } from "./events/runs.ts";
import { SessionEvent } from "./events/sessions.ts";
import { ShareEvent } from "./events/shares.ts";
import { SingleSignOnEvent } from "./events/single-sign-on.ts";
import { SinkEvent } from "./events/sinks.ts";
import { PreviewEvent, TerminalEvent } from "./events/workbench.ts";

const UNIONS = [
  IdentityEvent,
  AccountEvent,
  AccountDeletionEvent,
  MembershipEvent,
  InvitationEvent,
  SingleSignOnEvent,
  AdminEvent,
  CapabilityEvent,
  RoomEvent,
  RunEvent,
  ApprovalEvent,
  GateEvent,
  InvocationEvent,
  SessionEvent,
  QuestionEvent,
  QuotaEvent,
  ShareEvent,
  SinkEvent,
  TerminalEvent,
  PreviewEvent,
  LedgerEvent,
  ModelKeyEvent,
  ModelConnectionEvent,
  AuditEvent,
];

export type AnyEvent =
  | IdentityEvent
  | AccountEvent
  | AccountDeletionEvent
  | MembershipEvent
  | InvitationEvent
  | SingleSignOnEvent
  | AdminEvent
  | CapabilityEvent
  | RoomEvent
  | RunEvent
  | ApprovalEvent
  | GateEvent
  | InvocationEvent
  | SessionEvent
  | QuestionEvent
  | QuotaEvent
  | ShareEvent
  | SinkEvent
  | TerminalEvent
  | PreviewEvent
  | LedgerEvent
  | ModelKeyEvent
  | ModelConnectionEvent
  | AuditEvent;
export type EventType = AnyEvent["type"];

/** Schema of `data` by event type. */
export const EVENT_SCHEMAS: ReadonlyMap<string, z.ZodType> = new Map(
  UNIONS.flatMap((union) => union.options.map((option) => [option.shape.type.value as string, option.shape.data as z.ZodType] as const)),
);
