/*
 * What every sandbox provider must pass: that it works, that nothing gets out of it, that limits hold, and that it
 * survives the server. The attempts to escape are real ones, made from inside with whatever a Debian base has (perl
 * for raw system calls); each names what it tries and expects the refusal, so a hole shows as a failed test.
 */
import { randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get, type ClientRequestArgs } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Sandbox, SandboxEnd, SandboxLimits, SandboxProcess, SandboxProvider, SandboxSpec } from "./port.ts";

export type ConformanceSubject = {
  provider: SandboxProvider;
  /** A new provider over the same state, as the next server process has it. */
  restarted: () => SandboxProvider;
  /** Folders on this host in which the sandbox's own parts lie; they must be out of its reach. */
  hostFolders: string[];
  cleanup: () => Promise<void>;
};

const MIB = 1024 * 1024;
const LIMITS: SandboxLimits = { memoryBytes: 1024 * MIB, pids: 256, diskBytes: 256 * MIB, cpu: 2 };

export function sandboxConformance(name: string, start: () => Promise<ConformanceSubject>): void {
  describe(`sandbox provider ${name}`, () => {
    let subject: ConformanceSubject;
    let sandbox: Sandbox;
    let other: Sandbox;
    let made = 0;
    const spec = (limits: Partial<SandboxLimits> = {}, id = `sbx_${process.pid}_${made++}`): SandboxSpec => ({
      id,
      organizationId: "ws_test",
      limits: { ...LIMITS, ...limits },
      env: { FROM_SPEC: "yes" },
      tools: [],
    });

    async function withSandbox(limits: Partial<SandboxLimits>, use: (sandbox: Sandbox) => Promise<void>): Promise<void> {
      const own = await subject.provider.create(spec(limits));
      try {
        await use(own);
      } finally {
        await own.stop();
        await subject.provider.remove(own.id);
      }
    }

    const shell = (script: string, inside = sandbox): Promise<string> => sh(inside, script);

    beforeAll(async () => {
      subject = await start();
      expect(await subject.provider.check()).toEqual({ ok: true });
      [sandbox, other] = await Promise.all([subject.provider.create(spec()), subject.provider.create(spec())]);
    });

    afterAll(async () => {
      // By the provider's own list, so that a test that failed half-way leaves nothing behind either.
      for (const record of (await subject?.provider.list()) ?? []) await subject.provider.remove(record.id);
      await subject?.cleanup();
    });

    describe("terminals", () => {
      const SHELL = { argv: ["/bin/sh"], env: { PS1: "$ " }, pty: { cols: 100, rows: 30 } };
      const said = async (process: SandboxProcess, what: RegExp): Promise<string> => {
        let all = "";
        for await (const chunk of process.stdout.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
          all += String(chunk);
          if (what.test(all)) return all;
        }
        throw new Error(`it ended without saying ${what}: ${all}`);
      };

      test("a shell has a real terminal: it echoes, knows its size, and learns of a new one", async () => {
        const terminal = await sandbox.spawn(SHELL);
        expect(terminal.size).toEqual({ cols: 100, rows: 30 });
        terminal.stdin.write("tty; stty size; id -u; pwd\n");
        expect(await said(terminal, /30 100\r\n1000\r\n\/workspace\r\n/)).toMatch(/stty size[\s\S]*\/dev\/pts\/\d/);
        terminal.stdin.write("trap 'echo resized; stty size' WINCH; echo ready-$((1+1))\n");
        await said(terminal, /ready-2/);
        terminal.resize(132, 43);
        terminal.stdin.write("\n");
        await said(terminal, /resized\r\n43 132/);
        terminal.kill("SIGKILL");
        expect(await terminal.exited).toMatchObject({ code: null, signal: "SIGKILL" });
      });

      test("it ends with the shell's own exit code, or by a hang-up", async () => {
        const asked = await sandbox.spawn(SHELL);
        asked.stdin.write("exit 7\n");
        asked.stdout.resume();
        expect(await asked.exited).toMatchObject({ code: 7, signal: null });
        const hung = await sandbox.spawn(SHELL);
        hung.stdout.resume();
        hung.kill("SIGHUP");
        expect(await hung.exited).toMatchObject({ code: null, signal: "SIGHUP" });
      });

      test("control characters are the terminal's: ctrl-c interrupts what runs in it", async () => {
        const terminal = await sandbox.spawn(SHELL);
        terminal.stdin.write("sleep 300\n");
        await said(terminal, /sleep 300/);
        await new Promise((resolve) => setTimeout(resolve, 200));
        terminal.stdin.write("\u0003");
        terminal.stdin.write("echo still-$((40+2))\n");
        await said(terminal, /still-42/);
        terminal.kill("SIGKILL");
      });

      test("a flood that nobody reads waits inside, and goes on where it stopped", async () => {
        const terminal = await sandbox.spawn({ argv: ["/bin/sh", "-c", "seq 1 400000; echo end"], pty: { cols: 80, rows: 24 } });
        await new Promise((resolve) => setTimeout(resolve, 500));
        expect(await Promise.race([terminal.exited, new Promise((resolve) => setTimeout(resolve, 50, "waiting"))])).toBe("waiting");
        const all = String(await bytesOf(terminal.stdout)).split("\r\n");
        expect([all.length, all[399_999], all[400_000]]).toEqual([400_002, "400000", "end"]);
      });

      test("what is typed and not read waits, and nothing else waits with it", async () => {
        const terminal = await sandbox.spawn({
          argv: ["/bin/sh", "-c", "stty raw -echo; echo deaf; sleep 2; wc -c"],
          pty: { cols: 80, rows: 24 },
        });
        await said(terminal, /deaf/);
        for (let i = 0; i < 10; i++) terminal.stdin.write(Buffer.alloc(100_000, "x"));
        const started = performance.now();
        for (let i = 0; i < 10; i++) expect(await shell("echo quick")).toBe("quick");
        expect(performance.now() - started).toBeLessThan(1500);
        terminal.stdin.end(Buffer.alloc(0));
        terminal.kill("SIGKILL");
        await terminal.exited;
      });

      test("it is attached anew with what it showed before", async () => {
        const first = await sandbox.spawn({ ...SHELL, id: "trm_again" });
        first.stdin.write("echo before-$((1+1))\n");
        await said(first, /before-2/);
        first.resize(90, 20);
        first.detach();
        const again = await sandbox.attach("trm_again", { stdoutFrom: 0 });
        expect([again.size, again.stdoutFrom]).toEqual([{ cols: 90, rows: 20 }, 0]);
        again.stdin.write("echo after-$((1+1))\n");
        expect(await said(again, /after-2/)).toContain("before-2");
        again.kill("SIGKILL");
      });
    });

    describe("looking in", () => {
      const at = (path: string | Buffer) => ({ root: "/workspace", path: Buffer.from(path as string) });
      const named = async (path: string | Buffer, limit = 2000): Promise<string[]> =>
        (await sandbox.list(at(path), limit)).entries.map(({ name, type }) => `${name.toString("utf8")} ${type}`);

      test("directories come first, in natural order, with what each is", async () => {
        await shell("mkdir -p look/b look/a && cd look && echo hi > f10 && echo hello > f9 && ln -s f9 link && mkfifo pipe");
        expect(await named("look")).toEqual(["a directory", "b directory", "f9 file", "f10 file", "link symlink", "pipe other"]);
        const { entries } = await sandbox.list(at("look"), 2000);
        expect(entries.find(({ name }) => String(name) === "f9")).toMatchObject({ sizeBytes: 6 });
      });

      test("names are bytes, whatever they are", async () => {
        await shell(
          `mkdir names && cd names && touch "$(printf 'a\\nb')" "$(printf 'q\\"x')" "$(printf 'bad\\377utf8')" "$(printf 'rtl\\342\\200\\256')"`,
        );
        const { entries } = await sandbox.list(at("names"), 2000);
        expect(entries.map(({ name }) => name.toString("latin1")).toSorted()).toEqual(
          ["a\nb", 'q"x', "bad\xffutf8", "rtl\xe2\x80\xae"].toSorted(),
        );
        const bad = Buffer.from("names/bad\xffutf8", "latin1");
        expect(await sandbox.open({ root: "/workspace", path: bad }, 10)).toMatchObject({ sizeBytes: 0 });
      });

      test("a directory of thousands is cut where asked, and says so", async () => {
        await shell("mkdir many && cd many && seq -f 'f%g' 1 3000 | xargs touch");
        const listed = await sandbox.list(at("many"), 2000);
        expect([listed.entries.length, listed.truncated, String(listed.entries[1999]!.name)]).toEqual([2000, true, "f2000"]);
      });

      test.each([
        ["../etc", "outside"],
        ["out", "outside"],
        ["deep/../../etc", "outside"],
        ["into/hostname", "outside"],
        ["proc/root/etc", "outside"],
        ["nowhere", "ENOENT"],
        ["loop", "ELOOP"],
        ["plain/x", "ENOTDIR"],
      ])("%s leads nowhere: %s", async (path, code) => {
        await shell("mkdir -p deep; ln -sfn /etc out; ln -sfn /etc into; ln -sfn /proc/self proc; ln -sfn loop loop; echo x > plain");
        await expect(sandbox.list(at(path), 10)).rejects.toMatchObject({ code });
        await expect(sandbox.open(at(path), 10)).rejects.toMatchObject({ code });
      });

      test("a link that stays inside is followed; a FIFO, a directory and a secret of its owner's are not read", async () => {
        await shell("mkdir -p there; echo inside > there/f; ln -sfn there here; mkfifo never; echo s > secret; chmod 000 secret");
        expect(String((await sandbox.open(at("here/f"), 100)).content)).toBe("inside\n");
        for (const path of ["never", "there"]) await expect(sandbox.open(at(path), 10)).rejects.toMatchObject({ code: "not_a_file" });
        await expect(sandbox.open(at("secret"), 10)).rejects.toMatchObject({ code: "EACCES" });
      });

      test("a file of 5 MB is read as far as asked", async () => {
        await shell("head -c 5000000 /dev/zero | tr '\\0' x > big");
        const big = await sandbox.open(at("big"), 2 * MIB);
        expect([big.sizeBytes, big.content.length, big.content.every((byte) => byte === 120)]).toEqual([5_000_000, 2 * MIB, true]);
      });

      test("what listens inside is named, on either loopback and on all addresses, and each is reached", async () => {
        const serve = (port: number, host: string) =>
          sandbox.spawn({
            argv: ["/bin/sh", "-c", `node -e "require('net').createServer(s=>s.end('${port}')).listen(${port},'${host}')"; true`],
          });
        const servers = await Promise.all([serve(8301, "127.0.0.1"), serve(8302, "::1"), serve(8303, "0.0.0.0")]);
        await expect.poll(async () => (await sandbox.ports()).map(({ port }) => port)).toEqual([8301, 8302, 8303]);
        expect(await sandbox.ports()).toEqual([
          { port: 8301, loopback: true, process: "node", spawned: null },
          { port: 8302, loopback: true, process: "node", spawned: null },
          { port: 8303, loopback: false, process: "node", spawned: null },
        ]);
        for (const port of [8301, 8302, 8303]) expect(String(await once(await sandbox.connect(port)))).toBe(String(port));
        await expect(sandbox.connect(8304)).rejects.toMatchObject({ code: "ECONNREFUSED" });
        for (const server of servers) server.kill("SIGKILL");
      });
    });

    describe("work inside", () => {
      test("a command's output, errors and exit code come back", async () => {
        const result = await sandbox.exec({ argv: ["/bin/sh", "-c", "echo out; echo err >&2; exit 3"], timeoutMs: 5000 });
        expect(result).toMatchObject({ exitCode: 3, signal: null, timedOut: false, truncated: false });
        expect([String(result.stdout), String(result.stderr)]).toEqual(["out\n", "err\n"]);
      });

      test("bytes that are not UTF-8 pass unchanged, in and out", async () => {
        const bytes = randomBytes(100_000);
        const result = await sandbox.exec({ argv: ["cat"], stdin: bytes, timeoutMs: 5000 });
        expect(result.stdout.equals(bytes)).toBe(true);
      });

      test("a tool that prints 200 MB is cut where asked, runs to its end, and is not held in memory", async () => {
        const before = process.memoryUsage().rss;
        const result = await sandbox.exec({ argv: ["head", "-c", "200000000", "/dev/zero"], timeoutMs: 30_000, maxOutputBytes: 1000 });
        expect(result).toMatchObject({ exitCode: 0, truncated: true });
        expect(result.stdout.length).toBe(1000);
        // The collector lets some tens of MB pile up before it runs; what is held is a window.
        expect(process.memoryUsage().rss - before).toBeLessThan(100 * MIB);
      });

      test("a reader that is slow makes the tool wait, and gets every byte", async () => {
        const tool = await sandbox.spawn({ argv: ["/bin/sh", "-c", "head -c 8000000 /dev/zero; echo end"] });
        await new Promise((resolve) => setTimeout(resolve, 200));
        expect(await Promise.race([tool.exited, new Promise((resolve) => setTimeout(resolve, 50, "waiting"))])).toBe("waiting");
        expect((await bytesOf(tool.stdout)).length).toBe(8_000_004);
        expect(await tool.exited).toMatchObject({ code: 0 });
      });

      test("a command over its time is killed with all it started", async () => {
        const marker = mark();
        const result = await sandbox.exec({ argv: ["/bin/sh", "-c", `sleep ${marker} & sleep ${marker}`], timeoutMs: 300 });
        expect(result).toMatchObject({ timedOut: true, signal: "SIGKILL" });
        await expect.poll(() => hostProcessesWith(marker)).toBe(0);
      });

      test("a background child that keeps the pipes does not keep the command", async () => {
        const started = performance.now();
        expect(await shell("sleep 30 & echo done")).toBe("done");
        expect(performance.now() - started).toBeLessThan(5000);
      });

      test("a program that does not exist is an error with a code", async () => {
        await expect(sandbox.exec({ argv: ["/no/such"], timeoutMs: 5000 })).rejects.toMatchObject({ code: "ENOENT" });
      });

      test("the environment is the spec's and the command's, with nothing of the server's", async () => {
        process.env["SECRET_OF_THE_SERVER"] = "hidden";
        const result = await sandbox.exec({ argv: ["env"], env: { MINE: "1" }, timeoutMs: 5000 });
        delete process.env["SECRET_OF_THE_SERVER"];
        const env = String(result.stdout);
        expect(env).toContain("FROM_SPEC=yes");
        expect(env).toContain("MINE=1");
        expect(env).toContain("HTTPS_PROXY=http://127.0.0.1:3128");
        expect(env).not.toContain("SECRET_OF_THE_SERVER");
      });

      test("a process is talked to over its stdin and ends by a signal", async () => {
        const cat = await sandbox.spawn({ argv: ["cat"] });
        cat.stdin.write("hello\n");
        expect(String(await once(cat.stdout))).toBe("hello\n");
        cat.kill("SIGTERM");
        expect(await cat.exited).toMatchObject({ code: null, signal: "SIGTERM" });
      });

      test("HTTP to a port inside works through connect", async () => {
        const server = await sandbox.spawn({
          argv: [
            "node",
            "-e",
            "require('http').createServer((q,r)=>{let n=0;q.on('data',d=>n+=d.length).on('end',()=>r.end(q.url+' '+n))}).listen(8123,'127.0.0.1',()=>console.log('up'))",
          ],
        });
        await once(server.stdout);
        const answers = await Promise.all([1, 2, 3].map((n) => httpGet(sandbox, 8123, `/${n}`)));
        expect(answers).toEqual(["/1 0", "/2 0", "/3 0"]);
        server.kill("SIGKILL");
        await server.exited;
        await expect(sandbox.connect(8123)).rejects.toMatchObject({ code: "ECONNREFUSED" });
      });

      test("files go in and come out, with a bound on their size", async () => {
        const bytes = randomBytes(2 * MIB);
        await sandbox.writeFile("/workspace/deep/file.bin", bytes, 0o600);
        expect((await sandbox.readFile("/workspace/deep/file.bin")).equals(bytes)).toBe(true);
        expect(await shell("stat -c '%a %U' deep/file.bin")).toBe("600 sbx");
        await expect(sandbox.readFile("/workspace/deep/file.bin", 1000)).rejects.toMatchObject({ code: "too_large" });
        await expect(sandbox.readFile("/workspace/none")).rejects.toMatchObject({ code: "ENOENT" });
        await expect(sandbox.writeFile("/usr/x", "no")).rejects.toMatchObject({ code: expect.stringMatching(/^E(ROFS|ACCES)$/) as string });
      });

      test("a tree goes from one sandbox to another as a tar", async () => {
        await shell("mkdir -p tree/sub && echo one > tree/a && echo two > tree/sub/b && ln -s a tree/link");
        await other.tarIn("/workspace/copy", await sandbox.tarOut("/workspace/tree"));
        expect(await shell("cat copy/a copy/sub/b && readlink copy/link", other)).toBe("one\ntwo\na");
      });

      test("a tar of what is not there fails instead of being empty", async () => {
        await expect(bytesOf(await sandbox.tarOut("/workspace/none"))).rejects.toMatchObject({ code: "tar_failed" });
      });

      test("usage says what it uses", async () => {
        await shell("head -c 5000000 /dev/urandom > used");
        const usage = await sandbox.usage();
        expect(usage.diskBytes).toBeGreaterThan(5_000_000);
        expect(usage.memoryBytes).toBeGreaterThan(1_000_000);
        expect(usage.pids).toBeGreaterThan(1);
      });
    });

    describe("no way out", () => {
      test("inside is an ordinary user without any capability, who can gain none", async () => {
        expect(await shell("id -u")).not.toBe("0");
        const status = await shell("cat /proc/self/status");
        for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
          expect(status).toMatch(new RegExp(`${set}:\\s+0000000000000000`));
        expect(status).toMatch(/NoNewPrivs:\s+1/);
      });

      test("the host's files are not there", async () => {
        const secret = join(mkdtempSync(join(tmpdir(), "host-secret-")), "secret");
        writeFileSync(secret, "the host's secret", { mode: 0o644 });
        const paths = [
          secret,
          "/etc/shadow",
          "/root",
          "/root/.ssh",
          "/var/run/docker.sock",
          "/run/docker.sock",
          "/sys/kernel",
          "/proc/kcore",
          "/dev/mem",
          "/dev/vda",
          "/dev/sda",
          ...subject.hostFolders,
        ];
        for (const path of paths)
          expect(`${path}: ${await shell(`cat ${path} 2>&1 || ls ${path} 2>&1 || true`)}`).toMatch(/No such file|Permission denied/);
        for (const root of ["/proc/1/root", "/proc/self/root", "/proc/2/cwd/../.."]) {
          expect(await shell(`cat ${root}${secret} 2>&1 || true`)).toMatch(/No such file|Permission denied/);
        }
        rmSync(join(secret, ".."), { recursive: true });
      });

      test("nothing but home, workspace and temporary folders can be written", async () => {
        for (const path of [
          "/usr/x",
          "/etc/x",
          "/x",
          "/opt/sbx/bin/x",
          "/run/sbx/control/x",
          "/run/sbx/egress/x",
          "/proc/sys/kernel/hostname",
        ]) {
          expect(`${path}: ${await shell(`(echo 1 > ${path}) 2>&1 && echo written || true`)}`).not.toMatch(/written/);
        }
        expect(await shell("for d in /workspace /home/sbx /tmp; do echo 1 > $d/x && rm $d/x; done; echo ok")).toBe("ok");
      });

      test("the sockets to the host cannot be replaced by something else", async () => {
        const tried = await shell(
          "cd /run/sbx && for d in control egress; do mv $d/$d.sock $d/old 2>&1; rm -f $d/$d.sock 2>&1; ln -s /etc $d/link 2>&1; mv $d moved 2>&1; done; ",
        );
        expect(tried.match(/Read-only file system|Permission denied|Device or resource busy/g)?.length).toBeGreaterThanOrEqual(5);
        expect(await shell("cd /run/sbx && ls control egress | grep -v :")).toBe("control.sock");
        expect(await shell("echo still here")).toBe("still here");
      });

      test("whoever imitates sandboxd does not push it aside", async () => {
        await shell(
          `node -e "const s=require('net').connect('/run/sbx/control/control.sock');s.on('close',()=>process.exit());s.on('error',()=>process.exit());s.write(Buffer.from('ffffffff00','hex'));setTimeout(()=>process.exit(),500)"`,
        );
        expect(await shell("echo still here")).toBe("still here");
      });

      test("processes of the host and of other sandboxes cannot be seen or signalled", async () => {
        const marker = mark();
        const foreign = await other.spawn({ argv: ["sleep", marker] });
        const seen = await shell("cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
        expect(seen).toContain("sandboxd");
        expect(seen).not.toContain(marker);
        expect(seen).not.toContain("vitest");
        // In one of its own, because with everything that can be signalled its own sandboxd goes too.
        await withSandbox({}, async (killer) => {
          await sh(killer, `for p in ${process.pid} ${foreign.pid}; do kill -9 $p 2>/dev/null; done; kill -9 -1`).catch(() => undefined);
        });
        expect(hostProcessesWith(marker)).toBe(1);
        foreign.kill("SIGKILL");
      });

      test("another sandbox's files and sockets cannot be reached", async () => {
        await shell("echo private > /workspace/private; echo private > /tmp/private; echo private > /home/sbx/private", other);
        for (const path of ["/workspace/private", "/tmp/private", "/home/sbx/private"]) {
          expect(await shell(`cat ${path} 2>&1 || true`)).toMatch(/No such file/);
        }
        const server = await other.spawn({
          argv: [
            "node",
            "-e",
            "const n=require('net');n.createServer(s=>s.end('leak')).listen(8200,'0.0.0.0',()=>n.createServer(s=>s.end('leak')).listen('\\0sbx-abstract',()=>console.log('up')))",
          ],
        });
        await once(server.stdout);
        expect(await shell(dial("{host:'127.0.0.1',port:8200}"))).toBe("ECONNREFUSED");
        expect(await shell(dial("{path:'\\0sbx-abstract'}"))).toBe("ECONNREFUSED");
        server.kill("SIGKILL");
      });

      test("the host's loopback, its addresses and its abstract sockets do not answer", async () => {
        const host = createServer((socket) => socket.end("leak"));
        await new Promise<void>((resolve) => host.listen(0, "0.0.0.0", resolve));
        const { port } = host.address() as AddressInfo;
        const abstract = createServer((socket) => socket.end("leak"));
        const name = `sbx-host-${process.pid}`;
        await new Promise<void>((resolve) => abstract.listen(`\0${name}`, resolve));
        const addresses = Object.values(networkInterfaces())
          .flat()
          .filter((one) => one !== undefined && one.family === "IPv4")
          .map((one) => one.address);
        for (const address of new Set(["127.0.0.1", "127.0.1.1", "10.0.2.2", ...addresses])) {
          expect(`${address} ${await shell(dial(`{host:'${address}',port:${port}}`))}`).toMatch(/ECONNREFUSED|ENETUNREACH|EHOSTUNREACH/);
        }
        expect(await shell(dial(`{path:'\\0${name}'}`))).toBe("ECONNREFUSED");
        host.close();
        abstract.close();
      });

      test.each(["169.254.169.254", "169.254.170.2", "168.63.129.16", "1.1.1.1", "fd00:ec2::254"])(
        "%s cannot be reached",
        async (address) => {
          expect(await shell(dial(`{host:'${address}',port:80}`))).toMatch(/ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL/);
        },
      );

      test("no name is resolved and no datagram leaves", async () => {
        expect(await shell(`node -e "require('dns').lookup('example.com',e=>console.log(e.code))"`)).toMatch(/EAI_AGAIN|ENOTFOUND/);
        expect(
          await shell(
            `node -e "const s=require('dgram').createSocket('udp4');s.on('error',e=>{console.log(e.code);process.exit()});s.send('x',53,'8.8.8.8',e=>{console.log(e?e.code:'sent');process.exit()})"`,
          ),
        ).toMatch(/ENETUNREACH|EHOSTUNREACH|EPERM/);
      });

      test.each([
        ["a raw socket", "socket(S, 2, 3, 1)"],
        ["a packet socket", "socket(S, 17, 3, 768)"],
        ["a vsock to the hypervisor", "socket(S, 40, 1, 0)"],
        ["a kernel crypto socket", "socket(S, 38, 5, 0)"],
        ["a mount", `do { my @a = ("none", "/tmp", "tmpfs"); syscall(${nr({ x64: 165, arm64: 40 })}, $a[0], $a[1], $a[2], 0, 0) == 0 }`],
        ["a user namespace", `syscall(${nr({ x64: 272, arm64: 97 })}, 0x10000000) == 0`],
        ["a network namespace", `syscall(${nr({ x64: 272, arm64: 97 })}, 0x40000000) == 0`],
        ["a cloned namespace", `syscall(${nr({ x64: 56, arm64: 220 })}, 0x10000011, 0, 0, 0, 0) > 0`],
        ["io_uring", "syscall(425, 8, 0) >= 0"],
        ["bpf", `syscall(${nr({ x64: 321, arm64: 280 })}, 0, 0, 0) >= 0`],
        ["the kernel keyring", `syscall(${nr({ x64: 250, arm64: 219 })}, 0, -3, 1) > 0`],
        ["the kernel log", `syscall(${nr({ x64: 103, arm64: 116 })}, 3, 0, 0) >= 0`],
        ["a device node", `do { my $a = "/tmp/dev"; syscall(${nr({ x64: 259, arm64: 33 })}, -100, $a, 0x6180, 0xfe00) == 0 }`],
        ["another root", `do { my $a = "/tmp"; syscall(${nr({ x64: 161, arm64: 51 })}, $a) == 0 }`],
        ["root's uid", `syscall(${nr({ x64: 105, arm64: 146 })}, 0) == 0`],
        ["the clock", `do { my $a = pack("qq", 1, 0); syscall(${nr({ x64: 227, arm64: 112 })}, 0, $a) == 0 }`],
      ])("%s is refused", async (_what, attempt) => {
        expect(await shell(`perl -e '$! = 0; print((${attempt}) ? "open" : "refused: $!")'`)).toMatch(
          /^refused: (Operation not permitted|Function not implemented|Address family not supported|Invalid argument|Permission denied|No space left on device)/,
        );
      });

      test("ptrace reaches only what is inside", async () => {
        const attach = (pid: number): string =>
          `perl -e 'print syscall(${nr({ x64: 101, arm64: 117 })}, 16, ${pid}, 0, 0) == 0 ? "attached" : "refused: $!"'`;
        expect(await shell(attach(process.pid))).toMatch(/^refused/);
        expect(await shell(`ls -l /proc/1/ns/ 2>&1; ls /proc/1/fd 2>&1 || true`)).not.toContain("attached");
      });

      test("set-uid programs give nothing", async () => {
        const found = await shell("find /usr -xdev -perm -4000 -type f 2>/dev/null | head -20");
        for (const program of found.split("\n").filter((path) => /\/(su|sudo|mount|newgrp|pkexec|passwd)$/.test(path))) {
          expect(`${program}: ${await shell(`timeout 0.5 ${program} root -c 'id -u' </dev/null 2>&1 || true`)}`).not.toMatch(/: 0$/m);
        }
      });

      test("the way out says so when no server answers", async () => {
        expect(
          await shell(
            `node -e "require('http').get({host:'127.0.0.1',port:3128,path:'http://example.com/'},r=>console.log(r.statusCode))"`,
          ),
        ).toBe("503");
      });

      test("links in the workspace lead a reader from the host nowhere", async () => {
        const secret = join(mkdtempSync(join(tmpdir(), "host-secret-")), "secret");
        writeFileSync(secret, "the host's secret", { mode: 0o644 });
        await shell(`ln -sfn ${secret} /workspace/link; ln -sfn / /workspace/root; ln -sfn ${join(secret, "..")} /workspace/folder`);
        await expect(sandbox.readFile("/workspace/link")).rejects.toMatchObject({ code: "ENOENT" });
        await expect(sandbox.readFile(`/workspace/root${secret}`)).rejects.toMatchObject({ code: "ENOENT" });
        await expect(sandbox.writeFile("/workspace/link", "overwritten")).rejects.toMatchObject({ code: "ENOENT" });
        expect(readFileSync(secret, "utf8")).toBe("the host's secret");
        const usage = await sandbox.usage();
        expect(usage.diskBytes).toBeLessThan(LIMITS.diskBytes);
        rmSync(join(secret, ".."), { recursive: true });
      });
    });

    describe("limits", () => {
      test("a fork bomb stays inside its limit, and the host answers meanwhile", async () => {
        await withSandbox({ pids: 100, cpu: 0.5 }, async (bombed) => {
          await bombed.spawn({ argv: ["/bin/bash", "-c", ":(){ :|:& };:"] });
          const seen: number[] = [];
          let slowestMs = 0;
          for (const end = Date.now() + 1500; Date.now() < end;) {
            seen.push((await bombed.usage()).pids);
            const started = performance.now();
            execFileSync("/bin/true");
            slowestMs = Math.max(slowestMs, performance.now() - started);
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
          expect(Math.max(...seen)).toBeLessThanOrEqual(100);
          // It did go off: at rest there are some twenty threads.
          expect(Math.max(...seen)).toBeGreaterThan(35);
          expect(slowestMs).toBeLessThan(1000);
        });
      });

      test("a memory bomb is killed, counted, and the sandbox goes on", async () => {
        await withSandbox({ memoryBytes: 256 * MIB }, async (bombed) => {
          const result = await bombed.exec({ argv: ["perl", "-e", 'my @a; push @a, "x" x 1000000 while 1'], timeoutMs: 20_000 });
          expect(result.exitCode).not.toBe(0);
          expect(result.timedOut).toBe(false);
          expect(bombed.alive()).toBe(true);
          expect(await sh(bombed, "echo still here")).toBe("still here");
          expect((await bombed.usage()).memoryBytes).toBeLessThanOrEqual(256 * MIB);
        });
      });

      test("what fills /tmp is counted as memory and bounded", async () => {
        await withSandbox({ memoryBytes: 256 * MIB }, async (bombed) => {
          const result = await bombed.exec({ argv: ["/bin/sh", "-c", "head -c 1000000000 /dev/zero > /tmp/fill"], timeoutMs: 20_000 });
          expect(result.exitCode).not.toBe(0);
          expect(await sh(bombed, "rm -f /tmp/fill; echo still here")).toBe("still here");
        });
      });

      test("a sandbox that fills the disk is ended with that reason", async () => {
        await withSandbox({ diskBytes: 30 * MIB }, async (filler) => {
          const end = new Promise<SandboxEnd>((resolve) => filler.onEnd(resolve));
          const huge = await filler
            .exec({ argv: ["/bin/sh", "-c", "head -c 100000000 /dev/zero > huge"], timeoutMs: 10_000 })
            .catch(() => null);
          if (huge) expect(huge.exitCode).not.toBe(0);
          await filler
            .exec({
              argv: [
                "/bin/sh",
                "-c",
                "rm -f huge; mkdir -p ~/hidden; for i in 1 2 3 4 5; do head -c 10000000 /dev/zero > ~/hidden/$i; done; chmod 000 ~/hidden; sleep 20",
              ],
              timeoutMs: 20_000,
            })
            .catch(() => null);
          expect(await end).toMatchObject({ reason: "disk_quota", limitBytes: 30 * MIB });
          expect(filler.alive()).toBe(false);
        });
      });

      test.each([
        [
          "files that it deleted and holds open",
          'for my $i (1..5) { open(my $f, ">", "/workspace/gone$i"); unlink "/workspace/gone$i"; print $f "x" x 10_000_000; $f->flush; push @held, $f } sleep 20',
        ],
        ["empty files", 'use IO::File; for my $i (1..9_000) { open(my $f, ">", "/workspace/empty$i") } sleep 20'],
      ])("%s count towards the quota too", async (_what, script) => {
        await withSandbox({ diskBytes: 30 * MIB }, async (filler) => {
          const end = new Promise<SandboxEnd>((resolve) => filler.onEnd(resolve));
          await filler.exec({ argv: ["perl", "-MIO::Handle", "-e", script], timeoutMs: 20_000 }).catch(() => null);
          expect(await end).toMatchObject({ reason: "disk_quota" });
        });
      });
    });

    describe("lifetime", () => {
      test("after stop nothing is alive, daemons that left their session included", async () => {
        const marker = mark();
        const own = await subject.provider.create(spec());
        await sh(
          own,
          `setsid sleep ${marker} >/dev/null 2>&1 & (setsid sh -c 'trap "" TERM HUP INT; sleep ${marker}; sleep ${marker}' >/dev/null 2>&1 &); nohup sleep ${marker} >/dev/null 2>&1 & sleep 0.2`,
        );
        expect(hostProcessesWith(marker)).toBeGreaterThanOrEqual(2);
        await own.stop();
        expect(hostProcessesWith(marker)).toBe(0);
        expect(own.alive()).toBe(false);
        await own.stop();
        await expect(own.exec({ argv: ["true"], timeoutMs: 1000 })).rejects.toMatchObject({ code: "link_lost" });
        await subject.provider.remove(own.id);
      });

      test("files outlive a stop and are back under the same id, until they are removed", async () => {
        const id = `sbx_${process.pid}_again`;
        const first = await subject.provider.create(spec({}, id));
        await sh(first, "echo kept > /workspace/kept; echo kept > ~/kept; echo lost > /tmp/lost");
        await first.stop();
        const second = await subject.provider.create(spec({}, id));
        expect(await sh(second, "cat /workspace/kept ~/kept; ls /tmp; echo more >> /workspace/kept && echo writable")).toBe(
          "kept\nkept\nwritable",
        );
        await second.stop();
        await subject.provider.remove(id);
        await subject.provider.remove(id);
        const third = await subject.provider.create(spec({}, id));
        expect(await sh(third, "ls -A /workspace")).toBe("");
        await third.stop();
        await subject.provider.remove(id);
      });

      test("removing follows no link out of the sandbox", async () => {
        const outside = mkdtempSync(join(tmpdir(), "outside-"));
        writeFileSync(join(outside, "file"), "stays");
        const own = await subject.provider.create(spec());
        await sh(own, `ln -s ${outside} /workspace/out; ln -s / ~/everything`);
        await own.stop();
        await subject.provider.remove(own.id);
        expect(readFileSync(join(outside, "file"), "utf8")).toBe("stays");
        rmSync(outside, { recursive: true });
      });

      test("an end that nobody asked for is told once, with everything else ended too", async () => {
        const marker = mark();
        const own = await subject.provider.create(spec());
        const ends: SandboxEnd[] = [];
        own.onEnd((end) => ends.push(end));
        await own.spawn({ argv: ["setsid", "sleep", marker] });
        const running = own.exec({ argv: ["sleep", "20"], timeoutMs: 20_000 });
        running.catch(() => undefined);
        await sh(own, "kill -9 $PPID").catch(() => undefined);
        await expect.poll(() => ends.length, { timeout: 5000 }).toBe(1);
        expect(ends[0]).toMatchObject({ reason: "exited" });
        await expect(running).rejects.toMatchObject({ code: "link_lost" });
        expect(hostProcessesWith(marker)).toBe(0);
        await subject.provider.remove(own.id);
      });

      test("a restarted server finds sandbox and process again, and the output from where it had read", async () => {
        const own = await subject.provider.create(spec());
        const ticker = await own.spawn({
          id: "ticker",
          argv: ["/bin/sh", "-c", "i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); sleep 0.002; done; read x; echo got $x"],
        });
        const seen = String(await once(ticker.stdout));
        const record = JSON.parse(JSON.stringify(own.record)) as typeof own.record;
        await subject.provider.close();

        subject.provider = subject.restarted();
        const found = await subject.provider.adopt(record);
        expect(found?.alive()).toBe(true);
        expect(await found!.processes()).toMatchObject([{ process: "ticker", pid: ticker.pid, exit: null }]);
        const again = await found!.attach("ticker", { stdoutFrom: Buffer.byteLength(seen), stderrFrom: 0 });
        expect(again.stdoutFrom).toBe(Buffer.byteLength(seen));
        again.stdin.end("input\n");
        const rest = String(await bytesOf(again.stdout));
        expect(`${seen}${rest}`).toBe(`${Array.from({ length: 500 }, (_, i) => `line ${i}\n`).join("")}got input\n`);
        expect(await again.exited).toMatchObject({ code: 0 });
        await found!.stop();
        await subject.provider.remove(own.id);
        // The two shared sandboxes belonged to the provider that was closed.
        [sandbox, other] = (await Promise.all([subject.provider.adopt(sandbox.record), subject.provider.adopt(other.record)])) as [
          Sandbox,
          Sandbox,
        ];
        expect([sandbox?.alive(), other?.alive()]).toEqual([true, true]);
      });

      test("a process that printed while nobody was connected has lost nothing", async () => {
        const own = await subject.provider.create(spec());
        const printer = await own.spawn({
          id: "printer",
          argv: ["/bin/sh", "-c", "sleep 0.3; head -c 3000000 /dev/zero | tr '\\0' 'x'; echo; echo end"],
        });
        printer.stdout.resume();
        await subject.provider.close();
        await new Promise((resolve) => setTimeout(resolve, 600));
        subject.provider = subject.restarted();
        const found = await subject.provider.adopt(own.record);
        const again = await found!.attach("printer", { stdoutFrom: 0 });
        expect((await bytesOf(again.stdout)).length).toBe(3_000_005);
        expect(await again.exited).toMatchObject({ code: 0 });
        await found!.stop();
        await subject.provider.remove(own.id);
        [sandbox, other] = (await Promise.all([subject.provider.adopt(sandbox.record), subject.provider.adopt(other.record)])) as [
          Sandbox,
          Sandbox,
        ];
      });

      test("a dead sandbox is not adopted", async () => {
        const own = await subject.provider.create(spec());
        await own.stop();
        expect(await subject.provider.adopt(own.record)).toBeNull();
        await subject.provider.remove(own.id);
      });

      test("what is alive is listed, and what was stopped is not", async () => {
        const own = await subject.provider.create(spec());
        const ids = async (): Promise<string[]> => (await subject.provider.list()).map((record) => record.id);
        expect(await ids()).toContain(own.id);
        await own.stop();
        expect(await ids()).not.toContain(own.id);
        await subject.provider.remove(own.id);
      });

      test("removing a sandbox that a killed server left running ends it first", async () => {
        const marker = mark();
        const own = await subject.provider.create(spec());
        await own.spawn({ argv: ["sleep", marker] });
        await subject.provider.close();
        subject.provider = subject.restarted();
        expect((await subject.provider.list()).map((record) => record.id)).toContain(own.id);
        await subject.provider.remove(own.id);
        expect(hostProcessesWith(marker)).toBe(0);
        [sandbox, other] = (await Promise.all([subject.provider.adopt(sandbox.record), subject.provider.adopt(other.record)])) as [
          Sandbox,
          Sandbox,
        ];
      });

      test("ten start at once without getting in each other's way", async () => {
        const ten = await Promise.all(Array.from({ length: 10 }, () => subject.provider.create(spec())));
        const names = await Promise.all(ten.map((one, i) => sh(one, `echo ${i} > /workspace/n; cat /workspace/n`)));
        expect(names).toEqual(ten.map((_, i) => String(i)));
        await Promise.all(ten.map((one) => one.stop()));
        await Promise.all(ten.map((one) => subject.provider.remove(one.id)));
      });

      test("two sandboxes of one id do not run at once", async () => {
        await expect(subject.provider.create(spec({}, sandbox.id))).rejects.toThrow(/running already/);
        const twice = `sbx_${process.pid}_twice`;
        const results = await Promise.allSettled([1, 2].map(() => subject.provider.create(spec({}, twice))));
        expect(results.map((result) => result.status).toSorted()).toEqual(["fulfilled", "rejected"]);
        await subject.provider.remove(twice);
      });

      test.each(["../escape", "", "a/b", "x".repeat(65), "a b", "."])("the id %j is refused", async (id) => {
        await expect(subject.provider.create(spec({}, id))).rejects.toThrow(/sandbox id/);
      });
    });
  });
}

async function sh(sandbox: Sandbox, script: string): Promise<string> {
  const result = await sandbox.exec({ argv: ["/bin/bash", "-c", script], timeoutMs: 15_000 });
  return result.stdout.toString("utf8").trimEnd();
}

/** A number that no other process has among its arguments. */
const mark = (): string => `9${Math.floor(Math.random() * 1e6)}.${Math.floor(Math.random() * 1e6)}`;

function hostProcessesWith(marker: string): number {
  let found = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(marker)) found++;
    } catch (error) {
      // It ended while we looked.
      void error;
    }
  }
  return found;
}

function nr(numbers: { x64: number; arm64: number }): number {
  return process.arch === "arm64" ? numbers.arm64 : numbers.x64;
}

const dial = (to: string): string =>
  `node -e "const s=require('net').connect(${to});s.setTimeout(2000,()=>{console.log('timeout');process.exit()});s.on('error',e=>{console.log(e.code);process.exit()});s.on('connect',()=>console.log('connected'));s.on('data',d=>{console.log(String(d));process.exit()})"`;

function once(stream: Readable): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    stream.once("data", (chunk: Buffer) => {
      stream.pause();
      resolve(chunk);
    });
    stream.once("error", reject);
    stream.once("end", () => reject(new Error("ended without output")));
  });
}

async function bytesOf(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function httpGet(sandbox: Sandbox, port: number, path: string): Promise<string> {
  const socket = await sandbox.connect(port);
  return new Promise((resolve, reject) => {
    const options = { path, createConnection: () => socket } as unknown as ClientRequestArgs;
    get(options, (response) => void bytesOf(response).then((body) => resolve(String(body)), reject)).on("error", reject);
  });
}
