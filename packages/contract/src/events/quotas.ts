import { z } from "zod";
import { PrincipalId } from "../primitives.ts";

export const QuotaName = z.enum(["sessions", "storage_bytes", "events_per_day"]).meta({ id: "QuotaName" });
export type QuotaName = z.infer<typeof QuotaName>;

const reached = z.object({ quota: QuotaName, used: z.int(), limit: z.int(), /** Of UTC: each is told once a day. */ day: z.iso.date() });
/** Subject `quota:<name>` of the organization's stream. */
export const QuotaEvent = z.discriminatedUnion("type", [
  /** At four fifths of the limit. */
  z.object({ type: z.literal("quota.warned"), data: reached }),
  /** Something was refused for it. */
  z.object({ type: z.literal("quota.exceeded"), data: reached }),
  z.object({ type: z.literal("quota.changed"), data: z.object({ quota: QuotaName, limit: z.int().nullable(), by: PrincipalId }) }),
]);
export type QuotaEvent = z.infer<typeof QuotaEvent>;
