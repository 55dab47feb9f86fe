/* Where signed checkpoints are left outside the log, and whether what lies there still agrees with it. */
import { z } from "zod";
import { page, PageQuery, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

export const AnchorName = z.enum(["file", "blob", "git", "webhook"]).meta({ id: "AnchorName" });
export type AnchorName = z.infer<typeof AnchorName>;

export const AnchorView = z
  .object({
    anchor: AnchorName,
    /** Directory, bucket, remote or origin; never credentials. */
    where: z.string(),
    /** `behind`: the newest checkpoint is on its way. `failing`: the last try failed. */
    state: z.enum(["current", "behind", "failing"]),
    /** Signed checkpoints that have not been left there yet. */
    behind: z.int(),
    /** Of the newest one that has. */
    position: z.int().nullable(),
    anchored_at: Timestamp.nullable(),
    /** In a row. */
    failures: z.int(),
    last_error: z.string().nullable(),
    next_attempt_at: Timestamp.nullable(),
    /** Whether what lies there can be fetched and compared; a webhook cannot be asked. */
    readable: z.boolean(),
  })
  .meta({ id: "Anchor" });
export type AnchorView = z.infer<typeof AnchorView>;

export const AnchoredView = z
  .object({
    position: z.int(),
    /** What finds it there: a file's name, a hash, a commit, a message's id. */
    ref: z.string(),
    anchored_at: Timestamp,
    /** Why it could not be left there for good: another note lies in its place. */
    problem: z.string().nullable(),
  })
  .meta({ id: "AnchoredCheckpoint" });

export const AnchorFinding = z
  .object({
    position: z.int(),
    /**
     * Of the anchor: `missing`, `forged` (what lies there is not signed by a key of this log), `unreachable`.
     * Of the log: `log_lost` (it has no such checkpoint any more), `log_replaced` (it has another one), `log_changed`
     * (its events are not those that were signed over).
     */
    kind: z.enum(["missing", "forged", "unreachable", "log_lost", "log_replaced", "log_changed"]),
    message: z.string(),
  })
  .meta({ id: "AnchorFinding" });
export type AnchorFinding = z.infer<typeof AnchorFinding>;

export const AnchorCheck = z
  .object({
    agrees: z.boolean(),
    anchors: z.array(
      z.object({
        anchor: AnchorName,
        readable: z.boolean(),
        /** Checkpoints that were fetched and compared, the newest ones. */
        checked: z.int(),
        findings: z.array(AnchorFinding),
      }),
    ),
  })
  .meta({ id: "AnchorCheck" });

const access = { resource: "audit", role: "admin", scopes: ["admin"] } as const;
const NONE = { anchor_not_found: 404 } as const;

export const listAnchors = route({
  id: "audit.anchors.list",
  summary: "Where signed checkpoints are left outside the log, and how far each is",
  method: "GET",
  path: "/v1/audit/anchors",
  ok: z.object({ items: z.array(AnchorView) }).meta({ id: "AnchorList" }),
  refusals: {},
  access,
});
export const listAnchored = route({
  id: "audit.anchors.checkpoints",
  summary: "Checkpoints that were left at one anchor, newest first",
  method: "GET",
  path: "/v1/audit/anchors/:anchor/checkpoints",
  params: z.object({ anchor: AnchorName }),
  query: PageQuery,
  ok: page(AnchoredView).meta({ id: "AnchoredPage" }),
  refusals: NONE,
  access,
});
export const checkAnchors = route({
  id: "audit.anchors.check",
  summary: "Fetch what was anchored and compare it with the log",
  method: "POST",
  path: "/v1/audit/anchors/check",
  body: z.object({
    /** Default: all. */
    anchor: AnchorName.optional(),
    /** Of each, the newest so many checkpoints. */
    limit: z.int().min(1).max(200).default(20),
  }),
  ok: AnchorCheck,
  refusals: NONE,
  access,
});
