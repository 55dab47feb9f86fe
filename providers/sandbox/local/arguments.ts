/*
 * The bubblewrap command line, as a pure function of a plan: what is mounted is what is listed here.
 */
import { INSIDE } from "@signalbox/sandboxd/wire";

export type Mount = { source: string; target: string };

export type Plan = {
  id: string;
  /** Uid on the host; null when the server itself is not root and the sandbox runs as its user. */
  hostUid: number | null;
  hostname: string;
  etc: string;
  daemon: string;
  /** node-pty's addon, where there is one for this host. */
  pty: string | null;
  node: string;
  tools: Mount[];
  controlDirectory: string;
  egressDirectory: string;
  home: string;
  workspace: string;
  env: { [name: string]: string };
  limits: { pids: number; fileBytes: number; dataBytes: number | null; tmpfsBytes: number };
  /** `/bin`, `/lib` …: links into /usr on merged systems, directories of their own on older ones. */
  rootEntries: { name: string; link: string | null }[];
  /** Whether a filter is passed as `SECCOMP_FD`. */
  seccomp: boolean;
  /** Files of cgroups that the process enters before it gives up its rights. */
  cgroupFiles: string[];
};

const INSIDE_ID = "1000";
export const INFO_FD = 3;
export const SECCOMP_FD = 4;

/** argv of the program that starts the sandbox. It runs with an empty environment. */
export function startArguments(plan: Plan): string[] {
  return [
    ...enterCgroups(plan),
    ...dropRights(plan),
    ...bubblewrap(plan),
    "--",
    ...insideLimits(plan),
    `${INSIDE.tools}/node`,
    "--max-old-space-size=128",
    `${INSIDE.daemon}/main.cjs`,
  ];
}

/** The shell moves itself (0 is whoever writes), then becomes the next program: no moment in which the sandbox runs outside its cgroup. */
function enterCgroups(plan: Plan): string[] {
  if (plan.cgroupFiles.length === 0) return [];
  const script = `n=$1; shift; while [ "$n" -gt 0 ]; do echo 0 > "$1" || exit 97; shift; n=$((n-1)); done; exec "$@"`;
  return ["/bin/sh", "-c", script, "enter", String(plan.cgroupFiles.length), ...plan.cgroupFiles];
}

/**
 * As root, bubblewrap's own `--uid` leaves files and peer credentials as host uid 0 and keeps the bounding set
 * full: the rights are dropped before bubblewrap starts, so that it is an unprivileged user's bubblewrap.
 */
function dropRights(plan: Plan): string[] {
  if (plan.hostUid === null) return [];
  const uid = String(plan.hostUid);
  return [
    "/usr/bin/setpriv",
    `--reuid=${uid}`,
    `--regid=${uid}`,
    "--clear-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
    "--no-new-privs",
  ];
}

function bubblewrap(plan: Plan): string[] {
  const argv = [
    "/usr/bin/bwrap",
    "--unshare-user",
    "--uid",
    INSIDE_ID,
    "--gid",
    INSIDE_ID,
    "--unshare-pid",
    "--unshare-net",
    "--unshare-ipc",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--disable-userns",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--hostname",
    plan.hostname,
    "--info-fd",
    String(INFO_FD),
  ];
  if (plan.seccomp) argv.push("--seccomp", String(SECCOMP_FD));
  argv.push("--ro-bind", "/usr", "/usr");
  for (const entry of plan.rootEntries) {
    if (entry.link !== null) argv.push("--symlink", entry.link, `/${entry.name}`);
    else argv.push("--ro-bind", `/${entry.name}`, `/${entry.name}`);
  }
  const tmpfs = (target: string): string[] => ["--size", String(plan.limits.tmpfsBytes), "--tmpfs", target];
  argv.push(
    "--ro-bind",
    plan.etc,
    "/etc",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    ...tmpfs("/dev/shm"),
    ...tmpfs("/tmp"),
    ...tmpfs("/run"),
    ...tmpfs("/var"),
    "--dir",
    "/var/tmp",
    "--ro-bind",
    plan.daemon,
    INSIDE.daemon,
    "--ro-bind",
    plan.node,
    `${INSIDE.tools}/node`,
  );
  if (plan.pty !== null) argv.push("--ro-bind", plan.pty, INSIDE.pty);
  for (const tool of plan.tools) argv.push("--ro-bind", tool.source, tool.target);
  argv.push(
    "--ro-bind",
    plan.controlDirectory,
    parent(INSIDE.control),
    "--ro-bind",
    plan.egressDirectory,
    parent(INSIDE.egress),
    "--bind",
    plan.home,
    INSIDE.home,
    "--bind",
    plan.workspace,
    INSIDE.workspace,
    "--remount-ro",
    "/",
    "--chdir",
    INSIDE.workspace,
    "--clearenv",
  );
  // As one value, because sandboxd itself must not have it: NODE_USE_ENV_PROXY alone made Node start 25 ms later (measured).
  argv.push("--setenv", "SBX_ID", plan.id, "--setenv", "SBX_ENVIRONMENT", JSON.stringify(plan.env));
  return argv;
}

/**
 * Set inside, where the user namespace is the sandbox's own: there RLIMIT_NPROC counts this sandbox alone, also
 * when the server is not root and other things run under the same uid.
 */
function insideLimits(plan: Plan): string[] {
  const argv = ["/usr/bin/prlimit", "--core=0", `--nproc=${plan.limits.pids}`, `--fsize=${plan.limits.fileBytes}`];
  if (plan.limits.dataBytes !== null) argv.push(`--data=${plan.limits.dataBytes}`);
  return argv;
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
