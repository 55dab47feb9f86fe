/* The log over a bus that loses hints: whoever follows is late, and misses nothing. */
import { databaseTest } from "@signalbox/testkit/database";
import { expect, test } from "vitest";
import type { WakeUp } from "./listener.ts";
import { noted, note } from "./wake-up.fixture.ts";

const database = databaseTest();

/** A bus in memory that the test can cut, and make lose what is said. */
function bus() {
  const ends = new Set<{ heard(text: string): void; changed(connected: boolean): void }>();
  const lost: string[] = [];
  let loses = false;
  let connected = true;
  return {
    lost,
    lose: (now: boolean) => (loses = now),
    connect(now: boolean) {
      connected = now;
      for (const end of ends) end.changed(now);
    },
    end(): WakeUp {
      let listener: (text: string | null) => void = () => undefined;
      let changed: (connected: boolean) => void = () => undefined;
      const me = { heard: (text: string) => listener(text), changed: (now: boolean) => changed(now) };
      ends.add(me);
      return {
        publish(text) {
          if (loses || !connected) return void lost.push(text);
          for (const other of ends) if (other !== me) other.heard(text);
        },
        subscribe(to) {
          listener = to;
          return () => undefined;
        },
        isConnected: () => connected,
        onConnection(to) {
          changed = to;
          return () => undefined;
        },
      };
    },
  };
}

test("hints reach other processes after the commit that they are about, and nobody notifies through Postgres", async () => {
  const wire = bus();
  const [a, b] = [await database.log({ wakeUp: wire.end() }), await database.log({ wakeUp: wire.end() })];
  const seen = noted(b, "room_bus_1");
  await note(a, "room_bus_1", 20);
  await expect.poll(() => seen.at(-1)).toBe(20);
  expect(await b.head("ws_test", { type: "room", id: "room_bus_1" })).toBe(20);
});

test("a lost hint is made up, also when later ones and own commits came through", async () => {
  const wire = bus();
  const [a, b] = [await database.log({ wakeUp: wire.end() }), await database.log({ wakeUp: wire.end() })];
  const seen = noted(b, "room_bus_2");
  await note(b, "room_bus_other", 1);
  wire.lose(true);
  await note(a, "room_bus_2", 1);
  wire.lose(false);
  await note(b, "room_bus_other", 1);
  await note(a, "room_bus_third", 1);
  await expect.poll(() => seen.at(-1), { timeout: 20_000 }).toBe(1);
  expect(wire.lost).toHaveLength(1);
});

test("while the bus is away everything still arrives, heads are read from the database, and it heals", async () => {
  const wire = bus();
  const [a, b] = [await database.log({ wakeUp: wire.end() }), await database.log({ wakeUp: wire.end() })];
  const seen = noted(b, "room_bus_4");
  await note(a, "room_bus_4", 1);
  await expect.poll(() => seen.at(-1)).toBe(1);
  wire.connect(false);
  await note(a, "room_bus_4", 5);
  expect(await b.head("ws_test", { type: "room", id: "room_bus_4" })).toBe(6);
  await expect.poll(() => seen.at(-1), { timeout: 20_000 }).toBe(6);
  wire.connect(true);
  await note(a, "room_bus_4", 1);
  await expect.poll(() => seen.at(-1), { timeout: 20_000 }).toBe(7);
});
