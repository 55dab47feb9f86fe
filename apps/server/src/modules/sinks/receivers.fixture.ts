/* Receivers on loopback that speak the real wire: a webhook's, and Convex's HTTP API with its errors. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";

export interface Received {
  readonly id: string;
  readonly event: { readonly specversion: string; readonly type: string; readonly id: string; readonly data: Record<string, unknown> };
}
export interface Receiver {
  readonly url: string;
  readonly received: Received[];
  /** Answers with these first, one a message. */
  answer(...statuses: number[]): void;
  /** Until the returned function is called messages are taken, and not answered. */
  hold(): () => void;
  secret(secret: string): void;
  close(): Promise<void>;
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

async function serve(handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>) {
  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = [];
  const statuses: number[] = [];
  let verifier: Webhook | null = null;
  let held: Promise<void> = Promise.resolve();
  const served = await serve(async (request, response) => {
    const body = await bodyOf(request);
    const headers = request.headers as Record<string, string>;
    try {
      // Throws on a wrong signature, and on a time that is five minutes off.
      verifier?.verify(body, headers);
    } catch {
      response.writeHead(401).end();
      return;
    }
    const status = statuses.shift() ?? 204;
    if (status < 300) received.push({ id: headers["webhook-id"]!, event: JSON.parse(body) as Received["event"] });
    await held;
    response.writeHead(status).end();
  });
  return {
    ...served,
    received,
    answer: (...given) => void statuses.push(...given),
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      return () => {
        held = Promise.resolve();
        resolve();
      };
    },
    secret: (secret) => (verifier = new Webhook(secret)),
  };
}

export interface StandInConvex {
  readonly url: string;
  readonly key: string;
  readonly events: Map<string, { event_id: string; position: number; hash: string; envelope: string }>;
  close(): Promise<void>;
}

/** As the deployment with deploy/convex/signalbox.ts answers; other functions and keys as Convex refuses them. */
export async function startConvex(): Promise<StandInConvex> {
  const key = "prod:happy-animal-123|0123456789abcdef";
  const events: StandInConvex["events"] = new Map();
  const served = await serve(async (request, response) => {
    const answer = (status: number, value: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (request.headers.authorization !== `Convex ${key}`)
      return void answer(401, { code: "BadDeployKey", message: "The provided deploy key was invalid for deployment 'happy-animal-123'" });
    const { path, args, format } = JSON.parse(await bodyOf(request)) as { path: string; args: Record<string, never>; format: string };
    if (format !== "json") return void answer(400, { code: "BadJsonBody", message: "format must be json" });
    if (request.url === "/api/mutation" && path === "signalbox:ingest") {
      const given = args["events"] as unknown as { event_id: string; position: number; hash: string; envelope: string }[];
      if (given.some(({ envelope }) => typeof envelope !== "string"))
        return void answer(560, { status: "error", errorMessage: "[Request ID: 1] Server Error\nArgumentValidationError: envelope" });
      for (const one of given) events.set(one.event_id, one);
      return void answer(200, { status: "success", value: given.length, logLines: [] });
    }
    if (request.url === "/api/query" && path === "signalbox:window") {
      const [from, to] = [Number(args["from"]), Number(args["to"])];
      const value = [...events.values()]
        .filter(({ position }) => position >= from && position <= to)
        .map(({ position, hash }) => ({ position, hash }));
      return void answer(200, { status: "success", value, logLines: [] });
    }
    answer(200, { status: "error", errorMessage: `[Request ID: 1] Server Error\nCould not find public function for '${path}'.` });
  });
  return { ...served, key, events };
}
