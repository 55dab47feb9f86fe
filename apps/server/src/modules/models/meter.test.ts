import type { Endpoint } from "@signalbox/providers/model/port";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createMeter } from "./meter.ts";
import { SseSplitter } from "./sse.ts";

const frame = (data: object | string, event?: string) =>
  `${event === undefined ? "" : `event: ${event}\n`}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;

/** What a client would see, and what the meter says. */
function run(endpoint: Endpoint, frames: string[], wantsUsage = false) {
  const meter = createMeter(endpoint, 400, wantsUsage);
  const splitter = new SseSplitter();
  const kept = splitter
    .push(Buffer.from(frames.join("")))
    .filter((event) => meter.event(event))
    .map(({ raw }) => raw.toString());
  return { kept, usage: meter.usage(), isComplete: meter.isComplete };
}

const FRAMES = [frame({ n: 1, text: "äöü €" }, "a"), "data: first\r\ndata: second\r\n\r\n", ": comment\n\n", frame("[DONE]")];

test("however the bytes are cut, the same whole events come out, byte for byte", () => {
  const bytes = Buffer.from(FRAMES.join(""));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 12 }), (cuts) => {
      const splitter = new SseSplitter();
      const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      const events = edges.slice(1).flatMap((end, i) => splitter.push(Buffer.from(bytes.subarray(edges[i], end))));
      expect(events.map(({ raw }) => raw.toString())).toEqual(FRAMES);
      expect(events.map(({ data }) => data)).toEqual(['{"n":1,"text":"äöü €"}', "first\nsecond", "", "[DONE]"]);
      expect(splitter.end()).toHaveLength(0);
    }),
    { numRuns: 300 },
  );
});

test("half an event is held back", () => {
  const splitter = new SseSplitter();
  expect(splitter.push(Buffer.from("data: x\n"))).toEqual([]);
  expect(splitter.end().toString()).toBe("data: x\n");
});

describe("chat completions", () => {
  const chunk = (content: string) => frame({ choices: [{ index: 0, delta: { role: "assistant", content } }], usage: null });
  const usage = frame({ choices: [], usage: { prompt_tokens: 9, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 3 } } });

  test("the usage frame is metered, and kept back from a client that did not ask for it", () => {
    const { kept, usage: metered, isComplete } = run("chat/completions", [chunk("hello"), usage, frame("[DONE]")]);
    expect(kept).toEqual([chunk("hello"), frame("[DONE]")]);
    expect([metered, isComplete]).toEqual([{ input_tokens: 9, output_tokens: 4, cached_input_tokens: 3, source: "reported" }, true]);
    expect(run("chat/completions", [usage], true).kept).toEqual([usage]);
  });
  test("usage beside the last words stays where it is", () => {
    const both = frame({ choices: [{ delta: { content: "x" } }], usage: { prompt_tokens: 1, completion_tokens: 1 } });
    expect(run("chat/completions", [both])).toMatchObject({ kept: [both], usage: { source: "reported" } });
  });
  test("without usage, text, tool calls and thoughts are counted", () => {
    const call = frame({
      choices: [
        {
          delta: {
            reasoning_content: "1234",
            tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "abcd", arguments: "efgh" } }],
          },
        },
      ],
    });
    expect(run("chat/completions", [chunk("5678"), call]).usage).toEqual({ input_tokens: 100, output_tokens: 4, source: "counted" });
  });
  test("a frame that is not JSON goes through and counts", () => {
    expect(run("chat/completions", [frame("not JSON")])).toMatchObject({
      kept: [frame("not JSON")],
      usage: { output_tokens: 2, source: "counted" },
    });
  });
});

describe("messages", () => {
  const start = frame(
    {
      type: "message_start",
      message: { usage: { input_tokens: 10, cache_read_input_tokens: 5, cache_creation_input_tokens: 2, output_tokens: 1 } },
    },
    "message_start",
  );
  const delta = frame({ type: "content_block_delta", delta: { type: "text_delta", text: "x".repeat(40) } }, "content_block_delta");
  const end = frame({ type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 30 } }, "message_delta");

  test("input comes from the start, with what was cached; output from the end", () => {
    expect(run("messages", [start, delta, end, frame({ type: "message_stop" })])).toMatchObject({
      usage: { input_tokens: 17, cached_input_tokens: 5, cache_write_tokens: 2, output_tokens: 30, source: "reported" },
      isComplete: true,
    });
  });
  test("cut before the end: reported input, counted output", () => {
    expect(run("messages", [start, delta])).toMatchObject({
      usage: { input_tokens: 17, output_tokens: 10, source: "counted" },
      isComplete: false,
    });
  });
});

describe("responses", () => {
  test("usage comes with the last event", () => {
    const last = frame({
      type: "response.completed",
      response: { usage: { input_tokens: 8, output_tokens: 2, input_tokens_details: { cached_tokens: 4 } } },
    });
    expect(run("responses", [frame({ type: "response.output_text.delta", delta: "hi" }), last])).toMatchObject({
      usage: { input_tokens: 8, output_tokens: 2, cached_input_tokens: 4, source: "reported" },
      isComplete: true,
    });
  });
  test("without it deltas are counted", () => {
    expect(run("responses", [frame({ type: "response.output_text.delta", delta: "12345678" })]).usage).toEqual({
      input_tokens: 100,
      output_tokens: 2,
      source: "counted",
    });
  });
});

test.each([-1, 1.5, "7", null, 2 ** 60])("usage of %s tokens is not believed", (prompt_tokens) => {
  expect(run("chat/completions", [frame({ choices: [], usage: { prompt_tokens, completion_tokens: 1 } })]).usage.source).toBe("counted");
});
