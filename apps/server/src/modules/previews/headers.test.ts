import type { IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { requestHeaders, responseHeaders } from "./headers.ts";

const behind = { origin: "http://token.preview.localhost:4400", port: 3000 };

/** As Node's parser gives a message with these headers. */
function message(headers: Record<string, string | string[]>): IncomingMessage {
  const distinct = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat()]));
  const joined = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, name === "set-cookie" ? [value].flat() : String(value)]),
  );
  return { headers: joined, headersDistinct: distinct } as unknown as IncomingMessage;
}

test.each([
  ["a=1; Domain=example.com; Path=/", "a=1; Path=/"],
  ["a=1;domain=.localhost", "a=1"],
  ["a=1; DOMAIN = x ; Secure", "a=1; Secure"],
  ["a=1; Domain", "a=1"],
  ["domain=theirs; Path=/", "domain=theirs; Path=/"],
  ["a=domain=x; HttpOnly", "a=domain=x; HttpOnly"],
])("the cookie %j goes to one host only", (line, expected) => {
  expect(responseHeaders(message({ "set-cookie": line }), behind, ["'self'"])["set-cookie"]).toEqual([expected]);
});

test.each([
  ["http://localhost:3000/a?b#c", "http://token.preview.localhost:4400/a?b#c"],
  ["http://127.0.0.1:3000", "http://token.preview.localhost:4400"],
  ["https://[::1]:3000/", "http://token.preview.localhost:4400/"],
  ["http://localhost:3001/", "http://localhost:3001/"],
  ["http://localhost:3000.evil.example/", "http://localhost:3000.evil.example/"],
  ["//localhost:3000/", "//localhost:3000/"],
  ["/relative", "/relative"],
])("a redirect to %s leads to %s", (to, expected) => {
  expect(responseHeaders(message({ location: to }), behind, ["'self'"])["location"]).toEqual([expected]);
});

test.each([
  ["frame-ancestors 'none'", ["frame-ancestors https://app"]],
  ["default-src 'self'; frame-ancestors *; img-src *", ["default-src 'self'; img-src *", "frame-ancestors https://app"]],
  ["default-src 'self', frame-ancestors 'none'", ["default-src 'self'", "frame-ancestors https://app"]],
])("of the policy %j all stays but who may frame it", (policy, expected) => {
  expect(responseHeaders(message({ "content-security-policy": policy }), behind, ["https://app"])["content-security-policy"]).toEqual(
    expected,
  );
});

test("headers that the connection names are of the connection only", () => {
  const sent = requestHeaders(message({ connection: "close, x-secret", "x-secret": "1", "x-kept": "2", "keep-alive": "3" }), behind);
  expect(sent).toMatchObject({ "x-kept": ["2"], host: ["localhost:3000"] });
  expect(Object.keys(sent)).not.toEqual(expect.arrayContaining(["x-secret"]));
  expect(sent).not.toHaveProperty("connection");
  expect(sent).not.toHaveProperty("keep-alive");
});

test.each(["Bearer sbt_abc", "bearer  sb_abc", "Bearer sbx-vk_ws1_x", "Bearer shs_dev_x"])(
  "%s is ours, and stays here",
  (authorization) => {
    expect(requestHeaders(message({ authorization }), behind)).not.toHaveProperty("authorization");
  },
);
