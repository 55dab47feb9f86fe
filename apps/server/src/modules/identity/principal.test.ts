import type { PrincipalId } from "@signalbox/contract/primitives";
import { describe, expect, test } from "vitest";
import { principal, type PrincipalCommand, type PrincipalState } from "./principal.ts";

const id = "usr_01J00000000000000000000000" as PrincipalId;
const COMMANDS = {
  register: { type: "register", id, principalType: "user", displayName: "P" },
  log_in: { type: "log_in", id },
  make_link: { type: "make_link", id },
  open_login: { type: "open_login", id, loginId: "login_1", method: "code" },
  end_login: { type: "end_login", id, loginId: "login_1" },
  delete: { type: "delete", id },
} as const satisfies Record<string, PrincipalCommand>;
type History = "unknown" | "registered" | "signed in" | "signed out" | "deleted";
const HISTORIES: Readonly<Record<History, readonly PrincipalCommand[]>> = {
  unknown: [],
  registered: [COMMANDS.register],
  "signed in": [COMMANDS.register, COMMANDS.open_login],
  "signed out": [COMMANDS.register, COMMANDS.open_login, COMMANDS.end_login],
  deleted: [COMMANDS.register, COMMANDS.delete],
};
const KNOWN = {
  register: "",
  log_in: "login.succeeded",
  make_link: "login.link_made",
  open_login: "login.opened",
  end_login: "login.ended",
  delete: "principal.deleted",
} as const;
const TABLE: Readonly<Record<History, Readonly<Record<keyof typeof COMMANDS, string>>>> = {
  unknown: {
    register: "principal.registered",
    log_in: "principal_not_found",
    make_link: "principal_not_found",
    open_login: "principal_not_found",
    end_login: "principal_not_found",
    delete: "principal_not_found",
  },
  registered: KNOWN,
  "signed in": KNOWN,
  // Ended once: whoever tells it again tells nothing.
  "signed out": { ...KNOWN, end_login: "" },
  // Nobody comes back under that id, also by what was on its way.
  deleted: {
    register: "principal_not_found",
    log_in: "principal_not_found",
    make_link: "principal_not_found",
    open_login: "principal_not_found",
    end_login: "principal_not_found",
    delete: "",
  },
};

function after(commands: readonly PrincipalCommand[]): PrincipalState {
  let state = principal.initial;
  for (const command of commands) {
    const decision = principal.decide(state, command);
    if (!decision.ok) throw new Error(`${command.type} was refused`);
    for (const event of decision.events) state = principal.evolve(state, event);
  }
  return state;
}

describe.each(Object.keys(HISTORIES) as History[])("%s", (history) => {
  for (const [name, expected] of Object.entries(TABLE[history]))
    test(`${name} -> ${expected || "nothing"}`, () => {
      const decision = principal.decide(after(HISTORIES[history]), COMMANDS[name as keyof typeof COMMANDS]);
      expect(decision.ok ? decision.events.map(({ type }) => type).join() : decision.refusal.code).toBe(expected);
    });
});

test("another sign-in ends though one has", () => {
  const decision = principal.decide(after(HISTORIES["signed out"]), { ...COMMANDS.end_login, loginId: "login_2" });
  expect(decision.ok && decision.events).toHaveLength(1);
});
