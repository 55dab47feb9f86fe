import { databaseTest } from "@signalbox/testkit/database";
import { beforeAll, expect, test } from "vitest";
import { add, counter, ORG, origin, room, target } from "./fixtures.ts";
import type { PostgresLog } from "./postgres-log.ts";

const db = databaseTest();
let log: PostgresLog;
const TOKEN = ["ghp", "_", "Zz09".repeat(9)].join("");

beforeAll(async () => {
  log = await db.log({ secrets: { secretsOf: () => [{ name: "DEPLOY_KEY", value: "correct horse battery" }] } });
});

const everythingStored = async () =>
  JSON.stringify([
    await db.rows("select * from evt_events"),
    await db.rows("select data from evt_payloads"),
    await db.rows("select * from evt_idempotency"),
  ]);

test("a secret is replaced before it is hashed or stored, and two records in the same commit say so", async () => {
  const { recorded } = await log.run(counter, target("leak", room("leak")), add(1, `push with ${TOKEN} and correct horse battery`));
  expect(recorded).toHaveLength(1);
  expect(recorded[0]).toMatchObject({
    redaction: "partial",
    event: { data: { note: "push with [redacted:github_token] and [redacted:secret:DEPLOY_KEY]" } },
  });
  const [source, leaked, redacted] = await log.readStream(ORG, room("leak"), { afterSeq: 0, limit: 10 });
  expect(leaked).toMatchObject({
    event: {
      type: "secret.leaked.detected",
      data: {
        target_event_id: source?.eventId,
        source_type: "counter.added",
        match_count: 2,
        rule_ids: ["github_token", "secret:DEPLOY_KEY"],
      },
    },
    causationId: source?.eventId,
    principal: { id: "svc_dlp", type: "service" },
  });
  expect(redacted).toMatchObject({
    event: { type: "event.redacted", data: { target_event_id: source?.eventId, reason: "dlp_secret_detected", level: "partial" } },
    redaction: "none",
  });
  const stored = await everythingStored();
  expect(stored).not.toContain(TOKEN);
  expect(stored).not.toContain("correct horse");
});

test("a secret in what callers put into the envelope or into a stored outcome is replaced too", async () => {
  const result = await log.unit(
    {
      organizationId: ORG,
      origin: { ...origin, correlationId: `cor ${TOKEN}`, causationId: TOKEN },
      idempotency: { key: "k1", bodyHash: "b" },
    },
    async (unit) => {
      await unit.decide(counter, room("env"), "counter:env", add(1));
      return { token: TOKEN };
    },
  );
  expect(result.events[0]).toMatchObject({ correlationId: "cor [redacted:github_token]", redaction: "partial" });
  expect(result.value.token).toBe(TOKEN); // the caller who made it still gets it, once
  expect(await everythingStored()).not.toContain(TOKEN);
});

test("the state that commands are decided on is the one that the log tells", async () => {
  await log.run(counter, target("same", room("same")), add(1, `\u0000 ${TOKEN}`));
  const other = await db.log();
  expect(await log.state(counter, ORG, "counter:same")).toEqual(await other.state(counter, ORG, "counter:same"));
});
