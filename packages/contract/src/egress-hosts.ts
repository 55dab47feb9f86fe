import { z } from "zod";
import { SessionId, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

/** `example.com`, or `*.example.com` for the apex and every name below it. */
export const HostPattern = z
  .string()
  .regex(/^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/, "expected a host like example.com or *.example.com")
  .max(253);

export const EgressHost = z
  .object({
    host: z.string(),
    requests: z.int(),
    blocked: z.int(),
    bytes_sent: z.int(),
    bytes_received: z.int(),
    first_at: Timestamp,
    last_at: Timestamp,
    last_decision: z.enum(["allow", "deny"]),
    last_reason_code: z.string(),
    last_reason: z.string(),
    /** The rule that lets it through today; null when none does. */
    rule: z.object({ host: z.string(), session_id: SessionId.nullable() }).nullable(),
    /** The tool call that was under way when the host was first asked for, as far as that can be told. */
    first_tool_call: z.object({ id: z.string(), name: z.string(), title: z.string().nullable() }).nullable(),
  })
  .meta({ id: "EgressHost" });
export const listEgressHosts = route({
  id: "egress.hosts",
  summary: "Hosts that a session's sandbox asked for, last asked first",
  method: "GET",
  path: "/v1/sessions/:id/egress",
  params: z.object({ id: SessionId }),
  ok: z.object({ items: z.array(EgressHost) }).meta({ id: "EgressHosts" }),
  refusals: { session_not_found: 404 },
  access: { resource: "egress", role: "viewer", scopes: ["read"] },
});
