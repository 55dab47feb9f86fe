import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import Rendered from "./markdown-rendered.tsx";

const html = (text: string): string => renderToStaticMarkup(createElement(Rendered, { text, className: "" }));

test.each([
  ["a script", "<script>alert(1)</script>"],
  ["an event handler", '<img src="x" onerror="alert(1)">'],
  ["a frame", '<iframe src="https://evil.example"></iframe>'],
  ["an SVG", '<svg onload="alert(1)"><a href="javascript:alert(1)">x</a></svg>'],
  ["a style", "<style>body{display:none}</style>"],
])("%s written as HTML stays text", (_, text) => {
  expect(html(text)).not.toMatch(/<(script|img|iframe|svg|style)/);
});

test.each(["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>1</script>", "vbscript:x", "\u0001javascript:alert(1)"])(
  "a link to %j goes nowhere",
  (url) => {
    expect(html(`[click](<${url}>)`)).not.toMatch(/href="[^"]*(script|data)/i);
  },
);

test("an image is a link: showing it would tell its host who reads", () => {
  expect(html("![a chart](https://evil.example/pixel.png)")).toMatch(/<a href="https:\/\/evil\.example\/pixel\.png"[^>]*>a chart<\/a>/);
});

test("links open elsewhere without saying from where", () => {
  expect(html("[docs](https://example.com)")).toContain('rel="noreferrer noopener nofollow"');
});

test("tables, task lists and code are rendered", () => {
  const out = html("| a |\n| - |\n| 1 |\n\n- [x] done\n\n```js\n1 < 2\n```");
  expect(out).toContain("<td>1</td>");
  expect(out).toMatch(/<input type="checkbox"[^>]*checked/);
  expect(out).toContain("1 &lt; 2");
});
