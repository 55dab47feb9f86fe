import { sshServerProgram, startSshServer, type SshServer } from "@signalbox/testkit/ssh-server";
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { diskBlobs } from "../blob/disk/disk.ts";
import { keyOf } from "../blob/port.ts";
import { gitText } from "../forge/git/run.ts";
import { blobAnchor } from "./blob/blob.ts";
import { anchorConformance, checkpointAt, type AnchorUnderTest } from "./conformance.ts";
import { fileAnchor } from "./file/file.ts";
import { gitAnchor } from "./git/git.ts";
import { isSsh, type SshAccess } from "./git/ssh.ts";
import { type Anchor, anchoredLine, AnchorOccupied, placeName } from "./port.ts";
import { webhookAnchor } from "./webhook/webhook.ts";

let home: string;
const opened: Anchor[] = [];
const kept = (anchor: Anchor): Anchor => (opened.push(anchor), anchor);
beforeAll(async () => void (home = await mkdtemp(path.join(tmpdir(), "signalbox-anchor-"))));
afterAll(async () => {
  for (const one of opened) await one.close();
  await rm(home, { recursive: true, force: true });
});
const at = (name: string): string => path.join(home, name);
const filesBelow = async (directory: string): Promise<number> => {
  const found = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return found.filter((one) => one.isFile()).length;
};
/** Also root is kept out: a file stands where the directory was. */
const away = (directory: string) => ({
  async break() {
    await rename(directory, `${directory}.away`).catch(() => undefined);
    await writeFile(directory, "");
  },
  async mend() {
    await rm(directory);
    await rename(`${directory}.away`, directory).catch(() => mkdir(directory));
  },
});

describe("file", () => {
  let under: AnchorUnderTest;
  beforeAll(() => {
    const directory = at("files");
    const make = () => kept(fileAnchor(directory));
    const anchor = make();
    under = {
      anchor,
      again: make,
      effects: () => filesBelow(directory),
      async tamper({ organizationId, position, heads }, _, note) {
        const file = path.join(directory, `${placeName(organizationId, position)}.json`);
        await (note === null ? rm(file) : writeFile(file, anchoredLine({ note, heads })));
      },
      ...away(directory),
    };
  });
  anchorConformance(() => under);

  test("what lies under a checkpoint's name is never replaced", async () => {
    await under.anchor.leave(checkpointAt(70));
    await expect(under.anchor.leave({ ...checkpointAt(70), note: "another" })).rejects.toThrow(AnchorOccupied);
  });
});

describe("blob", () => {
  let under: AnchorUnderTest;
  beforeAll(() => {
    const directory = at("blobs");
    const make = () => kept(blobAnchor(diskBlobs(directory), "blobs"));
    under = {
      anchor: make(),
      again: make,
      effects: () => filesBelow(directory),
      async tamper({ organizationId, heads }, ref, note) {
        const file = path.join(directory, keyOf(organizationId, ref)!);
        await (note === null ? rm(file) : writeFile(file, anchoredLine({ note, heads })));
      },
      ...away(directory),
    };
  });
  anchorConformance(() => under);
});

describe("git", () => {
  let under: AnchorUnderTest;
  let remote: string;
  beforeAll(async () => {
    remote = at("remote.git");
    await gitText(["init", "--quiet", "--bare", remote]);
    let n = 0;
    const make = () => kept(gitAnchor({ remote, branch: "anchors", directory: at(`cache-${n++}`) }));
    const commits = async (): Promise<number> => Number(await gitText(["-C", remote, "rev-list", "--count", "anchors"]).catch(() => "0"));
    under = {
      anchor: make(),
      again: make,
      effects: commits,
      async tamper({ organizationId, position }, _, note) {
        const work = at(`work-${position}`);
        await gitText(["clone", "--quiet", "--branch", "anchors", remote, work]);
        const file = path.join(work, `checkpoints/${placeName(organizationId, position)}.note`);
        await (note === null ? rm(file) : writeFile(file, note));
        await gitText(["-C", work, "-c", "user.name=x", "-c", "user.email=x@y", "commit", "--quiet", "-am", "tamper"]);
        await gitText(["-C", work, "push", "--quiet"]);
      },
      ...away(remote),
    };
  });
  anchorConformance(() => under);

  test("what lies under a checkpoint's name is never replaced", async () => {
    await under.anchor.leave(checkpointAt(70));
    await expect(under.anchor.leave({ ...checkpointAt(70), note: "another" })).rejects.toThrow(AnchorOccupied);
  });

  test("a branch that refuses (a protected one) is said with git's own reason, and no credentials", async () => {
    await writeFile(path.join(remote, "hooks/pre-receive"), "#!/bin/sh\necho 'error: protected branch' >&2\nexit 1\n");
    await chmod(path.join(remote, "hooks/pre-receive"), 0o755);
    const error = await under.anchor.leave(checkpointAt(80)).catch((thrown: unknown) => thrown as Error);
    expect(String(error)).toMatch(/did not take it: .*(protected branch|pre-receive hook declined|rejected)/);
    await rm(path.join(remote, "hooks/pre-receive"));
  });
});

// What is said over it is git's, and shown above; here is who is let in, and whom we believe.
describe.skipIf(sshServerProgram() === null)("git over ssh (needs sshd)", { timeout: 180_000 }, () => {
  let server: SshServer;
  let remote: string;
  let url: string;
  const over = (access: Partial<SshAccess>, name: string) =>
    kept(gitAnchor({ remote: url, branch: "anchors", directory: at(name), ssh: { ...server, ...access } }));
  const commits = async (): Promise<string> => gitText(["-C", remote, "rev-list", "--count", "--all"]);
  beforeAll(async () => {
    await mkdir(at("ssh of the server"));
    server = await startSshServer(at("ssh of the server"));
    remote = at("ssh-remote.git");
    await gitText(["init", "--quiet", "--bare", remote]);
    url = `ssh://${server.authority}${remote}`;
  }, 60_000);
  afterAll(() => server?.stop());

  test("with the key that the host lets in, and the host's own key known, a checkpoint is left and read", async () => {
    const anchor = over({}, "ssh-cache");
    const one = checkpointAt(10);
    const ref = await anchor.leave(one);
    expect([await commits(), await anchor.read!({ ...one, ref })]).toEqual(["1", one.note]);
    expect(anchor.where).not.toContain("@");
  });

  test("a host that is not known, or has another key than is known, gets nothing and is never learned", async () => {
    const before = await commits();
    const known = await readFile(server.knownHostsFile, "utf8");
    const other = (await readFile(`${server.strangersKeyFile}.pub`, "utf8")).split(" ").slice(0, 2).join(" ");
    for (const [i, text] of ["", `${known.split(" ")[0]} ${other}\n`].entries()) {
      const knownHostsFile = at(`known hosts ${i}`);
      await writeFile(knownHostsFile, text);
      await expect(over({ knownHostsFile }, `ssh-unknown-${i}`).leave(checkpointAt(90))).rejects.toThrow("Host key verification failed");
      expect(await readFile(knownHostsFile, "utf8")).toBe(text);
    }
    expect(await commits()).toBe(before);
  });

  test("another's key, one that others may read, and none at all are each said as they are", async () => {
    const open = at("open key");
    await copyFile(server.keyFile, open);
    await chmod(open, 0o644);
    for (const [name, keyFile, said] of [
      ["stranger", server.strangersKeyFile, /Permission denied/],
      ["open", open, /UNPROTECTED PRIVATE KEY|Permission denied/],
      ["none", at("no such key"), /Permission denied/],
    ] as const)
      await expect(over({ keyFile }, `ssh-${name}`).leave(checkpointAt(91)), name).rejects.toThrow(said);
  });

  test("without a key git speaks no ssh", async () => {
    const anchor = kept(gitAnchor({ remote: url, branch: "anchors", directory: at("ssh-none") }));
    await expect(anchor.leave(checkpointAt(92))).rejects.toThrow("transport 'ssh' not allowed");
  });
});

test.each([
  ["ssh://git@git.example.com/log.git", true],
  ["ssh://git@git.example.com:2222/log.git", true],
  ["ssh://[2001:db8::1]:22/log.git", true],
  ["git@git.example.com:team/log.git", true],
  ["ssh://-oProxyCommand=id/x", false],
  ["ssh://git@-oProxyCommand=id/x", false],
  ["-oProxyCommand=id@host:x", false],
  ["git@-host:x", false],
  ["git@host:", false],
  ["ssh://host", false],
  ["https://git.example.com/log.git", false],
  ["/srv/log.git", false],
])("%j is ssh: %j", (remote, is) => expect(isSsh(remote)).toBe(is));

describe("webhook", () => {
  const secret = `whsec_${Buffer.alloc(32, "k").toString("base64")}`;
  const got = new Map<string, { body: string; times: number }>();
  let server: Server;
  let status = 204;
  let url: string;
  beforeAll(async () => {
    server = createServer((request, answer) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = Buffer.concat(chunks).toString();
        try {
          new Webhook(secret).verify(body, request.headers as Record<string, string>);
        } catch {
          return void answer.writeHead(401).end();
        }
        const id = String(request.headers["webhook-id"]);
        if (status < 300) got.set(id, { body, times: (got.get(id)?.times ?? 0) + 1 });
        answer.writeHead(status).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=secret`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));
  const lookup = ((_host: string, options: { all?: boolean }, callback: (...of: unknown[]) => void) =>
    options.all === true ? callback(null, [{ address: "127.0.0.1", family: 4 }]) : callback(null, "127.0.0.1", 4)) as never;
  const make = () => kept(webhookAnchor({ url, secret, lookup, now: Date.now }));
  let anchor: Anchor;
  beforeAll(() => void (anchor = make()));
  anchorConformance(() => ({
    anchor,
    again: make,
    effects: () => Promise.resolve(got.size),
    tamper: null,
    break: () => Promise.resolve(void (status = 503)),
    mend: () => Promise.resolve(void (status = 204)),
  }));

  test("a repeat has the same id and carries the note", async () => {
    await anchor.leave(checkpointAt(90));
    await anchor.leave(checkpointAt(90));
    const { body, times } = got.get("ckpt_ws_a_0000000090")!;
    expect(times).toBe(2);
    expect(JSON.parse(body)).toMatchObject({ specversion: "1.0", type: "checkpoint.signed", data: { note: checkpointAt(90).note } });
  });
});
