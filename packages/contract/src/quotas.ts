/* What an organization may use at once or in a day, and what it uses. Null is no limit. */
import { z } from "zod";
import { OrganizationId, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

const use = z.object({ used: z.int(), limit: z.int().nullable() });
export const QuotasView = z
  .object({
    organization_id: OrganizationId,
    /** Running or about to at this moment; paused and ended ones do not count. */
    sessions: use,
    /** All content in the store, each once, and what engines attach inline. */
    storage_bytes: use,
    /** Since midnight UTC; counted within seconds. */
    events_per_day: use,
    /** Where an operator set something else than the configuration says. */
    set_at: Timestamp.nullable(),
  })
  .meta({ id: "Quotas" });

export const getQuotas = route({
  id: "quotas.get",
  summary: "What the organization may use, and uses",
  method: "GET",
  path: "/v1/quotas",
  ok: QuotasView,
  refusals: {},
  access: { resource: "quota", role: "viewer", scopes: ["read"] },
});
const Limit = z.int().min(0).nullable().optional();
/** Of the installation's own organization only: others are told that there is nothing. */
export const setQuotas = route({
  id: "quotas.set",
  summary: "Set what an organization may use (operators); null takes a limit back to the configuration's",
  method: "PUT",
  path: "/v1/quotas/:organization_id",
  params: z.object({ organization_id: OrganizationId }),
  body: z.object({ sessions: Limit, storage_bytes: Limit, events_per_day: Limit }),
  ok: QuotasView,
  refusals: { organization_not_found: 404 },
  access: "operator",
});
