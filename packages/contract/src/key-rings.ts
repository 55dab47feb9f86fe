/* The keys that the installation signs tokens with. They rotate by themselves; an operator may hurry it. */
import { z } from "zod";
import { Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

/** `sync`: tokens of sockets; `service`: requests between the roles; `capability`: roots of capabilities. */
export const KeyRingName = z.enum(["sync", "service", "capability"]).meta({ id: "KeyRingName" });
export const KeyRingView = z
  .object({
    ring: KeyRingName,
    /** A key signs until the one after it is this old. */
    rotates_every_s: z.int(),
    /** And goes on verifying for so long. */
    kept_s: z.int(),
    /** Newest first; by name only. */
    keys: z.array(z.object({ kid: z.string(), created_at: Timestamp })),
  })
  .meta({ id: "KeyRing" });

export const listKeyRings = route({
  id: "key_rings.list",
  summary: "Rings of keys of this installation (operators)",
  method: "GET",
  path: "/v1/key-rings",
  ok: z.object({ items: z.array(KeyRingView) }).meta({ id: "KeyRings" }),
  refusals: {},
  access: "operator",
});
export const rotateKeyRing = route({
  id: "key_rings.rotate",
  summary: "Make another key now (operators); with drop, what was signed with those before ends within a second",
  method: "POST",
  path: "/v1/key-rings/:ring/rotate",
  params: z.object({ ring: KeyRingName }),
  body: z.object({ drop: z.boolean().default(false) }),
  ok: KeyRingView,
  refusals: {},
  access: "operator",
});
