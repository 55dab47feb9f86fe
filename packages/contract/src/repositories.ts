/* Looking at a repository before a session is pointed at it, and finding one on the server's machine. */
import { z } from "zod";
import { Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

export const RepositoryCheck = z
  .object({
    ok: z.literal(true),
    /** As a session's source takes it. */
    url: z.string(),
    name: z.string(),
    kind: z.enum(["local", "file", "http"]),
    default_branch: z.string().nullable(),
    /** At most 200, the default one first. */
    branches: z.array(z.string()),
    branches_truncated: z.boolean(),
    head_commit: z.string(),
    /** Files with uncommitted changes; an agent works on what is committed. Null for what is not local. */
    dirty_files: z.int().min(0).nullable(),
    suggestion: z.string().nullable(),
  })
  .meta({ id: "RepositoryCheck" });
export type RepositoryCheck = z.infer<typeof RepositoryCheck>;

export const checkRepository = route({
  id: "repositories.check",
  summary: "Whether an agent can work on a repository, and what is in it",
  method: "POST",
  path: "/v1/repositories/check",
  body: z.object({ url: z.string().trim().min(1).max(2000) }),
  ok: RepositoryCheck,
  refusals: {
    repository_url_invalid: 422,
    repository_url_has_credentials: 422,
    repository_not_found: 422,
    not_a_repository: 422,
    repository_empty: 422,
    repository_unreachable: 422,
    repository_needs_login: 422,
    repository_not_allowed: 422,
  },
  access: { resource: "repository", role: "member", scopes: ["write"] },
});

export const RepositoryEntry = z.object({ name: z.string(), path: z.string(), is_repository: z.boolean() }).meta({ id: "RepositoryEntry" });
/** Directories of the server's own machine, below the home directory of the user it runs as. */
export const browseRepositories = route({
  id: "repositories.browse",
  summary: "Directories on the server's machine",
  method: "GET",
  path: "/v1/repositories/browse",
  query: z.object({ path: z.string().max(4096).optional() }),
  ok: z
    .object({
      path: z.string(),
      /** Null at the top. */
      parent: z.string().nullable(),
      is_repository: z.boolean(),
      /** Repositories first, then by name; at most 500, hidden ones left out. */
      items: z.array(RepositoryEntry),
      truncated: z.boolean(),
    })
    .meta({ id: "RepositoryListing" }),
  refusals: { browsing_not_allowed: 403, path_not_allowed: 403, path_not_found: 404 },
  access: { resource: "repository", role: "admin", scopes: ["admin"] },
});
export const recentRepositories = route({
  id: "repositories.recent",
  summary: "Repositories that sessions worked on, last used first",
  method: "GET",
  path: "/v1/repositories/recent",
  ok: z
    .object({ items: z.array(z.object({ url: z.string(), name: z.string(), last_used_at: Timestamp, sessions: z.int() })) })
    .meta({ id: "RecentRepositories" }),
  refusals: {},
  access: { resource: "repository", role: "viewer", scopes: ["read"] },
});
