import { expect, test } from "vitest";
import { startArguments, type Plan } from "./arguments.ts";

const PLAN: Plan = {
  id: "sbx_1",
  hostUid: 61501,
  hostname: "sandbox",
  etc: "/d/etc",
  daemon: "/d/sandboxd",
  pty: "/d/pty.node",
  node: "/d/node",
  tools: [{ source: "/d/opencode", target: "/opt/sbx/bin/opencode" }],
  controlDirectory: "/d/control",
  egressDirectory: "/d/egress",
  home: "/d/home",
  workspace: "/d/ws",
  env: { KEY: "value with 'quotes'" },
  limits: { pids: 100, fileBytes: 1000, dataBytes: null, tmpfsBytes: 4096 },
  rootEntries: [
    { name: "bin", link: "usr/bin" },
    { name: "lib", link: null },
  ],
  seccomp: true,
  cgroupFiles: ["/cg/memory/cgroup.procs", "/cg/pids/cgroup.procs"],
};

/** Every `--flag source target` triple. */
const mounts = (argv: string[], flag: string): [string, string][] =>
  argv.flatMap((word, i): [string, string][] => (word === flag ? [[argv[i + 1]!, argv[i + 2]!]] : []));

test("what is writable is home and workspace, and nothing else of the host", () => {
  expect(mounts(startArguments(PLAN), "--bind")).toEqual([
    ["/d/home", "/home/sbx"],
    ["/d/ws", "/workspace"],
  ]);
});

test("what is readable is exactly this", () => {
  expect(mounts(startArguments(PLAN), "--ro-bind").map(([source]) => source)).toEqual([
    "/usr",
    "/lib",
    "/d/etc",
    "/d/sandboxd",
    "/d/node",
    "/d/pty.node",
    "/d/opencode",
    "/d/control",
    "/d/egress",
  ]);
});

test("the cgroup is entered first, then the rights are dropped, then bubblewrap starts", () => {
  const argv = startArguments(PLAN);
  const order = [
    "/bin/sh",
    "/cg/pids/cgroup.procs",
    "/usr/bin/setpriv",
    "--bounding-set=-all",
    "/usr/bin/bwrap",
    "--unshare-net",
    "/usr/bin/prlimit",
    "/opt/sbx/sandboxd/main.cjs",
  ];
  expect(order.map((word) => argv.indexOf(word))).toEqual(order.map((word) => argv.indexOf(word)).toSorted((a, b) => a - b));
  expect(order.every((word) => argv.includes(word))).toBe(true);
});

test("without root there is no uid to change to, and without cgroups nothing to enter", () => {
  const argv = startArguments({ ...PLAN, hostUid: null, cgroupFiles: [], seccomp: false, limits: { ...PLAN.limits, dataBytes: 5000 } });
  expect(argv[0]).toBe("/usr/bin/bwrap");
  expect(argv).not.toContain("--seccomp");
  expect(argv).toContain("--data=5000");
});

test("the environment passes as one value, whatever is in it", () => {
  const argv = startArguments(PLAN);
  expect(JSON.parse(argv[argv.indexOf("SBX_ENVIRONMENT") + 1]!)).toEqual(PLAN.env);
});
