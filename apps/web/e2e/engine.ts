/* A run as an engine does it, by the routes that engines use: steps, tool calls, artifacts, and how it ended. */
import type { People } from "./people.ts";

export interface Task {
  readonly run: string;
  readonly step: string;
  tool(name: string, of: { output?: string; error?: string; title?: string }): Promise<string>;
  artifact(name: string, of: object): Promise<string>;
  complete(summary: string): Promise<void>;
  fail(message: string): Promise<void>;
}

export async function workOn(people: People, room: string, title: string): Promise<Task> {
  const token = people.server.owner;
  const { id: run } = await people.post<{ id: string }>(token, "/v1/runs", {
    room_id: room,
    title,
    goal: `Do **${title}**.`,
    max_attempts: 1,
  });
  const { run: claimed } = await people.post<{ run: { claim_token: string; epoch: number } }>(token, "/v1/runs/claim", { room_id: room });
  const fence = { claim_token: claimed.claim_token, epoch: claimed.epoch };
  await people.post(token, `/v1/runs/${run}/start`, fence);
  const { id: step } = await people.post<{ id: string }>(token, `/v1/runs/${run}/steps`, { ...fence, kind: "work", title: "Look around" });
  return {
    run,
    step,
    async tool(name, { output = "", error, title: what = name }) {
      const { id } = await people.post<{ id: string }>(token, `/v1/steps/${step}/toolcalls`, {
        ...fence,
        name,
        title: what,
        arguments: { command: what },
      });
      if (error === undefined) await people.post(token, `/v1/toolcalls/${id}/succeed`, { ...fence, output, duration_ms: 1200 });
      else await people.post(token, `/v1/toolcalls/${id}/fail`, { ...fence, error, duration_ms: 12 });
      return id;
    },
    artifact: async (name, of) => (await people.post<{ id: string }>(token, `/v1/steps/${step}/artifacts`, { ...fence, name, ...of })).id,
    complete: (summary) => people.post(token, `/v1/runs/${run}/complete`, { ...fence, summary }),
    fail: (message) => people.post(token, `/v1/runs/${run}/fail`, { ...fence, code: "agent_failed", message }),
  };
}
