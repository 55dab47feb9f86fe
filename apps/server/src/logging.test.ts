import { expect, test, vi } from "vitest";
import { createLogger } from "./logging.ts";

/** The lines that `say` makes the logger write. */
function written(say: (log: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = [];
  const write = vi.spyOn(process.stderr, "write").mockImplementation((line) => lines.push(String(line)) > 0);
  try {
    say(createLogger({ level: "info", pretty: false, secrets: ["a-configured-secret"] }));
  } finally {
    write.mockRestore();
  }
  return lines.join("");
}

test("of an error its type, message, stack, code and causes are written, and nothing that hangs on it", () => {
  const lost = Object.assign(new Error("the connection was lost", { cause: new RangeError("too far") }), {
    code: "57P01",
    client: { secretKey: 568_940_684, host: "/run/postgres" },
  });
  const line = written((log) => log.warn({ err: lost }, "lost"));
  const { err } = JSON.parse(line);
  expect(err).toMatchObject({
    type: "Error",
    message: "the connection was lost",
    error_code: "57P01",
    cause: { type: "RangeError", message: "too far" },
  });
  expect(Object.keys(err).toSorted()).toEqual(["cause", "error_code", "message", "stack", "type"]);
  expect(line).not.toContain("568940684");
});

test("secrets are taken out of messages, members and stacks", () => {
  const line = written((log) =>
    log.info({ token: "plain", err: new Error("refused a-configured-secret and sbt_0123456789abcdefghijklmn") }, "x"),
  );
  expect(line).not.toMatch(/a-configured-secret|sbt_0123|"plain"/);
});
