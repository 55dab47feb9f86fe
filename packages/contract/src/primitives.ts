import { z } from "zod";
import { idPattern, PRINCIPAL_ID } from "./ids.ts";

const id = <B extends string>(prefix: string, _brand: B) =>
  z.string().regex(idPattern(prefix), `expected an id like ${prefix}_01J…`).brand<B>();

export const RoomId = id("room", "RoomId");
export type RoomId = z.infer<typeof RoomId>;
export const ThreadId = id("th", "ThreadId");
export type ThreadId = z.infer<typeof ThreadId>;
export const MessageId = id("msg", "MessageId");
export type MessageId = z.infer<typeof MessageId>;
export const RunId = id("run", "RunId");
export type RunId = z.infer<typeof RunId>;
export const StepId = id("step", "StepId");
export type StepId = z.infer<typeof StepId>;
export const ToolCallId = id("tc", "ToolCallId");
export type ToolCallId = z.infer<typeof ToolCallId>;
export const ArtifactId = id("art", "ArtifactId");
export type ArtifactId = z.infer<typeof ArtifactId>;
export const ApprovalId = id("appr", "ApprovalId");
export type ApprovalId = z.infer<typeof ApprovalId>;
export const SessionId = id("ses", "SessionId");
export type SessionId = z.infer<typeof SessionId>;
export const SandboxId = id("sbx", "SandboxId");
export type SandboxId = z.infer<typeof SandboxId>;
export const InvocationId = id("act", "InvocationId");
export type InvocationId = z.infer<typeof InvocationId>;
export const ReservationId = id("rsv", "ReservationId");
export type ReservationId = z.infer<typeof ReservationId>;
export const ModelKeyId = id("vk", "ModelKeyId");
export type ModelKeyId = z.infer<typeof ModelKeyId>;
export const TokenId = id("tok", "TokenId");
export type TokenId = z.infer<typeof TokenId>;
export const TerminalId = id("trm", "TerminalId");
export type TerminalId = z.infer<typeof TerminalId>;
export const PreviewId = id("prv", "PreviewId");
export type PreviewId = z.infer<typeof PreviewId>;
/** One imported log. What it brought carries ids of its own, whose part after the prefix begins with `Z`. */
export const ArchiveId = id("arch", "ArchiveId");
export type ArchiveId = z.infer<typeof ArchiveId>;
export const ImportId = id("imp", "ImportId");
export type ImportId = z.infer<typeof ImportId>;

export const QuestionId = id("qst", "QuestionId");
export type QuestionId = z.infer<typeof QuestionId>;
export const ShareId = id("shr", "ShareId");
export type ShareId = z.infer<typeof ShareId>;
export const SinkId = id("snk", "SinkId");
export type SinkId = z.infer<typeof SinkId>;
export const InvitationId = id("inv", "InvitationId");
export type InvitationId = z.infer<typeof InvitationId>;
/** The operator acting as somebody. */
export const ImpersonationId = id("ipn", "ImpersonationId");
export type ImpersonationId = z.infer<typeof ImpersonationId>;
export const DomainId = id("dom", "DomainId");
export type DomainId = z.infer<typeof DomainId>;
export const TeamId = id("team", "TeamId");
export type TeamId = z.infer<typeof TeamId>;
export const CapabilityId = id("cap", "CapabilityId");
export type CapabilityId = z.infer<typeof CapabilityId>;

/** `ws_…`; `ws_dev` is the local default, so the rest is a slug rather than a ULID. */
export const OrganizationId = z
  .string()
  .regex(/^ws_[0-9A-Za-z]{1,40}$/, "expected an organization id like ws_dev")
  .brand<"OrganizationId">();
export type OrganizationId = z.infer<typeof OrganizationId>;
/** `usr_…`, `agt_…` or `svc_…`. */
export const PrincipalId = z.string().regex(PRINCIPAL_ID, "expected a principal id like usr_01J…").brand<"PrincipalId">();
export type PrincipalId = z.infer<typeof PrincipalId>;
export const EventId = z.uuid({ version: "v7" }).brand<"EventId">();
export type EventId = z.infer<typeof EventId>;

/** RFC 3339 UTC with exactly milliseconds. */
export const Timestamp = z.iso.datetime({ precision: 3 }).meta({ id: "Timestamp", description: "RFC 3339 UTC with exactly milliseconds" });
export const Sha256 = z.string().regex(/^sha256:[0-9a-f]{64}$/);
/** sha256 over the RFC 8785 form of {action, params, target, session_id, run_id}, absent = null. */
export const CallHash = Sha256.brand<"CallHash">();
export type CallHash = z.infer<typeof CallHash>;
/** Integer millionths of a US dollar. */
export const MicroUsd = z.int().meta({ id: "MicroUsd", description: "Integer millionths of a US dollar" });

export const PrincipalType = z.enum(["user", "agent", "service"]).meta({ id: "PrincipalType" });
export type PrincipalType = z.infer<typeof PrincipalType>;
export const Principal = z.object({ id: PrincipalId, type: PrincipalType }).meta({ id: "PrincipalRef" });
export const Zone = z.enum(["sandbox", "supervised", "high_stakes"]).meta({ id: "Zone" });
export const OrganizationRole = z.enum(["viewer", "member", "approver", "admin", "owner"]).meta({ id: "OrganizationRole" });
export type OrganizationRole = z.infer<typeof OrganizationRole>;

/** Any JSON value. */
export const JsonValue = z.json();
export const JsonObject = z.record(z.string(), z.json());

/** Title of anything: one line, at most 200 characters. */
export const Title = z.string().trim().min(1).max(200);
/** Markdown as a person or an agent wrote it; sanitised on display. A million characters is a legal prompt. */
export const Markdown = z.string().min(1).max(1_048_576);

/** Lists: `limit` 1–200 (default 50) and an opaque keyset `cursor`. */
export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(400).optional(),
});
export const page = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next_cursor: z.string().nullable() });
