import { z } from "zod";
import { ImportId, OrganizationId, page, PageQuery, PrincipalId, SessionId, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

const audit = { resource: "audit", role: "viewer", scopes: ["read"] } as const;

/** An export of another installation, or of another time, kept as read-only streams with their own chain and ids. */
export const ImportView = z
  .object({
    id: ImportId,
    name: z.string(),
    source_organization_id: OrganizationId,
    streams: z.int(),
    events: z.int(),
    sessions: z.array(SessionId),
    /** Always: nothing that does not verify is kept. */
    verified: z.literal(true),
    /** Id of the key that signed its checkpoints. */
    signed_by: z.string(),
    /** What the people, agents and services in it were called there. None of them is a principal here. */
    names: z.record(z.string(), z.string()),
    imported_at: Timestamp,
    imported_by: PrincipalId,
  })
  .meta({ id: "Import" });
export type ImportView = z.infer<typeof ImportView>;
/** Verified completely before anything is kept. The same export again answers 200 with the import that is there. */
export const importLog = route({
  id: "audit.import",
  summary: "Import an export, once it verifies completely, as read-only streams",
  method: "POST",
  path: "/v1/audit/import",
  query: z.object({
    /** Default: the title of its first session, or where it is from. */ name: z.string().trim().min(1).max(200).optional(),
  }),
  upload: "application/x-ndjson",
  ok: ImportView,
  refusals: { import_not_verified: 422, import_unsupported: 422 },
  access: { resource: "audit", role: "admin", scopes: ["admin"] },
  bodyLimit: 268_435_456,
});
export const listImports = route({
  id: "audit.imports.list",
  summary: "Imported logs, newest first",
  method: "GET",
  path: "/v1/audit/imports",
  query: PageQuery,
  ok: page(ImportView).meta({ id: "ImportPage" }),
  refusals: {},
  access: audit,
});
export const getImport = route({
  id: "audit.imports.get",
  summary: "One imported log",
  method: "GET",
  path: "/v1/audit/imports/:id",
  params: z.object({ id: ImportId }),
  ok: ImportView,
  refusals: { import_not_found: 404 },
  access: audit,
});
export const deleteImport = route({
  id: "audit.imports.delete",
  summary: "Remove an imported copy whole, its sessions with it",
  method: "DELETE",
  path: "/v1/audit/imports/:id",
  params: z.object({ id: ImportId }),
  ok: ImportView,
  refusals: { import_not_found: 404 },
  access: { resource: "audit", role: "admin", scopes: ["admin"] },
});
