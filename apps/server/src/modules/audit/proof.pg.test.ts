import { proveEvent, redactEvent, rotateAuditKey, verifyStream } from "@signalbox/contract/log";
import { verifyExport } from "@signalbox/verify/export";
import { nodePrimitives } from "@signalbox/verify/node";
import { verifyProof } from "@signalbox/verify/proof";
import { expect, test } from "vitest";
import { auditStage, ORG } from "./audit.fixture.ts";

let visible: readonly string[] | null = null;
const stage = auditStage(() => ({ visibleRooms: () => Promise.resolve(visible) }));
const firstKey = async () => [(await stage.deps.keys.first(ORG)).key];

test("every event can be proved with the first key alone, also after a rotation", async () => {
  const before = await stage.write("room_a", "before the rotation");
  expect(await verifyProof(nodePrimitives, await stage.call(proveEvent, { query: { event_id: before } }), await firstKey())).toMatchObject({
    valid: true,
    event_id: before,
  });
  await stage.call(rotateAuditKey, { body: { replace_lost: false } });
  const after = await stage.write("room_a", "after the rotation");
  await stage.write("room_b", "and more");
  const proof = JSON.parse(JSON.stringify(await stage.call(proveEvent, { query: { event_id: after } }))) as object;
  expect(await verifyProof(nodePrimitives, proof, await firstKey())).toMatchObject({ valid: true, event_id: after, rotations: [{}] });
  const placed = await stage.call(proveEvent, { query: { stream: "room:room_a", seq: 1 } });
  expect(await verifyProof(nodePrimitives, placed, await firstKey())).toMatchObject({ valid: true, stream: "room:room_a", seq: 1 });
});

test("who is not in the room gets no proof, and learns nothing", async () => {
  const secret = await stage.write("room_a", "secret");
  visible = ["room_b"];
  expect(await stage.call(proveEvent, { query: { event_id: secret } })).toMatchObject({ refusal: { code: "event_not_found" } });
  expect(await stage.call(proveEvent, { query: { stream: `organization:${ORG}`, seq: 1 } })).toMatchObject({
    refusal: { code: "event_not_found" },
  });
  visible = null;
  expect(await stage.call(proveEvent, { query: { event_id: secret } }, "ws_other")).toMatchObject({ refusal: { code: "event_not_found" } });
  expect(await stage.call(proveEvent, { query: {} })).toMatchObject({ refusal: { code: "event_not_named" } });
});

test("erasing an event erases the content that only it names, and the log and exports say so", async () => {
  const { blobs } = stage.deps;
  const own = (await blobs.put(ORG, "a picture of somebody")).sha256;
  const shared = (await blobs.put(ORG, "a picture of a house")).sha256;
  const target = await stage.write("room_p", { text: "look", content_sha256: own, also: [shared] });
  await stage.write("room_p", { text: "me too", content_sha256: shared });
  await stage.call(redactEvent, { body: { event_id: target, reason: "asked by the person" } });
  expect(await blobs.get(ORG, own)).toBeNull();
  expect(await blobs.get(ORG, shared)).not.toBeNull();
  expect(await stage.call(verifyStream, { query: { stream: "room:room_p", from_seq: 0 } })).toMatchObject({ valid: true });
  const report = await verifyExport(nodePrimitives, await stage.exported(), await firstKey());
  expect(report).toMatchObject({ valid: true, erased: 1 });
  expect(report.redactions).toMatchObject([
    { target_event_id: target, by: "usr_owner", reason: "asked by the person", level: "full", content: [own] },
  ]);
  const proof = await stage.call(proveEvent, { query: { event_id: target } });
  expect(await verifyProof(nodePrimitives, proof, await firstKey())).toMatchObject({ valid: true, erased: true });
});

test("a server killed after recording an erasure makes up for it: payload and content go with the job", async () => {
  const { blobs } = stage.deps;
  const own = (await blobs.put(ORG, "another picture")).sha256;
  const target = await stage.write("room_p", { text: "look", content_sha256: own });
  await stage.call(redactEvent, { body: { event_id: target, reason: "once more" } });
  // As it stood in between: the job is all that is left to do it.
  await blobs.put(ORG, "another picture");
  await stage.audit.jobs["audit.erase"]!({
    id: "1",
    kind: "audit.erase",
    organizationId: ORG,
    payload: { target },
    attempt: 1,
    fence: 1,
    signal: new AbortController().signal,
  });
  expect(await blobs.get(ORG, own)).toBeNull();
});
