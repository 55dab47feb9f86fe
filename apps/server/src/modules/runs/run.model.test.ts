/* Any engines, in any order, at any time: what the lease protocol promises. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { claimTokenHash } from "./lease.ts";
import { create, foldRun, PERSON, RUN } from "./fixtures.ts";
import type { RunCommand, Writer } from "./run-command.ts";
import { run } from "./run.ts";
import type { RunEvent } from "@signalbox/contract/events/runs";

const TTL = 30;
const at = (second: number): string => new Date(Date.UTC(2030, 0, 1) + second * 1000).toISOString();
const token = (name: string): string => claimTokenHash(name);

/** The row of `run_leases`. */
interface Held {
  readonly epoch: number;
  readonly expiresAt: string;
  readonly by: number;
}
type Move =
  | { do: "claim" | "heartbeat" | "start" | "complete" | "fail" | "release" | "step"; engine: number }
  | { do: "cancel" | "resolve" | "wait" };
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("claim", "heartbeat", "start", "complete", "fail", "release", "step"),
      engine: fc.integer({ min: 0, max: 2 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("cancel" as const, "resolve" as const) }) },
);

test("whatever engines do: one writes at a time, epochs only grow, and an end is an end", () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 40 }), (moves) => {
      const events: RunEvent[] = [];
      let second = 0;
      let lease = null as Held | null;
      const held = new Map<number, number>(); // the epoch that each engine believes in
      const take = (command: RunCommand): boolean => {
        const before = foldRun(events);
        const decision = run.decide(before, command);
        events.push(...(decision.events ?? []));
        const after = foldRun(events);
        // Refusals record at most evidence, or that nobody is left to try.
        if (!decision.ok)
          expect(["run.late_result", "run.failed"]).toEqual(expect.arrayContaining((decision.events ?? []).map((event) => event.type)));
        if (before.status === "succeeded" || before.status === "canceled") expect(after.status).toBe(before.status);
        if (before.status !== "none" && after.status !== "none") {
          expect(after.epoch).toBeGreaterThanOrEqual(before.epoch);
          expect(after.attemptNo).toBeLessThanOrEqual(after.maxAttempts);
        }
        return decision.ok;
      };
      take(create("task", 3));
      for (const m of moves) {
        const now = at(second);
        if (m.do === "wait") second += TTL / 2 + 1;
        else if (m.do === "cancel") take({ type: "cancel", runId: RUN, by: PERSON });
        else if (m.do === "resolve") take({ type: "resolve", runId: RUN, outcome: "succeeded", by: PERSON });
        else if ("engine" in m) {
          const epoch = held.get(m.engine) ?? 0;
          const writer: Writer = { type: "engine", tokenHash: token(`${m.engine}/${epoch}`), epoch, lease };
          const isHolder: boolean = lease !== null && lease.by === m.engine && lease.epoch === epoch && lease.expiresAt > now;
          const base = { runId: RUN, writer, now };
          if (m.do === "claim") {
            if (lease !== null && lease.expiresAt > now) continue; // the row is not for the taking
            const next: number = (lease?.epoch ?? 0) + 1;
            lease = { epoch: next, expiresAt: at(second + TTL), by: m.engine };
            const won = take({
              type: "claim",
              runId: RUN,
              by: PERSON,
              tokenHash: token(`${m.engine}/${next}`),
              epoch: next,
              leaseExpiresAt: lease.expiresAt,
              lease: null,
              now,
            });
            if (won) held.set(m.engine, next);
            else lease = { ...lease, expiresAt: now };
          } else if (m.do === "heartbeat") {
            if (isHolder && lease !== null) lease = { ...lease, expiresAt: at(second + TTL) };
          } else {
            const command: RunCommand =
              m.do === "step"
                ? { ...base, type: "create_step", stepId: `step_${events.length}` as never, kind: "x" }
                : m.do === "fail"
                  ? { ...base, type: "fail", code: "x", message: "x" }
                  : m.do === "complete"
                    ? { ...base, type: "complete" }
                    : { ...base, type: m.do };
            const accepted = take(command);
            // The whole promise of the fence.
            if (accepted) expect(isHolder).toBe(true);
            if (accepted && m.do === "release" && lease !== null) lease = { ...lease, expiresAt: now };
          }
        }
      }
    }),
    { numRuns: 400 },
  );
});
