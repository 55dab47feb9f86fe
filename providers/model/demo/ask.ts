/*
 * Asking a person: the demo model does so when the prompt tells it to, in one line of the form
 *
 *   ask: Which colour? | red | blue
 *
 * and says what it was told. Nothing else of the prompt is done then.
 */
import { currentTurn, type Conversation, type Reply, type ToolOffer } from "./conversation.ts";

const TOLD = /^\s*ask:\s*(.+)$/im;
const QUESTION = /^(question|ask|ask_user|ask_question)$/i;

/** Null when it was not told to ask. */
export function askWhenTold(conversation: Conversation): Reply | null {
  const { prompt, done } = currentTurn(conversation);
  const told = TOLD.exec(prompt)?.[1];
  if (told === undefined) return null;
  const call = questionCall(conversation.tools, told);
  if (call === null) return { text: "I was told to ask, but this client offers no way to do that.", calls: [] };
  const answered = done.find(({ name }) => QUESTION.test(name));
  return answered === undefined
    ? { text: "I ask.", calls: [call] }
    : { text: `I was told: ${answered.output.replaceAll(/\s+/g, " ").trim().slice(0, 300)}`, calls: [] };
}

/** `Question? | option | option`, as the client's own tool takes it. */
export function questionCall(tools: readonly ToolOffer[], told: string): Reply["calls"][number] | null {
  const offer = tools.find(({ name, properties }) => QUESTION.test(name) && properties.includes("questions"));
  if (offer === undefined) return null;
  const [question = "", ...options] = told.split("|").map((part) => part.trim());
  return {
    name: offer.name,
    arguments: {
      questions: [{ question, header: question.slice(0, 30), options: options.map((label) => ({ label, description: label })) }],
    },
  };
}
