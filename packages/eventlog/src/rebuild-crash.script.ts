/* Rebuilds the counters and says how far it is; it waits at the step that it is told to, until somebody kills it. Started by rebuild.pg.test.ts. */
import { Client, type ClientConfig } from "pg";
import { counterSchema } from "./fixtures.ts";
import { rebuild } from "./rebuild.ts";

const connection = JSON.parse(process.argv[2] ?? "{}") as ClientConfig;
const stayAt = JSON.parse(process.argv[3] ?? '""') as string;
const client = new Client(connection);
await client.connect();
const say = (step: string): void => {
  process.stdout.write(`${step}\n`);
  // The thread itself stays, so that not one more statement leaves.
  if (step === stayAt) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
};
await rebuild(client, counterSchema, { onProgress: ({ step }) => say(step) });
say("done");
