import { listFiles, readFile, searchFiles as searchFilesRoute, WORKBENCH_LIMITS } from "@signalbox/contract/workbench";
import type { Sandbox } from "@signalbox/providers/sandbox/port";
import { handle, refused, type BoundRoute, type Caller, type Refused } from "../../http/handle.ts";
import type { SessionDoors } from "../sessions/public.ts";
import { contentOf, timestamp } from "./content.ts";
import { bytesOf, normalised, textOf } from "./paths.ts";
import { searchFiles } from "./search.ts";

const ROOT = "/workspace";

const notRunning = (message = "The sandbox is not running."): Refused<"sandbox_not_running"> =>
  refused("sandbox_not_running", { message, fix: "Send a message or resume the session to start it." });

type PathRefusal = "file_not_found" | "permission_denied" | "path_outside_workspace" | "sandbox_not_running" | "wrong_kind";

/** What went wrong inside, as the caller's to know; anything else is a fault. */
function refusalOf(error: unknown): PathRefusal | null {
  switch ((error as { code?: string }).code) {
    case "outside":
      return "path_outside_workspace";
    case "ENOENT":
    // Longer than a file system takes, or links in a circle: no file is there.
    case "ENAMETOOLONG":
    case "ELOOP":
      return "file_not_found";
    case "EACCES":
    case "EPERM":
      return "permission_denied";
    case "ENOTDIR":
    case "EISDIR":
    case "not_a_file":
      return "wrong_kind";
    case "link_lost":
    case "link_timeout":
    case "unsupported":
      return "sandbox_not_running";
    default:
      return null;
  }
}

export function fileRoutes(doors: SessionDoors): BoundRoute[] {
  /** Looks in, or says why not. `wrongKind`: what this route calls a directory that is a file, or the other way round. */
  async function looking<T, Kind extends string>(
    { caller, params }: { caller: Caller; params: { id: string } },
    path: string,
    wrongKind: Kind,
    look: (sandbox: Sandbox, path: string) => Promise<T>,
  ): Promise<T | Refused<Exclude<PathRefusal, "wrong_kind"> | "session_not_found" | Kind>> {
    if ((await doors.accessOf(caller, params.id)) === null) return refused("session_not_found");
    const inside = normalised(path);
    if (inside === null) return refused("path_outside_workspace");
    const sandbox = doors.sandboxOf(caller.organizationId, params.id);
    if (sandbox === null) return notRunning();
    try {
      return await look(sandbox, inside);
    } catch (error) {
      const code = refusalOf(error);
      if (code === null) throw error;
      if (code === "sandbox_not_running") {
        const old = (error as { code?: string }).code === "unsupported";
        return notRunning(old ? "The sandbox was started by an earlier version of this server." : "The sandbox does not answer.");
      }
      return code === "wrong_kind" ? refused(wrongKind) : refused(code);
    }
  }

  return [
    handle(listFiles, (request) =>
      looking(request, request.query.path, "not_a_directory", async (sandbox, path) => {
        const { entries, truncated } = await sandbox.list({ root: ROOT, path: bytesOf(path) }, WORKBENCH_LIMITS.directoryEntries);
        return {
          path,
          entries: entries.map(({ name: bytes, type, sizeBytes, modifiedMs }) => {
            const name = textOf(bytes);
            return {
              name,
              path: path === "" ? name : `${path}/${name}`,
              type,
              size_bytes: sizeBytes,
              modified_at: timestamp(modifiedMs),
            };
          }),
          truncated,
        };
      }),
    ),
    handle(readFile, (request) =>
      looking(request, request.query.path, "not_a_file", async (sandbox, path) =>
        contentOf(path, await sandbox.open({ root: ROOT, path: bytesOf(path) }, WORKBENCH_LIMITS.fileBytes)),
      ),
    ),
    handle(searchFilesRoute, async ({ caller, params, query }) => {
      if ((await doors.accessOf(caller, params.id)) === null) return refused("session_not_found");
      const sandbox = doors.sandboxOf(caller.organizationId, params.id);
      if (sandbox === null) return notRunning();
      return searchFiles(sandbox, query.q);
    }),
  ];
}
