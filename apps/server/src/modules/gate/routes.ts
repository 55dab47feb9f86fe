import { evaluatePolicy, getKillSwitch, getPolicy, listActions, setKillSwitch, type KillSwitchView } from "@signalbox/contract/gate";
import type { CapabilityId, PrincipalId } from "@signalbox/contract/primitives";
import type { z } from "zod";
import { hasRole } from "../../http/authenticate.ts";
import { type BoundRoute, handle, refused } from "../../http/handle.ts";
import { KILL_SWITCH_SUBJECT, killSwitch } from "./kill-switch.ts";
import type { LoadedPolicies } from "./policy-set.ts";
import type { GateDeps, GateModule, Sees } from "./public.ts";
import { ACTION_REGISTRY } from "./registry.ts";
import { readSwitch, type createSwitchWatch, type SwitchRow } from "./switch-watch.ts";

type RouteDeps = GateDeps & {
  policies: LoadedPolicies;
  watch: Pick<ReturnType<typeof createSwitchWatch>, "changed">;
  judge: GateModule["evaluate"];
  sees: Sees;
};

export function gateRoutes({ log, db, policies, watch, judge, sees, killSwitchForced }: RouteDeps): readonly BoundRoute[] {
  const view = (row: SwitchRow): z.input<typeof KillSwitchView> => ({
    organization: row.engaged,
    global: killSwitchForced,
    forced_by_environment: killSwitchForced,
    reason: row.reason,
    by: row.by,
    since: row.since,
    epoch: row.epoch,
  });

  return [
    handle(evaluatePolicy, async ({ caller, body }) => {
      // Whoever asks with a capability asks what it allows.
      const asked = caller.credential?.kind === "capability" ? { ...body, capability_id: caller.credential.id as CapabilityId } : body;
      // Neither that a session of another room is there, nor how it or somebody else's capability stands, is told by what is denied.
      const unseen = {
        session: asked.session_id !== undefined && !(await sees(caller, asked.session_id)),
        capability: asked.principal.id !== caller.principal.id && !hasRole(caller.role, "admin"),
      };
      const { approval_id: _spentByNobody, ...decision } = await judge(caller.organizationId, asked, { unseen });
      return decision;
    }),
    handle(getPolicy, async () => ({
      version: policies.version,
      policies: [...policies.policies.values()].map(({ id, effect, decision, description, text }) => ({
        id,
        effect,
        decision,
        description,
        text,
      })),
    })),
    handle(listActions, async () => ({ items: [...ACTION_REGISTRY.values()].map(({ scope: _judgedByPolicies, ...entry }) => entry) })),

    handle(getKillSwitch, async ({ caller }) => view(await readSwitch(db, caller.organizationId))),
    handle(setKillSwitch, async ({ caller, body, origin }) => {
      const { organizationId, principal } = caller;
      if (!body.engaged && killSwitchForced) {
        return refused("kill_switch_forced", {
          message: "The environment forces the global kill switch; nothing here lifts it.",
          fix: "Unset POLICY_KILL_SWITCH_EXTERNAL_WRITE and restart.",
        });
      }
      const by = principal.id as PrincipalId;
      await log.unit({ organizationId, origin }, async (unit) => {
        const decision = await unit.decide(
          killSwitch,
          { type: "organization", id: organizationId },
          KILL_SWITCH_SUBJECT,
          body.engaged ? { type: "engage", by, reason: body.reason } : { type: "release", by },
        );
        // What waits for an answer is denied; what was approved and has not begun, too.
        if (decision.ok && decision.events.some((event) => event.type === "kill_switch.engaged")) {
          unit.enqueue({ kind: "kill_switch.deny_open", organizationId, payload: { by } });
        }
      });
      return view(await watch.changed(organizationId));
    }),
  ];
}
