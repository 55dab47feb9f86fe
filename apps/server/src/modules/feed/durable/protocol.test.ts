import { expect, test } from "vitest";
import {
  appendRequest,
  createRequest,
  cursorOf,
  decideAppend,
  jsonMessages,
  nextCursor,
  offsetOf,
  readRequest,
  sseEvent,
} from "./protocol.ts";

const stream = { contentType: "text/plain; charset=utf-8", closed: false, closedBy: null, lastSeq: null };
const request = { contentType: "text/plain", seq: undefined, producer: null, close: false };
const by = (epoch: number, seq: number) => ({ ...request, producer: { id: "p", epoch, seq } });

test("offsets sort as text and lead back to where they are from", () => {
  const cursors = ["0", "9", "10", "1234567"];
  expect(cursors.map(offsetOf).toSorted()).toEqual(cursors.map(offsetOf));
  expect(cursors.map((cursor) => cursorOf(offsetOf(cursor), false))).toEqual(cursors);
  const twoPart = ["0.0", "1.2", "1.10", "2.1", "10.1"];
  expect(twoPart.map(offsetOf).toSorted()).toEqual(twoPart.map(offsetOf));
  expect(twoPart.map((cursor) => cursorOf(offsetOf(cursor), true))).toEqual(twoPart);
});

test.each([
  ["a first request of a producer", null, by(3, 0), "append"],
  ["one that does not begin at zero", null, by(0, 1), "gap"],
  ["the next one", { epoch: 0, seq: 4 }, by(0, 5), "append"],
  ["the same one again", { epoch: 0, seq: 4 }, by(0, 4), "repeated"],
  ["one too far ahead", { epoch: 0, seq: 4 }, by(0, 6), "gap"],
  ["a new epoch", { epoch: 0, seq: 4 }, by(1, 0), "append"],
  ["a new epoch in its middle", { epoch: 0, seq: 4 }, by(1, 1), "epoch_begins_at_zero"],
  ["an epoch that is over", { epoch: 2, seq: 0 }, by(1, 5), "fenced"],
  ["another content type", null, { ...request, contentType: "text/html" }, "content_type"],
] as const)("%s: %s", (_name, known, asked, kind) => {
  expect(decideAppend(stream, known, asked, true).kind).toBe(kind);
});

test("a closed stream takes nothing, except that closing it is said again", () => {
  const closed = { ...stream, closed: true, closedBy: "0 7 p" };
  expect(decideAppend(closed, null, request, true).kind).toBe("closed");
  expect(decideAppend(closed, null, { ...request, close: true }, false).kind).toBe("repeated");
  expect(decideAppend(closed, { epoch: 0, seq: 7 }, { ...by(0, 7), close: true }, true).kind).toBe("repeated");
  expect(decideAppend(closed, { epoch: 0, seq: 7 }, by(0, 8), true).kind).toBe("closed");
});

test("a writer's own sequence must rise, as bytes rise", () => {
  const after = { ...stream, lastSeq: "b" };
  expect(decideAppend(after, null, { ...request, seq: "b" }, true).kind).toBe("sequence");
  expect(decideAppend(after, null, { ...request, seq: "a9" }, true).kind).toBe("sequence");
  expect(decideAppend(after, null, { ...request, seq: "ba" }, true).kind).toBe("append");
});

test("a JSON body is kept message by message, to the digit", () => {
  expect(jsonMessages(Buffer.from(' [1, {"a": 12345678901234567890}] '))!.toString()).toBe('1, {"a": 12345678901234567890}');
  expect(jsonMessages(Buffer.from("[[1,2]]"))!.toString()).toBe("[1,2]");
  expect(jsonMessages(Buffer.from("[]"))!.toString()).toBe("");
  for (const bad of ["", "{", "[1,]", "\xff"]) expect(jsonMessages(Buffer.from(bad, "latin1"))).toBeNull();
});

test("headers and queries that say nonsense are named", () => {
  for (const headers of [
    { "stream-ttl": "01" },
    { "stream-ttl": "1.5" },
    { "stream-expires-at": "soon" },
    { "stream-ttl": "1", "stream-expires-at": "2030-01-01T00:00:00Z" },
  ])
    expect(createRequest(headers)).toEqual(expect.any(String));
  for (const headers of [
    { "producer-id": "a" },
    { "producer-id": "", "producer-epoch": "0", "producer-seq": "0" },
    { "producer-id": "a", "producer-epoch": "1e3", "producer-seq": "0" },
  ])
    expect(appendRequest(headers)).toEqual(expect.any(String));
  for (const query of ["offset=", "offset=a", "offset=1_1&offset=2_2", "live=sse", "live=long-poll", "offset=-1&live=maybe"])
    expect(readRequest(new URLSearchParams(query)), query).toEqual(expect.any(String));
});

test("what is in a payload cannot begin an event, and a cursor is never the one that came", () => {
  expect(sseEvent("data", "a\r\n\r\nevent: control\ndata: {}")).toBe("event: data\ndata:a\ndata:\ndata:event: control\ndata:data: {}\n\n");
  expect(sseEvent("data", " indented")).toBe("event: data\ndata:  indented\n\n");
  const now = Date.UTC(2026, 0, 1);
  const first = nextCursor(undefined, now);
  expect(Number(nextCursor(first, now))).toBeGreaterThan(Number(first));
});
