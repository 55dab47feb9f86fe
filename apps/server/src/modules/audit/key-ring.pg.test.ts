import { getAuditKeys, redactEvent, rotateAuditKey } from "@signalbox/contract/log";
import { systemClock } from "@signalbox/kernel/clock";
import { verifyExport } from "@signalbox/verify/export";
import { nodePrimitives } from "@signalbox/verify/node";
import { parseKey } from "@signalbox/verify/note";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { auditStage, ORG, origin } from "./audit.fixture.ts";
import { checkpoint } from "./checkpoint.ts";
import { signerOf } from "./key-ring.ts";
import { createAudit } from "./public.ts";
import { openSigningKeys } from "./signing-key.ts";

const stage = auditStage();

test("after two rotations the first key alone still verifies, and the list says how each key came", async () => {
  const { key: first } = await stage.deps.keys.first(ORG);
  await stage.write("room_a", "before");
  const second = (await stage.call(rotateAuditKey, { body: { reason: "yearly", replace_lost: false } })) as { key_id: string };
  await stage.write("room_a", "between");
  await checkpoint(stage.database.pool("sb_log"), stage.deps.keys, ORG, systemClock.now());
  const third = (await stage.call(rotateAuditKey, { body: { replace_lost: false } })) as { key_id: string };
  const report = await verifyExport(nodePrimitives, await stage.exported(), [await parseKey(nodePrimitives, first.text)]);
  expect(report).toMatchObject({ valid: true, uncovered: 0, problems: [] });
  expect(report.signed_by).toEqual([first.id, second.key_id, third.key_id]);
  expect(report.rotations.map(({ to }) => to)).toEqual([second.key_id, third.key_id]);
  const ring = (await stage.call(getAuditKeys, {})) as { keys: { key_id: string; status: string; introduced: string }[] };
  expect(ring.keys).toMatchObject([
    { key_id: first.id, status: "retired", introduced: "first" },
    { key_id: second.key_id, status: "retired", introduced: "rotated" },
    { key_id: third.key_id, status: "current", introduced: "rotated" },
  ]);
  // A server that starts anew signs with the newest too.
  const later = await signerOf(stage.database.pool("sb_log"), ORG, await openSigningKeys(stage.directory));
  expect(later.key.id).toBe(third.key_id);
});

test("two who rotate at once end with one new key in force", async () => {
  const answers = (await Promise.all([1, 2, 3].map(() => stage.call(rotateAuditKey, { body: { replace_lost: false } })))) as {
    ok?: false;
    refusal?: { code: string };
  }[];
  const refusals = answers.filter(({ ok }) => ok === false);
  for (const { refusal } of refusals) expect(refusal!.code).toBe("key_rotated_meanwhile");
  const { keys: ring } = (await stage.call(getAuditKeys, {})) as { keys: { status: string }[] };
  expect(ring.filter(({ status }) => status === "current")).toHaveLength(1);
  const verifier = (await stage.deps.keys.first(ORG)).key;
  expect(await verifyExport(nodePrimitives, await stage.exported(), [verifier])).toMatchObject({ valid: true });
});

test("without its private key nothing is signed by another in its place; replaced, verifiers say so", async () => {
  const pool = stage.database.pool("sb_log");
  const { key } = await signerOf(pool, ORG, stage.deps.keys);
  await rename(join(stage.directory, `checkpoint-${ORG}-${key.id}.pem`), join(stage.directory, "elsewhere.pem"));
  const reopened = await openSigningKeys(stage.directory);
  const fresh = createAudit({ ...stage.deps, keys: reopened });
  await stage.write("room_a", "unsigned");
  expect(await fresh.health!()).toMatchObject({ ok: false, detail: expect.stringContaining(key.id) as string });
  const rotate = fresh.routes.find(({ route }) => route.id === rotateAuditKey.id)!.handler as (of: unknown) => Promise<unknown>;
  const request = { caller: { organizationId: ORG }, now: systemClock.now(), origin };
  await expect(checkpoint(pool, reopened, ORG, systemClock.now())).rejects.toMatchObject({ code: "signing_key_missing" });
  await expect(rotate({ ...request, body: { replace_lost: false } })).rejects.toMatchObject({ code: "signing_key_missing" });
  const replaced = (await rotate({ ...request, body: { replace_lost: true } })) as { key_id: string; introduced: string };
  expect(replaced.introduced).toBe("replaced");
  expect(await fresh.health!()).toMatchObject({ ok: true });
  const report = await verifyExport(nodePrimitives, await stage.exported(), [(await stage.deps.keys.first(ORG)).key]);
  expect(report.valid).toBe(false);
  expect(report.problems.join()).toContain(`is signed by key ${replaced.key_id}, which is not among the given public keys`);
  expect(report.problems.join()).toContain("it was replaced, not rotated");
});

test("what a key was handed over by cannot be erased", async () => {
  const [event] = await stage.database.rows<{ event_id: string }>(
    "select event_id from evt_events where type = 'checkpoint.key_rotated' limit 1",
  );
  expect(await stage.call(redactEvent, { body: { event_id: event!.event_id, reason: "no" } })).toMatchObject({
    ok: false,
    refusal: { code: "event_is_evidence" },
  });
});
