/*
 * One question of an agent to a person, answered at most once.
 *
 *            ask            answer
 *   (none) ─────► open ──┬─────────► answered
 *                        └─ dismiss ─► dismissed       (a person will not say, or the turn that asked has ended)
 *
 * Which answers are possible is the question's own word: options by their labels, one or several, own words or none.
 * What was answered once stays: whoever comes second is told so.
 */
import type { QuestionEvent } from "@signalbox/contract/events/questions";
import { accept, refuse, unreachable, type Decider, type Decision } from "@signalbox/kernel/decider";

type Asked = Extract<QuestionEvent, { type: "question.asked" }>["data"];

export type Question =
  | { readonly status: "none" }
  | { readonly status: "open" | "dismissed"; readonly about: Asked }
  | { readonly status: "answered"; readonly about: Asked; readonly options: readonly string[]; readonly text: string | null };

export type QuestionCommand =
  | { readonly type: "ask"; readonly data: Asked }
  | { readonly type: "answer"; readonly options: readonly string[]; readonly text?: string | undefined; readonly by: string }
  | { readonly type: "dismiss"; readonly by: string; readonly reason?: string | undefined };

export type QuestionRefusal =
  | { readonly code: "question_not_found" }
  | { readonly code: "question_closed"; readonly details: { readonly status: "answered" | "dismissed" } }
  | { readonly code: "answer_not_possible"; readonly details: { readonly why: string } };

type QuestionDecision = Decision<QuestionEvent, QuestionRefusal>;
const event = (type: QuestionEvent["type"], data: object): QuestionDecision => accept({ type, data } as QuestionEvent);

export const question: Decider<Question, QuestionCommand, QuestionEvent, QuestionRefusal> = {
  initial: { status: "none" },

  decide(state, command) {
    if (state.status === "none")
      return command.type === "ask" ? event("question.asked", command.data) : refuse({ code: "question_not_found" });
    // The same part of the same turn, heard again after a takeover.
    if (command.type === "ask") return accept();
    if (state.status !== "open") return refuse({ code: "question_closed", details: { status: state.status } });
    const { question_id } = state.about;
    switch (command.type) {
      case "answer": {
        const why = impossible(state.about, command.options, command.text);
        if (why !== null) return refuse({ code: "answer_not_possible", details: { why } });
        return event("question.answered", {
          question_id,
          options: command.options,
          by: command.by,
          ...(command.text === undefined ? {} : { text: command.text }),
        });
      }
      case "dismiss":
        return event("question.dismissed", {
          question_id,
          by: command.by,
          ...(command.reason === undefined ? {} : { reason: command.reason }),
        });
      default:
        return unreachable(command);
    }
  },

  evolve(state, recorded) {
    if (recorded.type === "question.asked") return { status: "open", about: recorded.data };
    // Every other event follows the question, by `decide`; a log that says otherwise is corrupt.
    if (state.status === "none") throw new Error(`${recorded.type} before question.asked`);
    if (recorded.type === "question.dismissed") return { status: "dismissed", about: state.about };
    // An erased answer is one of which nothing is known.
    const data: Partial<typeof recorded.data> = recorded.data;
    return { status: "answered", about: state.about, options: data.options ?? [], text: data.text ?? null };
  },
};

function impossible(about: Partial<Asked>, options: readonly string[], text: string | undefined): string | null {
  const labels = new Set((about.options ?? []).map(({ label }) => label));
  const unknown = options.find((label) => !labels.has(label));
  if (unknown !== undefined) return `“${unknown}” is not one of the options.`;
  if (options.length > 1 && about.multiple !== true) return "Only one option can be chosen.";
  if (text !== undefined && about.free_text !== true) return "This question takes no answer in own words.";
  return options.length === 0 && text === undefined ? "An answer names an option or says something." : null;
}
