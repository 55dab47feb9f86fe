/* The form of ids, apart from the schemas: the app's first screen reads addresses before it needs a schema of anything. */
import type { ApprovalId, ArtifactId, InvocationId, RoomId, RunId, SessionId } from "./primitives.ts";

/** Prefix + ULID (26 characters of Crockford base32). */
export const idPattern = (prefix: string): RegExp => new RegExp(`^${prefix}_[0-9A-HJKMNP-TV-Z]{26}$`);

export interface IdByPrefix {
  readonly act: InvocationId;
  readonly appr: ApprovalId;
  readonly art: ArtifactId;
  readonly room: RoomId;
  readonly run: RunId;
  readonly ses: SessionId;
}
export const isId = <P extends keyof IdByPrefix>(prefix: P, text: string | null | undefined): text is IdByPrefix[P] =>
  typeof text === "string" && idPattern(prefix).test(text);
