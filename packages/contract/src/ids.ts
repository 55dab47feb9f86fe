/* The form of ids, apart from the schemas: the app's first screen reads addresses before it needs a schema of anything. */
import type {
  ApprovalId,
  ArtifactId,
  EventId,
  InvitationId,
  InvocationId,
  MessageId,
  PrincipalId,
  RoomId,
  RunId,
  SessionId,
  ThreadId,
} from "./primitives.ts";

/** Prefix + ULID (26 characters of Crockford base32). */
export const idPattern = (prefix: string): RegExp => new RegExp(`^${prefix}_[0-9A-HJKMNP-TV-Z]{26}$`);

export interface IdByPrefix {
  readonly act: InvocationId;
  readonly appr: ApprovalId;
  readonly art: ArtifactId;
  readonly inv: InvitationId;
  readonly msg: MessageId;
  readonly room: RoomId;
  readonly run: RunId;
  readonly ses: SessionId;
  readonly th: ThreadId;
}
export const isId = <P extends keyof IdByPrefix>(prefix: P, text: string | null | undefined): text is IdByPrefix[P] =>
  typeof text === "string" && idPattern(prefix).test(text);

/** `usr_…`, `agt_…` or `svc_…`; the rest need not be a ULID. */
export const PRINCIPAL_ID = /^(usr|agt|svc)_[0-9A-Za-z]{1,40}$/;
export const isPrincipalId = (text: string): text is PrincipalId => PRINCIPAL_ID.test(text);

/** Lower-case letters, digits and dashes. */
export const MODEL_CONNECTION_NAME = /^[a-z0-9][a-z0-9-]{0,39}$/;

/** Events are named by UUIDs of version 7. */
export const isEventId = (text: string): text is EventId =>
  /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i.test(text);
