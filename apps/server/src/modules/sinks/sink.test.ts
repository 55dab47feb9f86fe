import { expect, test } from "vitest";
import { sink, type Sink, type SinkCommand } from "./sink.ts";

const by = "usr_a" as never;
const sink_id = "snk_01" as never;
const COMMANDS: { readonly [T in SinkCommand["type"]]: SinkCommand } = {
  create: { type: "create", data: { sink_id, name: "a", kind: "webhook", url: "https://a.example", types: [], room_ids: [], by } },
  change: { type: "change", data: { sink_id, name: "b", by } },
  pause: { type: "pause", data: { sink_id, reason: "enough", by } },
  resume: { type: "resume", data: { sink_id, by } },
  replay: { type: "replay", data: { sink_id, from_position: 1, by } },
  delete: { type: "delete", data: { sink_id, by } },
};
/** What is appended; "-" is accepted and nothing new. */
const OUTCOMES: Readonly<Record<Sink["status"], Readonly<Record<SinkCommand["type"], string>>>> = {
  none: {
    create: "sink.created",
    change: "sink_not_found",
    pause: "sink_not_found",
    resume: "sink_not_found",
    replay: "sink_not_found",
    delete: "sink_not_found",
  },
  active: { create: "-", change: "sink.changed", pause: "sink.paused", resume: "-", replay: "sink.replayed", delete: "sink.deleted" },
  paused: { create: "-", change: "sink.changed", pause: "-", resume: "sink.resumed", replay: "sink.replayed", delete: "sink.deleted" },
  deleted: {
    create: "-",
    change: "sink_not_found",
    pause: "sink_not_found",
    resume: "sink_not_found",
    replay: "sink_not_found",
    delete: "sink_not_found",
  },
};
const HISTORIES: Readonly<Record<Sink["status"], readonly SinkCommand["type"][]>> = {
  none: [],
  active: ["create"],
  paused: ["create", "pause"],
  deleted: ["create", "delete"],
};

test.each(Object.entries(OUTCOMES).flatMap(([state, row]) => Object.entries(row).map(([command, outcome]) => [state, command, outcome])))(
  "%s, %s: %s",
  (state, command, outcome) => {
    let now: Sink = sink.initial;
    for (const past of HISTORIES[state as Sink["status"]]) {
      const decision = sink.decide(now, COMMANDS[past]);
      for (const event of decision.events ?? []) now = sink.evolve(now, event);
    }
    expect(now.status).toBe(state);
    const decision = sink.decide(now, COMMANDS[command as SinkCommand["type"]]);
    expect(decision.ok ? (decision.events[0]?.type ?? "-") : decision.refusal.code).toBe(outcome);
  },
);
