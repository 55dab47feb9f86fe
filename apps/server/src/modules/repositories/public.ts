/* Finding a repository and looking at it, before a session is pointed there. */
import { browseRepositories, checkRepository, recentRepositories, type RepositoryEntry } from "@signalbox/contract/repositories";
import type { Forge } from "@signalbox/providers/forge/port";
import { readdir, realpath, stat } from "node:fs/promises";
import path from "node:path";
import type { z } from "zod";
import { handle, refused } from "../../http/handle.ts";
import type { Module } from "../../module.ts";
import type { RoomAccess } from "../rooms/public.ts";
import { isBelow, lookAt } from "./look.ts";

export interface RecentSource {
  readonly url: string;
  readonly lastUsedAt: string;
  readonly sessions: number;
}

export interface RepositoriesDeps {
  readonly forge: Pick<Forge, "check">;
  readonly credentialsFile: string;
  readonly dataDir: string;
  /** Of the user that the server runs as. */
  readonly home: string;
  /** False when people reach the server from elsewhere: the machine's directories are not theirs to see. */
  readonly mayBrowse: boolean;
  readonly rooms: Pick<RoomAccess, "visibleRooms">;
  readonly recentSources: (organizationId: string, rooms: readonly string[] | null) => Promise<readonly RecentSource[]>;
}

const MAX_ENTRIES = 500;

export function createRepositories(deps: RepositoriesDeps): Module {
  return {
    projections: [],
    schemas: [],
    jobs: {},
    routes: [
      handle(checkRepository, async ({ body, signal }) => {
        const found = await lookAt(deps, body.url, signal);
        return "ok" in found ? found : refused(found.code, { message: found.message, fix: found.fix });
      }),

      handle(browseRepositories, async ({ query }) => {
        if (!deps.mayBrowse) {
          return refused("browsing_not_allowed", {
            message: "This server is reached over the network, so its directories are not shown.",
            fix: "Type the repository's path or address.",
          });
        }
        const top = await realpath(deps.home);
        const wanted = query.path === undefined || query.path === "" ? top : path.resolve(top, query.path);
        const here = await realpath(wanted).catch(() => null); // absent or unreadable: the same to whoever asked
        if (here === null || !(await stat(here)).isDirectory())
          return refused("path_not_found", { message: "There is no such directory.", fix: "Go back to the one above." });
        if (!(await isBelow(top, here)))
          return refused("path_not_allowed", {
            message: `Only what is below ${top} can be looked through.`,
            fix: "Type the repository's path instead.",
          });
        const { items, truncated } = await directoriesOf(here);
        return { path: here, parent: here === top ? null : path.dirname(here), is_repository: await isRepository(here), items, truncated };
      }),

      handle(recentRepositories, async ({ caller }) => {
        const found = await deps.recentSources(caller.organizationId, await deps.rooms.visibleRooms(caller));
        return {
          items: found.map(({ url, lastUsedAt, sessions }) => ({
            url,
            name: path.basename(url.replace(/\/+$/, "")).replace(/\.git$/, "") || url,
            last_used_at: lastUsedAt,
            sessions,
          })),
        };
      }),
    ],
  };
}

async function directoriesOf(here: string): Promise<{ items: z.input<typeof RepositoryEntry>[]; truncated: boolean }> {
  // One that may not be read shows as empty: that it is there is known already.
  const entries = await readdir(here, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith(".")).map((entry) => entry.name);
  const shown = names.toSorted((a, b) => a.localeCompare(b)).slice(0, MAX_ENTRIES);
  const items = await Promise.all(
    shown.map(async (name) => ({ name, path: path.join(here, name), is_repository: await isRepository(path.join(here, name)) })),
  );
  return { items: items.toSorted((a, b) => Number(b.is_repository) - Number(a.is_repository)), truncated: names.length > MAX_ENTRIES };
}

/** A working tree (`.git` is a file in a worktree), or a bare one. Nothing is run to find out. */
async function isRepository(directory: string): Promise<boolean> {
  const exists = (name: string): Promise<boolean> =>
    stat(path.join(directory, name)).then(
      () => true,
      () => false, // not there, or not to be seen
    );
  if (await exists(".git")) return true;
  return (await exists("HEAD")) && (await exists("objects")) && (await exists("refs"));
}
