import { expect, test } from "vitest";
import { languageOf, viewsOf } from "./artifact-views.ts";

test.each([
  ["a picture is looked at", { name: "a.png", media_type: "image/png", text: null }, false, ["image"]],
  ["an SVG is text, never a picture", { name: "a.svg", media_type: "image/svg+xml", text: "<svg/>" }, false, ["text"]],
  [
    "a report comes first, its text behind it",
    { name: "junit.xml", media_type: "application/xml", text: "<x/>" },
    true,
    ["report", "text"],
  ],
  ["a patch", { name: "changes.patch", media_type: "text/plain", text: "" }, false, ["patch", "text"]],
  ["JSON", { name: "out", media_type: "application/json", text: "{}" }, false, ["json", "text"]],
  ["markdown", { name: "README.md", media_type: "text/plain", text: "" }, false, ["markdown", "text"]],
  ["bytes that are no text are only handed over", { name: "a.zip", media_type: "application/zip", text: null }, false, []],
] as const)("%s", (_, artifact, isReport, views) => expect(viewsOf(artifact, isReport)).toEqual(views));

test("the language is the name's ending", () => {
  expect([languageOf("a.test.TS"), languageOf("Makefile")]).toEqual(["ts", undefined]);
});
