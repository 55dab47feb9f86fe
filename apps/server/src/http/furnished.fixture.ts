/* A room with one of everything in it, so that every route can be asked about something that exists and is not the caller's. */
import type { Route } from "@signalbox/contract/route";
import { accept, type Decider } from "@signalbox/kernel/decider";
import { newId } from "@signalbox/kernel/id";
import { z } from "zod";
import type { Composed } from "../composed.fixture.ts";
import { sampleOf } from "./sample.fixture.ts";

/** By the prefix of their ids; `event`, `correlation` and `principal` by what they are. */
export type Ids = Readonly<Record<string, string>>;

const anything: Decider<null, { type: string; data: object }, { type: string; data: object }, never> = {
  initial: null,
  decide: (_state, event) => accept(event),
  evolve: () => null,
};

/** As somebody who may write there; what only an agent makes is written into the log as it would. */
export async function furnish(
  c: Composed,
  who: { readonly organizationId: string; readonly id: string; readonly token: string },
): Promise<Ids> {
  const ids: Record<string, string> = { principal: who.id };
  const post = async (url: string, body: object = {}, method = "POST", headers: Record<string, string> = {}) => {
    const answer = await c.call(method, url, { token: who.token, body, headers });
    if (answer.status >= 300) throw new Error(`${method} ${url}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  ids["room"] = (await post("/v1/rooms", { title: "Behind a door" })).id;
  const room_id = ids["room"]!;
  ids["th"] = (await post(`/v1/rooms/${room_id}/threads`)).id;
  await post(`/v1/threads/${ids["th"]}/messages`, { content_md: "secret" });
  ids["ses"] = (await post("/v1/sessions", { source: { type: "scratch" }, sandbox: "deferred", title: "Secret", room_id })).id;
  ids["shr"] = (await post(`/v1/sessions/${ids["ses"]}/shares`)).id;
  ids["run"] = (await post("/v1/runs", { room_id, title: "Secret" })).id;
  const { run } = await post("/v1/runs/claim", { room_id });
  const fence = { claim_token: run.claim_token, epoch: run.epoch };
  await post(`/v1/runs/${ids["run"]}/start`, fence);
  ids["correlation"] = run.correlation_id;
  ids["step"] = (await post(`/v1/runs/${ids["run"]}/steps`, { ...fence, kind: "agent" })).id;
  ids["tc"] = (await post(`/v1/steps/${ids["step"]}/toolcalls`, { ...fence, name: "bash", arguments: {} })).id;
  ids["art"] = (await post(`/v1/steps/${ids["step"]}/artifacts`, { ...fence, kind: "text", name: "a", text: "secret" })).id;
  await post(`/v1/durable/runs/${ids["run"]}/out`, {}, "PUT");
  ids["appr"] = (await post("/v1/approvals", { action: "git.push", title: "Secret", room_id, params: {}, request: {} })).id;
  const session_id = ids["ses"]!;
  const write = async (prefix: string, kind: string, type: string, data: object) => {
    const id = (ids[prefix] = newId(prefix as "trm"));
    await c.server.log.run(
      anything,
      {
        organizationId: who.organizationId,
        origin: { principal: { id: "svc_signalbox", type: "service" }, roomId: room_id, sessionId: session_id },
        stream: { type: "room", id: room_id },
        subject: `${kind}:${id}`,
      },
      { type, data: { ...data, [`${kind}_id`]: id } },
    );
  };
  await write("trm", "terminal", "terminal.opened", { session_id, cols: 80, rows: 24, by: who.id });
  await write("prv", "preview", "preview.created", { session_id, port: 3000, by: who.id, expires_at: "2099-01-01T00:00:00.000Z" });
  await write("qst", "question", "question.asked", {
    session_id,
    run_id: ids["run"],
    text: "Secret?",
    options: [],
    multiple: false,
    free_text: true,
    asked_by: who.id,
  });
  await write("act", "invocation", "invocation.requested", {
    action: "git.push",
    title: "Secret",
    risk: "write",
    params: {},
    call_hash: `sha256:${"1".repeat(64)}`,
    session_id,
    requested_by: who.id,
    decision: "require_approval",
    reason_code: "policy_requires_approval",
  });
  ids["event"] = (
    await c.call("GET", `/v1/events?stream_type=room&stream_id=${room_id}&limit=1`, { token: who.token })
  ).body.items[0].event_id;
  ids["tok"] = (await c.call("GET", "/v1/tokens", { token: who.token })).body.items[0].id;
  return ids;
}

/** Parameters that are more than an id. */
const SPECIAL: Readonly<Record<string, (ids: Ids) => string>> = {
  "events.get": (ids) => ids["event"]!,
  "correlations.inspect": (ids) => ids["correlation"]!,
  "attention.dismiss": (ids) => `approval:${ids["appr"]}`,
  "attention.restore": (ids) => `approval:${ids["appr"]}`,
  "sync.doc": (ids) => encodeURIComponent(`runtime/run_summary:${ids["run"]}`),
};
/** Members of a query or a body that name something which is somebody's. */
const NAMED: Readonly<Record<string, string>> = {
  room_id: "room",
  session_id: "ses",
  run_id: "run",
  thread_id: "th",
  correlation_id: "correlation",
  approval_id: "appr",
};

const keysOf = (schema: unknown): string[] => (schema instanceof z.ZodObject ? Object.keys(schema.shape) : []);

/** The same question about these ids, or, without any, about some that nobody has. */
export function question(route: Route, ids: Ids): { readonly url: string; readonly body: unknown; readonly names: number } {
  let names = 0;
  const named = (prefix: string, sample: string): string => {
    const id = ids[prefix];
    if (id === undefined) return sample;
    names++;
    return id;
  };
  const path = route.path.replaceAll(/:([a-z_A-Z]+)/g, (_, name: string) => {
    const special = SPECIAL[route.id];
    const sample = String(sampleOf(route.params!.shape[name] as never));
    if (special === undefined) return named(sample.split("_")[0]!, sample);
    names++;
    return special({ ...NOBODYS, ...ids });
  });
  const named_in = (schema: unknown): Record<string, unknown> => {
    const sample = schema === undefined ? {} : (sampleOf(schema as z.ZodType) as Record<string, unknown>);
    for (const key of keysOf(schema)) if (NAMED[key] !== undefined) sample[key] = named(NAMED[key], NOBODYS[NAMED[key]]!);
    return sample;
  };
  const query = new URLSearchParams(Object.entries(named_in(route.query)).map(([name, value]) => [name, String(value)])).toString();
  const body = route.body === undefined ? undefined : route.body instanceof z.ZodObject ? named_in(route.body) : sampleOf(route.body);
  return { url: path + (query === "" ? "" : `?${query}`), body, names };
}

/** Well-formed, and not there. */
export const NOBODYS: Ids = {
  room: `room_${"0".repeat(26)}`,
  th: `th_${"0".repeat(26)}`,
  ses: `ses_${"0".repeat(26)}`,
  run: `run_${"0".repeat(26)}`,
  appr: `appr_${"0".repeat(26)}`,
  event: "01890000-0000-7000-8000-000000000000",
  correlation: "req_00000000000000000000000000",
};

/** What an answer says once everything that is only an id is the same. */
export const said = (answer: { readonly status: number; readonly body: unknown }): string =>
  `${answer.status} ${JSON.stringify(answer.body)
    .replaceAll(/"(request_id|watermark|now|at|evaluation_hash)":"[^"]*"/g, '"$1":""')
    .replaceAll(/\b[a-z]{2,5}_[0-9A-HJKMNP-TV-Z]{26}\b/g, "ID")
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, "ID")}`;
