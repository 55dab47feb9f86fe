/* What every bus promises (port.ts), tried on the real thing, through a wire that can be cut. */
import { expect, test } from "vitest";
import type { Bus } from "./port.ts";

export interface BusUnderTest {
  make(): Bus;
  cut(): void;
  mend(): void;
  /** What this bus carries at most, in bytes. */
  readonly longest: number;
}

const connected = (...buses: Bus[]): Promise<void> =>
  expect.poll(() => buses.every((bus) => bus.isConnected()), { timeout: 20_000 }).toBe(true);

export function busConformance(started: () => BusUnderTest): void {
  test("others hear what is published on their subjects, in order, and nobody hears himself", async () => {
    const [a, b, c] = [started().make(), started().make(), started().make()];
    const heard = { a: [] as unknown[], b: [] as unknown[], c: [] as unknown[] };
    a.subscribe("log", (text) => heard.a.push(text));
    b.subscribe("log", (text) => heard.b.push(text));
    c.subscribe("live", (text) => heard.c.push(text));
    await connected(a, b, c);
    const said = Array.from({ length: 500 }, (_, i) => `hint ${i} ünïcødé`);
    // A subscription may still be on its way; hints are repeated until the first is heard.
    await expect.poll(() => (a.publish("log", "first"), heard.b.length), { timeout: 20_000 }).toBeGreaterThan(0);
    for (const text of said) a.publish("log", text);
    await expect.poll(() => heard.b.at(-1), { timeout: 20_000 }).toBe(said.at(-1));
    expect(heard.b.filter((text) => text !== "first")).toEqual(said);
    expect(heard.a).toEqual([]);
    expect(heard.c).toEqual([]);
    await Promise.all([a.close(), b.close(), c.close()]);
  });

  test("what is too long arrives as nothing but that something happened", async () => {
    const [a, b] = [started().make(), started().make()];
    const heard: (string | null)[] = [];
    b.subscribe("log", (text) => heard.push(text === null ? null : String(text.length)));
    await connected(a, b);
    const { longest } = started();
    await expect.poll(() => (a.publish("log", "x"), heard.length), { timeout: 20_000 }).toBeGreaterThan(0);
    a.publish("log", "y".repeat(longest));
    await expect.poll(() => heard.at(-1), { timeout: 20_000 }).toBe(null);
    await Promise.all([a.close(), b.close()]);
  });

  test("who has unsubscribed hears nothing more, and the other listeners go on", async () => {
    const [a, b] = [started().make(), started().make()];
    const [one, two] = [[] as unknown[], [] as unknown[]];
    const off = b.subscribe("log", (text) => one.push(text));
    b.subscribe("log", (text) => two.push(text));
    await connected(a, b);
    await expect.poll(() => (a.publish("log", "x"), one.length), { timeout: 20_000 }).toBeGreaterThan(0);
    off();
    const before = one.length;
    a.publish("log", "last");
    await expect.poll(() => two.at(-1), { timeout: 20_000 }).toBe("last");
    expect(one).toHaveLength(before);
    await Promise.all([a.close(), b.close()]);
  });

  test("cut off, it says so, loses what is said meanwhile, and goes on by itself when the wire is mended", async () => {
    const [a, b] = [started().make(), started().make()];
    const heard: unknown[] = [];
    const states: boolean[] = [];
    b.subscribe("log", (text) => heard.push(text));
    b.onConnection((now) => states.push(now));
    await connected(a, b);
    await expect.poll(() => (a.publish("log", "x"), heard.length), { timeout: 20_000 }).toBeGreaterThan(0);
    started().cut();
    await expect.poll(() => a.isConnected() || b.isConnected(), { timeout: 20_000 }).toBe(false);
    a.publish("log", "into the void");
    started().mend();
    await connected(a, b);
    await expect.poll(() => (a.publish("log", "again"), heard.includes("again")), { timeout: 20_000 }).toBe(true);
    expect(heard).not.toContain("into the void");
    expect(states.slice(-2)).toEqual([false, true]);
    await Promise.all([a.close(), b.close()]);
  });

  test("closing one that never connected ends it", async () => {
    started().cut();
    const bus = started().make();
    await bus.close();
    started().mend();
    expect(bus.isConnected()).toBe(false);
  });
}
