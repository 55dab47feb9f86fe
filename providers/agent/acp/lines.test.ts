import { PassThrough } from "node:stream";
import type { AnyMessage } from "@agentclientprotocol/sdk";
import { expect, test } from "vitest";
import { jsonLines, type Answer } from "./lines.ts";

function open(offset = 0): {
  stdin: PassThrough;
  stdout: PassThrough;
  lines: ReturnType<typeof jsonLines>;
  foreign: Answer[];
  sent: string[];
} {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const foreign: Answer[] = [];
  const sent: string[] = [];
  const lines = jsonLines(stdin, stdout, {
    connection: "here",
    offset,
    onForeignAnswer: (answer) => foreign.push(answer),
    onRequestSent: (id, method) => sent.push(`${method} ${id}`),
  });
  return { stdin, stdout, lines, foreign, sent };
}

async function readAll(lines: ReturnType<typeof jsonLines>): Promise<AnyMessage[]> {
  const messages: AnyMessage[] = [];
  for await (const message of lines.stream.readable) messages.push(message);
  return messages;
}

test("requests go out under the connection's name, and their answers come back under the SDK's own ids", async () => {
  const { stdin, stdout, lines, sent } = open();
  await lines.stream.writable.getWriter().write({ jsonrpc: "2.0", id: 7, method: "session/prompt", params: {} });
  expect(JSON.parse(String(stdin.read()))).toMatchObject({ id: "here.7", method: "session/prompt" });
  expect(sent).toEqual(["session/prompt here.7"]);
  stdout.end('{"jsonrpc":"2.0","id":"here.7","result":1}\n');
  expect(await readAll(lines)).toEqual([{ jsonrpc: "2.0", id: 7, result: 1 }]);
});

test("answers to an earlier connection are told apart", async () => {
  const { stdout, lines, foreign } = open();
  stdout.end('{"jsonrpc":"2.0","id":"gone.3","result":{"stopReason":"end_turn"}}\n');
  expect(await readAll(lines)).toEqual([]);
  expect(foreign).toEqual([{ id: "gone.3", result: { stopReason: "end_turn" }, error: undefined }]);
});

test("what is no message is passed over: log lines, bytes that are not UTF-8, a cut last line", async () => {
  const { stdout, lines } = open();
  stdout.write("(node:1) Warning: something\n\n");
  stdout.write(Buffer.from([0xff, 0xfe, 0x0a]));
  stdout.write('[1,2]\n"text"\nnull\n');
  stdout.write('{"jsonrpc":"2.0","method":"session/update","params":{"a":"ø"}}\n');
  stdout.end('{"jsonrpc":"2.0","meth');
  expect(await readAll(lines)).toEqual([{ jsonrpc: "2.0", method: "session/update", params: { a: "ø" } }]);
});

test("the offset is where the next line begins, whatever the chunks", async () => {
  const { stdout, lines } = open(100);
  const line = '{"jsonrpc":"2.0","method":"ø","params":{}}\n';
  const bytes = Buffer.from(line);
  const reading = readAll(lines);
  for (const byte of bytes) stdout.write(Buffer.from([byte]));
  stdout.write(`${line}half`);
  await expect.poll(() => lines.offset()).toBe(100 + 2 * bytes.length);
  stdout.end();
  expect(await reading).toHaveLength(2);
});

test("a line beyond the limit is dropped in bounded memory, and the next one is heard", async () => {
  const { stdout, lines } = open();
  const reading = readAll(lines);
  const before = process.memoryUsage().rss;
  const piece = Buffer.alloc(1024 * 1024, "x");
  for (let i = 0; i < 200; i += 1) if (!stdout.write(piece)) await new Promise((resolve) => stdout.once("drain", resolve));
  stdout.end('\n{"jsonrpc":"2.0","method":"still/here","params":{}}\n');
  expect(await reading).toMatchObject([{ method: "still/here" }]);
  expect(lines.offset()).toBe(200 * 1024 * 1024 + 1 + 52);
  expect(process.memoryUsage().rss - before).toBeLessThan(120 * 1024 * 1024);
});
