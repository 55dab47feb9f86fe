import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Whom Postgres runs as. Postgres refuses to run as root, so root needs another user for it. */
export interface OsUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const NAME = "postgres";

/** Null when we are not root: Postgres then runs as ourselves. Creates the user when it is missing. */
export function postgresOsUser(): OsUser | null {
  if (process.getuid?.() !== 0) return null;
  const found = lookUp();
  if (found !== null) return found;
  for (const [command, ...args] of [
    ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", NAME],
    ["adduser", "-S", "-D", "-H", "-s", "/sbin/nologin", NAME],
  ] as const) {
    spawnSync(command, args, { stdio: "ignore" });
    const created = lookUp();
    if (created !== null) return created;
  }
  throw new Error(
    `Postgres does not run as root, and the user "${NAME}" could not be created. ` +
      `Create it (useradd --system ${NAME}), or start Signalbox as an ordinary user.`,
  );
}

function lookUp(): OsUser | null {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith(`${NAME}:`));
  if (line === undefined) return null;
  const [, , uid, gid] = line.split(":");
  return { name: NAME, uid: Number(uid), gid: Number(gid) };
}
