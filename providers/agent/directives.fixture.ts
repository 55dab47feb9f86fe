/*
 * A scripted model for the conformance suite: the prompt is its program, one directive a line.
 *
 *   say TEXT · think-free talk      run COMMAND · the shell tool      edit PATH|OLD|NEW · read, then edit
 *   ask QUESTION | OPTION | OPTION · asks a person
 *   recall · says every prompt of the conversation so far             length · says how long this prompt is
 */
import { currentTurn, type Reply, type Script } from "../model/demo/conversation.ts";
import { questionCall } from "../model/demo/ask.ts";
import { toolbox } from "../model/demo/tools.ts";

export const followDirectives: Script = (conversation) => {
  if (/title generator/i.test(conversation.system)) return { text: "Conformance", calls: [] };
  const { prompt, done } = currentTurn(conversation);
  const steps = prompt.split("\n").flatMap(expand);
  const tools = toolbox(conversation.tools);
  // The text so far is not counted in calls: says before the next call are said with it.
  let called = 0;
  const text: string[] = [];
  for (const step of steps) {
    const [verb, rest] = split(step);
    if (verb === "say") text.push(rest);
    else if (verb === "recall")
      text.push(
        `I was told: ${conversation.entries.flatMap((entry) => (entry.role === "user" ? [entry.text.slice(0, 60)] : [])).join(" / ")}`,
      );
    else if (verb === "length") text.push(`The prompt has ${prompt.length} characters.`);
    else {
      const call =
        verb === "run"
          ? tools.shell?.(rest, "directive")
          : verb === "read"
            ? tools.read?.(rest)
            : verb === "ask"
              ? questionCall(conversation.tools, rest)
              : edit(tools, rest);
      if (!call) return { text: `There is no tool for ${verb}.`, calls: [] };
      if (called === done.length) return { text: text.join("\n"), calls: [call] };
      called += 1;
      text.length = 0;
    }
  }
  return { text: text.length > 0 ? text.join("\n") : `Done. Last output: ${(done.at(-1)?.output ?? "none").slice(0, 200)}`, calls: [] };
};

/** An agent refuses to edit what it has not read. */
function expand(line: string): string[] {
  const [verb, rest] = split(line);
  if (verb === "edit") return [`read ${rest.split("|")[0]!}`, line];
  return ["say", "run", "recall", "length", "ask"].includes(verb) ? [line] : [];
}

function edit(tools: ReturnType<typeof toolbox>, rest: string): Reply["calls"][number] | undefined {
  const [path, before, after] = rest.split("|");
  return path !== undefined && before !== undefined && after !== undefined ? tools.edit?.(path, before, after) : undefined;
}

function split(line: string): [string, string] {
  const at = line.indexOf(" ");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1)];
}
