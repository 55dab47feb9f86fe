import type { RoomEvent } from "@signalbox/contract/events/rooms";
import type { PrincipalId, RoomId } from "@signalbox/contract/primitives";
import { expect, test } from "vitest";
import { room, type Room, type RoomCommand } from "./room.ts";

const ID = `room_${"0".repeat(26)}` as RoomId;
const OWNER = "usr_owner" as PrincipalId;
const GUEST = "usr_guest" as PrincipalId;

type RoomOwnEvent = Extract<RoomEvent, { type: `room.${string}` }>;
const created: RoomOwnEvent[] = [
  { type: "room.created", data: { room_id: ID, title: "A" } },
  { type: "room.member_added", data: { room_id: ID, principal_id: OWNER, role: "owner" } },
];
const joined: RoomOwnEvent[] = [...created, { type: "room.member_added", data: { room_id: ID, principal_id: GUEST, role: "viewer" } }];
const left: RoomOwnEvent[] = [...joined, { type: "room.member_removed", data: { room_id: ID, principal_id: GUEST } }];

const archived: RoomOwnEvent[] = [...joined, { type: "room.archived", data: { room_id: ID, by: OWNER } }];

const HISTORY = { none: [], created, joined, left, archived } as const;
const COMMAND: Record<
  "create" | "add" | "add_again" | "promote" | "remove" | "rename" | "same_name" | "archive" | "unarchive",
  RoomCommand
> = {
  create: { type: "create", id: ID, title: "A", by: OWNER },
  add: { type: "add_member", principalId: GUEST, role: "viewer" },
  add_again: { type: "add_member", principalId: OWNER, role: "owner" },
  promote: { type: "add_member", principalId: GUEST, role: "approver" },
  remove: { type: "remove_member", principalId: GUEST },
  rename: { type: "rename", title: "B", by: OWNER },
  same_name: { type: "rename", title: "A", by: OWNER },
  archive: { type: "archive", by: OWNER },
  unarchive: { type: "unarchive", by: OWNER },
};

const OPEN = { rename: ["room.renamed"], same_name: [], archive: ["room.archived"], unarchive: [] } as const;
/** What each command does in each history: the events' types, or the refusal. */
const MACHINE: Record<keyof typeof HISTORY, Record<keyof typeof COMMAND, readonly string[] | string>> = {
  none: {
    create: ["room.created", "room.member_added"],
    add: "room_not_found",
    add_again: "room_not_found",
    promote: "room_not_found",
    remove: "room_not_found",
    rename: "room_not_found",
    same_name: "room_not_found",
    archive: "room_not_found",
    unarchive: "room_not_found",
  },
  created: { create: [], add: ["room.member_added"], add_again: [], promote: ["room.member_added"], remove: "member_not_found", ...OPEN },
  joined: { create: [], add: [], add_again: [], promote: ["room.member_added"], remove: ["room.member_removed"], ...OPEN },
  left: { create: [], add: ["room.member_added"], add_again: [], promote: ["room.member_added"], remove: "member_not_found", ...OPEN },
  archived: {
    create: [],
    add: [],
    add_again: [],
    promote: ["room.member_added"],
    remove: ["room.member_removed"],
    rename: ["room.renamed"],
    same_name: [],
    archive: [],
    unarchive: ["room.unarchived"],
  },
};

for (const [history, row] of Object.entries(MACHINE) as [keyof typeof HISTORY, (typeof MACHINE)["none"]][]) {
  for (const [name, expected] of Object.entries(row) as [keyof typeof COMMAND, readonly string[] | string][]) {
    test(`${history} + ${name} -> ${typeof expected === "string" ? expected : expected.join(", ") || "nothing"}`, () => {
      const state = HISTORY[history].reduce<Room>(room.evolve, room.initial);
      const decision = room.decide(state, COMMAND[name]);
      expect(decision.ok ? decision.events.map((event) => event.type) : decision.refusal.code).toEqual(expected);
    });
  }
}

test("whoever makes a room owns it", () => {
  const state = created.reduce<Room>(room.evolve, room.initial);
  expect(state.status === "open" && state.members.get(OWNER)).toBe("owner");
});
