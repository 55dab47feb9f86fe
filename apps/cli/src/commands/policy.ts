import { evaluatePolicy } from "@signalbox/contract/gate";
import { getMe } from "@signalbox/contract/identity";
import type { Command } from "commander";
import { action, type Context } from "../command.ts";
import { EXIT, UserError } from "../user-error.ts";

interface EvaluateFlags {
  readonly resource?: string;
  readonly context?: string;
  readonly zone?: "sandbox" | "supervised" | "high_stakes";
}

export function registerPolicy(program: Command): void {
  program
    .command("policy")
    .description("the gate")
    .command("evaluate <action>")
    .description("ask the gate without doing anything; exit code 0 allow, 1 otherwise")
    .option("--resource <type:id>", "what it would be done to", "system:signalbox")
    .option("--context <json>", "more facts, as a JSON object")
    .option("--zone <zone>", "sandbox, supervised or high_stakes")
    .action(
      action(async ({ client, terminal }: Context, name: string, flags: EvaluateFlags) => {
        const me = await client.call(getMe, {});
        const [type = "system", ...id] = (flags.resource ?? "system:signalbox").split(":");
        const decision = await client.call(evaluatePolicy, {
          body: {
            principal: { id: me.principal.id, type: me.principal.type },
            action: name,
            resource: { type, id: id.join(":") || "*" },
            context: flags.context === undefined ? {} : contextObject(flags.context),
            ...(flags.zone === undefined ? {} : { zone: flags.zone }),
          },
        });
        terminal.result(
          decision,
          `${decision.decision}: ${decision.reason} (${decision.reason_code})\n${decision.policy_ids.map((policy) => `  by ${policy}`).join("\n")}`.trimEnd(),
        );
        return decision.decision === "allow" ? EXIT.ok : EXIT.failed;
      }),
    );
}

function contextObject(text: string): Record<string, never> {
  try {
    return JSON.parse(text) as Record<string, never>;
  } catch (cause) {
    throw new UserError(
      "--context is not JSON.",
      cause instanceof Error ? cause.message : "",
      `For example --context '{"branch":"main"}'`,
      { cause },
    );
  }
}
