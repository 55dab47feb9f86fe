/* The agent's own choice of models: the configuration option of category `model` that it may offer with a session. */
import { setTimeout as sleep } from "node:timers/promises";
import { methods, RequestError, type ClientConnection, type SessionConfigOption } from "@agentclientprotocol/sdk";
import { AgentModelError } from "../port.ts";

const ANSWER_MS = 10_000;

type ModelChoice = { id: string; current: string; values: string[] };

/** Null when it offers none. */
export function modelChoice(options: readonly SessionConfigOption[] | null | undefined): ModelChoice | null {
  const option = options?.find(({ category }) => category === "model");
  if (option?.type !== "select") return null;
  const values = option.options.flatMap((one) => ("options" in one ? one.options : [one])).map(({ value }) => value);
  return { id: option.id, current: option.currentValue, values };
}

/** Throws `AgentModelError` when the agent refuses, keeps another one, or does not answer. */
export async function chooseModel(connection: ClientConnection, sessionId: string, configId: string, value: string): Promise<void> {
  try {
    const answer = await Promise.race([
      connection.agent.request(methods.agent.session.setConfigOption, { sessionId, configId, value }),
      sleep(ANSWER_MS, null, { ref: false }),
    ]);
    if (answer === null) throw new AgentModelError(`the agent did not say whether it changes to ${value}`);
    const now = modelChoice(answer.configOptions)?.current;
    if (now !== undefined && now !== value) throw new AgentModelError(`the agent stays on ${now}`);
  } catch (error) {
    if (error instanceof RequestError)
      throw new AgentModelError(`the agent does not change to ${value}: ${error.message}`, { cause: error });
    throw error;
  }
}
