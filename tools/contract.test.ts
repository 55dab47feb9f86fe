import { ROUTES } from "@signalbox/contract/routes";
import { EVENT_HISTORIES, type EventVersions, since } from "@signalbox/contract/event-versions";
import { EVENT_SCHEMAS } from "@signalbox/contract/events";
import { expect, test } from "vitest";
import { z } from "zod";
import { breakingEvents, breakingOperations } from "./contract-diff.ts";
import { eventSchemas, openApi, type EventDocument, type OpenApi, type Schema } from "./contract-documents.ts";

const api = openApi("0.0.0");
const events = eventSchemas();
type Mutable = { [key: string]: Mutable };
const changed = <T>(document: T, change: (copy: Mutable) => void): T => {
  const copy = structuredClone(document);
  change(copy as unknown as Mutable);
  return copy;
};

test("every route is an operation, every event has a schema, and every reference leads somewhere", () => {
  const ids = Object.values(api.paths).flatMap((methods) => Object.values(methods).map((operation) => operation.operationId));
  expect(ids.toSorted()).toEqual(ROUTES.map((route) => route.id).toSorted());
  expect(Object.keys(events.events).toSorted()).toEqual([...EVENT_SCHEMAS.keys()].toSorted());
  for (const [document, home] of [
    [api, api.components.schemas],
    [events, events.$defs],
  ] as const) {
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)]
      .map((match) => match[1]!)
      .filter((ref) => !ref.startsWith("#/events/"));
    for (const ref of refs) expect(home, ref).toHaveProperty([ref.split("/").at(-1)!]);
  }
});

test("shapes that have a name are components, not repeated in place", () => {
  const room = api.paths["/v1/rooms/{id}"]!["get"]!.responses["200"]!.content!["application/json"]!.schema;
  expect(room).toEqual({ $ref: "#/components/schemas/Room" });
  expect(api.components.schemas["Room"]).toMatchObject({ type: "object", properties: { last_seq: { type: "integer" } } });
  expect(JSON.stringify(api.components.schemas)).not.toContain('"$defs"');
});

test("nothing that was not changed is breaking", () => {
  expect(breakingOperations(api, structuredClone(api))).toEqual([]);
  expect(breakingEvents(events, structuredClone(events))).toEqual([]);
});

const room = (copy: Mutable) => copy["components"]!["schemas"]!["Room"]!;
const createRoom = (copy: Mutable) => copy["paths"]!["/v1/rooms"]!["post"]!;
const body = (copy: Mutable) => createRoom(copy)["requestBody"]!["content"]!["application/json"]!["schema"]!;

test.each<[string, (copy: Mutable) => void, string]>([
  ["a route that is gone", (copy) => delete copy["paths"]!["/v1/rooms"]!["post"], "POST /v1/rooms is gone"],
  ["a member that is no longer answered", (copy) => delete room(copy)["properties"]!["title"], ".title is gone"],
  ["a member that may be missing", (copy) => void (room(copy)["required"] as never as string[]).splice(0, 1), "may be missing now"],
  [
    "a member of another type",
    (copy) => void (room(copy)["properties"]!["last_seq"]!["type"] = "string" as never),
    "it was integer and is string",
  ],
  [
    "a member that must be sent now",
    (copy) => {
      body(copy)["properties"]!["colour"] = { type: "string" } as never;
      (body(copy)["required"] as never as string[]).push("colour");
    },
    "colour has become required",
  ],
  ["a shorter limit", (copy) => void (body(copy)["properties"]!["title"]!["maxLength"] = 10 as never), "maxLength was 200 and is 10"],
  [
    "another success status",
    (copy) => {
      createRoom(copy)["responses"]!["200"] = createRoom(copy)["responses"]!["201"]!;
      delete createRoom(copy)["responses"]!["201"];
    },
    "no longer answers 201",
  ],
])("%s is breaking", (_what, change, message) => {
  expect(breakingOperations(api, changed<OpenApi>(api, change)).join("\n")).toContain(message);
});

test.each<[string, (copy: Mutable) => void]>([
  ["a new route", (copy) => void (copy["paths"]!["/v1/new"] = { get: createRoom(copy) })],
  ["a new member in an answer", (copy) => void (room(copy)["properties"]!["colour"] = { type: "string" } as never)],
  ["a new optional member of a body", (copy) => void (body(copy)["properties"]!["colour"] = { type: "string" } as never)],
  ["a longer limit", (copy) => void (body(copy)["properties"]!["title"]!["maxLength"] = 500 as never)],
  ["a new refusal", (copy) => void (createRoom(copy)["responses"]!["418"] = { description: "teapot" } as never)],
])("%s is not breaking", (_what, change) => {
  expect(breakingOperations(api, changed<OpenApi>(api, change))).toEqual([]);
});

test("a stored event may gain optional members, and lose or demand nothing", () => {
  const created = (copy: Mutable) =>
    copy["events"]!["room.created"]! as unknown as Schema & { properties: Record<string, Schema>; required: string[] };
  const after = (change: (of: ReturnType<typeof created>) => void): EventDocument =>
    changed<EventDocument>(events, (copy) => change(created(copy)));
  expect(
    breakingEvents(
      events,
      after((of) => (of.properties["colour"] = { type: "string" })),
    ),
  ).toEqual([]);
  expect(
    breakingEvents(
      events,
      after((of) => of.required.push("colour")),
    ),
  ).not.toEqual([]);
  expect(
    breakingEvents(
      events,
      after((of) => delete of.properties["title"]),
    ),
  ).not.toEqual([]);
  expect(
    breakingEvents(
      events,
      changed<EventDocument>(events, (copy) => delete copy["events"]!["room.created"]),
    ),
  ).toEqual(["the event room.created is gone"]);
});

test("an event that needs another shape needs a version and an upcaster from the shape that was released", () => {
  const V1 = z.object({ on: z.boolean() });
  const V2 = z.object({ level: z.int() });
  const V3 = z.object({ brightness: z.int() });
  const released = eventSchemas(new Map([["lamp.set", V1]]), {});
  const unversioned = eventSchemas(new Map([["lamp.set", V2]]), {});
  expect(breakingEvents(released, unversioned).at(-1)).toContain("give it a new version and an upcaster");

  const second = eventSchemas(new Map([["lamp.set", V2]]), { "lamp.set": since(V1).becomes(V2, ({ on }) => ({ level: on ? 100 : 0 })) });
  expect(breakingEvents(released, second)).toEqual([]);
  const rewritten = eventSchemas(new Map([["lamp.set", V2]]), {
    "lamp.set": since(V3).becomes(V2, ({ brightness: level }) => ({ level })),
  });
  expect(breakingEvents(released, rewritten), "the past is not what was released").toContain("event lamp.set.on is gone");

  const third = eventSchemas(new Map([["lamp.set", V3]]), {
    "lamp.set": since(V1)
      .becomes(V2, ({ on }) => ({ level: on ? 100 : 0 }))
      .becomes(V3, ({ level }) => ({ brightness: level })),
  });
  expect(breakingEvents(second, third)).toEqual([]);
  expect(breakingEvents(second, unversioned), "versions do not go back").toEqual([
    "event lamp.set: it was released in version 2 and is in version 1",
  ]);
});

test("every history ends in the shape that its event has, and each of its versions is reached from the one before", () => {
  for (const [type, { now, past }] of Object.entries(EVENT_HISTORIES as EventVersions)) {
    expect(z.toJSONSchema(now, { unrepresentable: "any" }), type).toEqual(
      z.toJSONSchema(EVENT_SCHEMAS.get(type)!, { unrepresentable: "any" }),
    );
    expect(past.length, type).toBeGreaterThan(0);
  }
});
