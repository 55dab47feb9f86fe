import type { SingleSignOnEvent } from "@signalbox/contract/events/single-sign-on";
import type { DomainId, OrganizationId, OrganizationRole, PrincipalId } from "@signalbox/contract/primitives";
import { expect, test } from "vitest";
import { domain, type DomainCommand, type Domain, normalDomain } from "./domain.ts";
import { roleFrom, singleSignOn, type SingleSignOn, type SingleSignOnCommand, type SingleSignOnSettings } from "./single-sign-on.ts";

const ID = "ws_a" as OrganizationId;
const SETTINGS: SingleSignOnSettings = {
  issuer: "https://idp.example",
  clientId: "c",
  roleClaim: null,
  roleMapping: [],
  defaultRole: "member",
  isRequired: false,
  trustsEmail: false,
};
const configure = (more: Partial<SingleSignOnSettings> = {}): SingleSignOnCommand => ({
  type: "configure",
  organizationId: ID,
  settings: { ...SETTINGS, ...more },
  secretChanged: true,
});
const worked: SingleSignOnCommand = { type: "worked", principalId: "usr_a" as PrincipalId };
const HISTORY = {
  none: [],
  untried: [configure()],
  tried: [configure(), worked],
  required: [configure(), worked, configure({ isRequired: true })],
  moved: [configure(), worked, configure({ issuer: "https://other.example" })],
  removed: [configure(), { type: "remove" }],
} as const satisfies Record<string, readonly SingleSignOnCommand[]>;
const COMMAND = {
  configure: configure(),
  require: configure({ isRequired: true }),
  require_another_client: configure({ isRequired: true, clientId: "d" }),
  worked,
  remove: { type: "remove" },
} as const satisfies Record<string, SingleSignOnCommand>;
type Row = Record<keyof typeof COMMAND, string>;
const FRESH: Row = {
  configure: "single_sign_on.configured",
  require: "single_sign_on_untried",
  require_another_client: "single_sign_on_untried",
  worked: "single_sign_on_not_found",
  remove: "single_sign_on_not_found",
};
const UNTRIED: Row = { ...FRESH, worked: "single_sign_on.worked", remove: "single_sign_on.removed" };
const TRIED: Row = { ...UNTRIED, require: "single_sign_on.configured", worked: "" };
const MACHINE: Record<keyof typeof HISTORY, Row> = {
  none: FRESH,
  untried: UNTRIED,
  tried: TRIED,
  required: TRIED,
  moved: { ...UNTRIED },
  removed: FRESH,
};

const after = (commands: readonly SingleSignOnCommand[]): SingleSignOn =>
  commands.reduce<SingleSignOn>((state, command) => {
    const decision = singleSignOn.decide(state, command);
    if (!decision.ok) throw new Error(decision.refusal.code);
    return decision.events.reduce(singleSignOn.evolve, state);
  }, singleSignOn.initial);

for (const [history, row] of Object.entries(MACHINE) as [keyof typeof HISTORY, Row][])
  for (const [name, expected] of Object.entries(row) as [keyof typeof COMMAND, string][])
    test(`${history} + ${name} -> ${expected || "nothing"}`, () => {
      const decision = singleSignOn.decide(after(HISTORY[history]), COMMAND[name]);
      expect(decision.ok ? decision.events.map((event) => event.type).join(" ") : decision.refusal.code).toBe(expected);
    });

const roles = (roleMapping: readonly (readonly [string, OrganizationRole])[], roleClaim: string | null = "groups") => ({
  roleClaim,
  roleMapping: roleMapping.map(([value, role]) => ({ value, role })),
  defaultRole: null,
});
test.each([
  [
    "of several the highest counts",
    roles([
      ["a", "viewer"],
      ["b", "admin"],
    ]),
    { groups: ["a", "b"] },
    "admin",
  ],
  ["one text is one value", roles([["a", "viewer"]]), { groups: "a" }, "viewer"],
  ["part of a text is none", roles([["a", "viewer"]]), { groups: "ab" }, null],
  ["what is no text is none", roles([["1", "viewer"]]), { groups: [1, null, {}] }, null],
  ["a path leads into objects", roles([["a", "viewer"]], "realm_access.roles"), { realm_access: { roles: ["a"] } }, "viewer"],
  ["a name with dots is a name", roles([["a", "viewer"]], "https://x.example/roles"), { "https://x.example/roles": ["a"] }, "viewer"],
  ["what every object has is no claim", roles([["a", "viewer"]], "constructor.name"), {}, null],
  ["without a claim nothing is mapped", roles([["a", "viewer"]], null), { groups: ["a"] }, null],
] as const)("%s", (_what, settings, claims, expected) => {
  expect(roleFrom(settings, claims).role).toBe(expected);
});

const DOMAIN: DomainCommand = { type: "claim", id: "dom_1" as DomainId, domain: "a.test", record: "r" };
test.each<[string, readonly DomainCommand[], DomainCommand, string]>([
  ["a claimed one is proven once", [DOMAIN], { type: "prove" }, "domain.proven"],
  ["a proven one is not proven again", [DOMAIN, { type: "prove" }], { type: "prove" }, ""],
  ["a claimed one offers nobody to join", [DOMAIN], { type: "set_joining", role: "member" }, "domain_unproven"],
  ["a proven one may", [DOMAIN, { type: "prove" }], { type: "set_joining", role: "member" }, "domain.joining_set"],
  ["a released one is gone", [DOMAIN, { type: "prove" }, { type: "release" }], { type: "prove" }, "domain_not_found"],
  ["nobody proves what was not claimed", [], { type: "prove" }, "domain_not_found"],
])("of domains %s", (_what, history, command, expected) => {
  const state = history.reduce<Domain>((at, each) => {
    const decision = domain.decide(at, each);
    return decision.ok
      ? (decision.events as readonly Extract<SingleSignOnEvent, { type: `domain.${string}` }>[]).reduce(domain.evolve, at)
      : at;
  }, domain.initial);
  const decision = domain.decide(state, command);
  expect(decision.ok ? decision.events.map((event) => event.type).join(" ") : decision.refusal.code).toBe(expected);
});

test("a domain has one spelling", () => {
  expect(["Example.COM", " @example.com. ", "ｅｘａｍｐｌｅ.com"].map(normalDomain)).toEqual(["example.com", "example.com", "example.com"]);
  expect(["localhost", "exаmple.com", "10.0.0.1", "-a.example", "a..b", ""].map(normalDomain)).toEqual([
    null,
    null,
    null,
    null,
    null,
    null,
  ]);
});
