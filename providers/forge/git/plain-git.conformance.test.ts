import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { forgeConformance } from "../conformance.ts";
import { plainGit, pushOutcome } from "./plain-git.ts";
import { withoutCredentials } from "./run.ts";

forgeConformance("plain git over a local path", () => ({
  forge: plainGit(),
  serve: (directory) => Promise.resolve({ url: directory, close: () => Promise.resolve() }),
}));

forgeConformance("plain git over file://", () => ({
  forge: plainGit(),
  serve: (directory) => Promise.resolve({ url: pathToFileURL(directory).href, close: () => Promise.resolve() }),
}));

forgeConformance("plain git over http", () => ({ forge: plainGit(), serve: serveOverHttp }));

/** git's own server side, `git http-backend` (a CGI program), behind Node's HTTP server. */
async function serveOverHttp(directory: string): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const cgi = spawn("git", ["http-backend"], {
      env: {
        PATH: "/usr/bin:/bin",
        GIT_PROJECT_ROOT: dirname(directory),
        GIT_HTTP_EXPORT_ALL: "1",
        REMOTE_USER: "tester",
        REQUEST_METHOD: request.method ?? "GET",
        PATH_INFO: decodeURIComponent(url.pathname),
        QUERY_STRING: url.search.slice(1),
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
        GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
        GIT_CONFIG_COUNT: "1",
        GIT_CONFIG_KEY_0: "safe.directory",
        GIT_CONFIG_VALUE_0: "*",
      },
      stdio: ["pipe", "pipe", "ignore"],
    });
    request.pipe(cgi.stdin);
    const chunks: Buffer[] = [];
    cgi.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    cgi.on("close", () => {
      const answer = Buffer.concat(chunks);
      const end = answer.indexOf("\r\n\r\n");
      const headers = answer
        .toString("latin1", 0, end)
        .split("\r\n")
        .map((line) => line.split(": ") as [string, string]);
      const status = headers.find(([name]) => name.toLowerCase() === "status")?.[1];
      response.writeHead(
        status === undefined ? 200 : Number.parseInt(status, 10),
        Object.fromEntries(headers.filter(([name]) => name.toLowerCase() !== "status")),
      );
      response.end(answer.subarray(end + 4));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/${basename(directory)}`,
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}

test("a URL with a password is refused, and the refusal does not repeat it", async () => {
  const refusal = await plainGit().check({ url: "https://me:hunter2@example.com/x.git" });
  expect(refusal).toMatchObject({ ok: false, code: "source_not_allowed" });
  expect(JSON.stringify(refusal)).not.toContain("hunter2");
  expect(withoutCredentials("fatal: https://me:hunter2@example.com/x.git denied")).toBe("fatal: https://example.com/x.git denied");
});

test.each(["relative/path", "ext::sh -c id", "git@github.com:a/b.git", "ssh://host/x"])(
  "%s is refused with what would be right",
  async (url) => {
    const refusal = await plainGit().check({ url });
    expect(refusal).toMatchObject({ ok: false, code: "source_not_allowed" });
    expect(!refusal.ok && refusal.message).toContain("https://");
  },
);

test("a directory without a repository, and a path that is not there, are told apart from refusal", async () => {
  expect(await plainGit().check({ url: "/usr" })).toMatchObject({ ok: false, code: "source_not_found" });
  expect(await plainGit().check({ url: "/no/such/place" })).toMatchObject({ ok: false, code: "source_not_found" });
});

test.each([
  [0, "To x\n*\tabc:refs/heads/x\t[new branch]\nDone\n", "", { ok: true }],
  [1, "To x\n!\tabc:refs/heads/x\t[rejected] (stale info)\nDone\n", "", { ok: false, code: "stale" }],
  [1, "To x\n!\tabc:refs/heads/x\t[remote rejected] (pre-receive hook declined)\n", "", { ok: false, code: "rejected" }],
  [128, "", "fatal: Authentication failed for 'https://example.com/x.git/'", { ok: false, code: "auth_failed" }],
  [128, "", "fatal: the remote end hung up unexpectedly", { ok: false, code: "unknown" }],
] as const)("exit code %s with %j is read as it was meant", (exitCode, stdout, stderr, expected) => {
  expect(pushOutcome(exitCode, stdout, stderr)).toMatchObject(expected);
});
