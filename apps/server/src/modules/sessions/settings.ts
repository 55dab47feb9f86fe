/* What of a session may be changed while it lives: its title, its model from the next turn on, what it may spend. All of it or none. */
import { type CommandDeps, type Ended, endedHint, placeOf, type Refused, refused } from "./command-context.ts";
import type { SessionCommands } from "./commands.ts";
import { isEnded, session } from "./session.ts";

export function settingsCommand(deps: CommandDeps): Pick<SessionCommands, "change"> {
  const { log, clock } = deps;
  return {
    async change(by, sessionId, { title, model, budgetMicroUsd }) {
      const place = await placeOf(deps, by, sessionId);
      if (place === null) return refused("session_not_found");
      const { organizationId } = by;
      const found = model === undefined ? null : await deps.models.resolve(organizationId, model);
      if (model !== undefined && found === null)
        return refused("model_not_found", { message: `There is no model ${model}.`, fix: "`GET /v1/models` lists those that there are." });
      // What was staged before a refusal must not be written: a throw ends the unit, and is caught right here.
      class Declined extends Error {
        readonly refusal;
        constructor(refusal: Refused<Ended | "model_fixed" | "budget_below_spent">) {
          super(refusal.refusal.code);
          this.refusal = refusal;
        }
      }
      try {
        await log.unit({ organizationId, origin: place.origin }, async (unit) => {
          const state = await unit.load(session, place.stream, place.subject);
          if (state.status === "none" || state.deleted) throw new Declined(refused("session_not_found"));
          if (title !== undefined) await unit.decide(session, place.stream, place.subject, { type: "rename", title, by: by.principal.id });
          if (model !== undefined && deps.harnesses[state.about.harness]?.harness.choosesModel === false)
            throw new Declined(
              refused("model_fixed", {
                message: "The agent of this session runs on a model of its own.",
                fix: "Start a session with another agent to choose its model.",
              }),
            );
          if (found !== null && found.id !== state.model) {
            if (isEnded(state.status)) throw new Declined(refused("session_ended", endedHint(state)));
            // A turn under way goes on with its own model, so the new key speaks for both.
            const { keyId } = await deps.models.createVirtualKey(unit, {
              organizationId,
              sessionId,
              roomId: place.roomId,
              principalId: state.about.agent_id,
              models: [...new Set([...state.models, found.id])],
              now: clock.now(),
            });
            if (state.modelKeyId !== null)
              await deps.models.revokeVirtualKey(unit, {
                organizationId,
                keyId: state.modelKeyId,
                reason: "the session's model was changed",
              });
            await unit.decide(session, place.stream, place.subject, {
              type: "change_model",
              model: found.id,
              by: by.principal.id,
              modelKeyId: keyId,
            });
          }
          if (budgetMicroUsd !== undefined) {
            const done = await deps.ledger.changeBudget(unit, { organizationId, sessionId, capMicroUsd: budgetMicroUsd });
            if (!done.ok)
              throw new Declined(
                refused("budget_below_spent", {
                  message: `$${((done.spent + done.held) / 1e6).toFixed(4)} are spent or held already.`,
                  fix: "Choose a higher budget, or stop the session to spend nothing more.",
                  details: { spent_micro_usd: done.spent, reserved_micro_usd: done.held },
                }),
              );
          }
        });
      } catch (error) {
        if (error instanceof Declined) return error.refusal;
        throw error;
      }
      return { ok: true };
    },
  };
}
