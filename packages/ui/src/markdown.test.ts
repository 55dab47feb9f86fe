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

test.each(["data:image/png;base64,iVBORw0KGgo=", "/v1/artifacts/art_01J00000000000000000000000/content"])(
  "a picture of one's own shows: %s",
  (src) => {
    expect(html(`![a chart](${src})`)).toContain(`<img src="${src}" alt="a chart"`);
  },
);

test.each([
  "data:image/svg+xml;base64,PHN2Zz4=",
  "data:text/html;base64,PGI+",
  "/v1/artifacts/../sessions",
  "//evil.example/v1/artifacts/a/content",
])("what only looks like one does not: %s", (src) => expect(html(`![x](${src})`)).not.toContain("<img"));

test("a fenced block names its language and can be copied", () => {
  const out = html("```js\n1\n```");
  expect(out).toMatch(/<figcaption[^>]*>js</);
  expect(out).toContain('aria-label="Copy the code"');
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
