import { expect, test } from "vitest";
import { question, type Question, type QuestionCommand, type QuestionRefusal } from "./question.ts";

const ask = (of: object = {}): QuestionCommand => ({
  type: "ask",
  data: {
    question_id: "qst_1",
    text: "Which?",
    options: [{ label: "red" }, { label: "blue" }],
    multiple: false,
    free_text: false,
    ...of,
  } as never,
});
const answer = (options: string[], text?: string): QuestionCommand => ({ type: "answer", options, text, by: "usr_a" });
const dismiss: QuestionCommand = { type: "dismiss", by: "usr_a" };

function after(...commands: QuestionCommand[]): Question {
  return commands.reduce<Question>((state, command) => {
    const decision = question.decide(state, command);
    if (!decision.ok) throw new Error(`${command.type}: ${decision.refusal.code}`);
    return decision.events.reduce(question.evolve, state);
  }, question.initial);
}
const outcome = (state: Question, command: QuestionCommand): Question["status"] | QuestionRefusal["code"] => {
  const decision = question.decide(state, command);
  return decision.ok ? decision.events.reduce(question.evolve, state).status : decision.refusal.code;
};

type Row = Record<QuestionCommand["type"], Question["status"] | QuestionRefusal["code"]>;
const MACHINE: Record<Question["status"], Row> = {
  none: { ask: "open", answer: "question_not_found", dismiss: "question_not_found" },
  open: { ask: "open", answer: "answered", dismiss: "dismissed" },
  answered: { ask: "answered", answer: "question_closed", dismiss: "question_closed" },
  dismissed: { ask: "dismissed", answer: "question_closed", dismiss: "question_closed" },
};
const STATE: Record<Question["status"], Question> = {
  none: question.initial,
  open: after(ask()),
  answered: after(ask(), answer(["red"])),
  dismissed: after(ask(), dismiss),
};
const COMMAND: Record<QuestionCommand["type"], QuestionCommand> = { ask: ask(), answer: answer(["red"]), dismiss };

test.each(
  Object.entries(MACHINE).flatMap(([state, row]) => Object.entries(row).map(([command, expected]) => [state, command, expected] as const)),
)("%s, %s: %s", (state, command, expected) =>
  expect(outcome(STATE[state as Question["status"]], COMMAND[command as QuestionCommand["type"]])).toBe(expected),
);

test.each([
  ["nothing at all", {}, answer([])],
  ["an option that there is not", {}, answer(["green"])],
  ["two of which one may be chosen", {}, answer(["red", "blue"])],
  ["own words where none are taken", {}, answer([], "mauve")],
])("%s is no answer", (_what, of, command) => expect(outcome(after(ask(of)), command)).toBe("answer_not_possible"));

test("several options, own words, and both are answers where the question takes them", () => {
  const open = after(ask({ multiple: true, free_text: true }));
  for (const command of [answer(["red", "blue"]), answer([], "mauve"), answer(["red"], "but pale")])
    expect(outcome(open, command)).toBe("answered");
});
