#!/usr/bin/env node
/*
 * Sets the checkout up, then hands over to Node 24. Plain JavaScript for whatever Node ≥ 20 the
 * machine has; everything it starts runs under the Node that the lockfile pins.
 *
 *   node tools/bootstrap.mjs start|test|demo|check|bench [arguments]
 *
 * Does only what is missing: npm packages when the lockfile changed, as root on Debian the
 * programs that isolation needs, and the web app when its sources changed.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, "node_modules", ".bin");
const node = join(bin, "node");
const [command = "start", ...args] = process.argv.slice(2);

const PROGRAMS = {
  start: ["apps/server/src/main.ts"],
  demo: ["apps/cli/src/main.ts", "demo"],
  test: ["tools/test.ts"],
  check: ["tools/check.ts"],
  bench: ["tools/bench.ts"],
};

/** Answers that need no set-up beyond the packages. */
const asksForHelp = args.includes("--help") || args.includes("-h");

const program = PROGRAMS[command];
if (!program) fail(`unknown command "${command}"`, `it is one of ${Object.keys(PROGRAMS).join(", ")}`, "npm start");
if (Number(process.versions.node.split(".")[0]) < 20) {
  fail(
    `Node ${process.versions.node} is too old`,
    "the set-up needs Node 20 or later",
    "install a current Node.js from https://nodejs.org",
  );
}

installPackages();
if (!asksForHelp && command !== "check")
  installPrograms(
    command === "test"
      ? ["bwrap", "git", "chromium", "nats-server", "faketime", "sshd"]
      : command === "bench"
        ? ["bwrap", "git", "nats-server"]
        : ["bwrap", "git"],
  );
if (!asksForHelp && command !== "check" && command !== "bench") buildWeb();
handOver();

function installPackages() {
  const stamp = join(root, "node_modules", ".signalbox-lockfile");
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted && existsSync(node)) return;
  const running = runningServer();
  if (running) {
    fail(
      `the packages changed, but a server (process ${running}) runs from this checkout`,
      "replacing its packages under it would break it",
      `stop it (kill ${running}), then start again`,
    );
  }
  say("Installing npm packages (once, and again when the lockfile changes) …");
  // Install scripts of strangers stay off: the lockfile's integrity is all that is trusted.
  // Not `npm ci`: it refuses a lockfile that lacks an optional package of another platform, which the
  // registry need not have. `--no-save` installs what the lockfile pins and writes nothing.
  run("npm", ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], "npm install");
  if (!existsSync(node)) {
    fail(
      `no Node 24 for ${process.platform}-${process.arch}`,
      "its platform package is not in the lockfile",
      "use Linux on x64 or arm64 (on another system, in a virtual machine)",
    );
  }
  writeFileSync(stamp, wanted);
}

/** Debian package by program, where the name differs. */
function installPrograms(programs) {
  const debianPackage = { bwrap: "bubblewrap", sshd: "openssh-server" };
  const missing = programs.filter((name) => !onPath(name) && !(name === "chromium" && onPath("chromium-browser")));
  if (missing.length === 0) return;
  const packages = missing.map((name) => debianPackage[name] ?? name);
  const canInstall = process.platform === "linux" && process.getuid?.() === 0 && onPath("apt-get");
  // Without bubblewrap the server itself says what to do; only git and a browser cannot be done without.
  if (!canInstall) {
    say(`Missing: ${packages.join(", ")}. On Debian or Ubuntu: sudo apt-get install ${packages.join(" ")}`);
    return;
  }
  say(`Installing ${packages.join(", ")} with apt-get (agents are isolated with bubblewrap and work with git) …`);
  // Tests start what they need themselves: what a package brings as a service neither starts now (RUNLEVEL, invoke-rc.d) nor at boot.
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const install = () =>
    spawnSync("apt-get", ["install", "-y", "--no-install-recommends", "-qq", ...packages], {
      stdio: ["ignore", "ignore", "inherit"],
      env: environment,
    });
  // A fresh machine has no package lists yet; updating them takes seconds, so only when needed.
  if (install().status !== 0) {
    spawnSync("apt-get", ["update", "-qq"], { stdio: ["ignore", "ignore", "inherit"], env: environment });
    // Tests of split installations, and of git over ssh, skip themselves without these, and say so.
    const optional = ["nats-server", "faketime", "sshd"];
    if (install().status !== 0 && missing.every((name) => optional.includes(name)))
      say(`apt-get could not install ${packages.join(", ")}; the tests that need them are skipped.`);
    else if (missing.some((name) => !optional.includes(name) && !onPath(name) && !(name === "chromium" && onPath("chromium-browser"))))
      fail(`apt-get could not install ${packages.join(", ")}`, "its output is above", `apt-get install ${packages.join(" ")}`);
  }
  const services = { sshd: ["ssh.service", "ssh.socket"], "nats-server": ["nats-server.service"] };
  for (const unit of missing.flatMap((name) => services[name] ?? [])) spawnSync("systemctl", ["disable", unit], { stdio: "ignore" });
}

function buildWeb() {
  const stamp = join(root, "apps/web/dist/.sources");
  const wanted = sourcesHash([
    "apps/web",
    "packages/client/src",
    "packages/ui/src",
    "packages/contract/src",
    "packages/verify/src",
    "package-lock.json",
  ]);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  say("Building the web app (once, and again when its sources change) …");
  run(node, [join(root, "node_modules/vite/bin/vite.js"), "build", "--logLevel", "warn"], "the web build", join(root, "apps/web"));
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

function sourcesHash(paths) {
  const hash = createHash("sha256");
  const visit = (path) => {
    const status = statSync(join(root, path));
    if (!status.isDirectory()) {
      hash
        .update(path)
        .update("\0")
        .update(readFileSync(join(root, path)))
        .update("\0");
      return;
    }
    for (const name of readdirSync(join(root, path)).sort()) {
      if (name !== "node_modules" && name !== "dist" && name !== "e2e") visit(`${path}/${name}`);
    }
  };
  paths.forEach(visit);
  return hash.digest("hex");
}

/** The pid that serves from this checkout, by its own note under node_modules; null when none lives. */
function runningServer() {
  const note = join(root, "node_modules", ".signalbox-server");
  if (!existsSync(note)) return null;
  const pid = Number(readFileSync(note, "utf8"));
  try {
    process.kill(pid, 0);
  } catch {
    return null; // ESRCH: the note outlived its server.
  }
  const commandLine = `/proc/${pid}/cmdline`;
  if (existsSync(commandLine) && !readFileSync(commandLine, "utf8").includes(join("apps", "server"))) return null;
  return pid;
}

function handOver() {
  const child = spawn(node, [join(root, program[0]), ...program.slice(1), ...args], {
    stdio: "inherit",
    env: { ...process.env, PATH: bin + delimiter + process.env.PATH },
  });
  if (command === "start" && !asksForHelp) writeFileSync(join(root, "node_modules", ".signalbox-server"), String(child.pid));
  // Ctrl-C reaches the whole process group; a signal to us alone is passed on. Either way the
  // program decides when it is done, so that it can drain.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => signal !== "SIGINT" && child.kill(signal));
  child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
  child.on("error", (error) =>
    fail(`${node} did not start: ${error.message}`, "the packages may be damaged", "rm -r node_modules && npm start"),
  );
}

function run(file, parameters, what, cwd = root) {
  const result = spawnSync(file, parameters, {
    cwd,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PATH: bin + delimiter + process.env.PATH },
  });
  if (result.status !== 0)
    fail(`${what} failed`, result.error ? result.error.message : "its output is above", "mend what it names and run this again");
}

function onPath(name) {
  // Debian puts servers where an ordinary user's PATH does not lead.
  return [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin"].some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false; // Not here, or not executable: look further.
    }
  });
}

/** Progress goes to stderr: stdout is the program's. */
function say(text) {
  process.stderr.write(`${text}\n`);
}

function fail(what, why, fix) {
  process.stderr.write(`Signalbox could not be set up: ${what}.\n  Why: ${why}.\n  Fix: ${fix}\n`);
  process.exit(1);
}
