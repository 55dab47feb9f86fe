/*
 * Evaluations of the gate a second on one core: the whole judgement with its hash, by the function
 * that enforcement calls. Every input is another one, so that nothing could have been remembered.
 *
 *   node bench/policy.ts [seconds]
 */
import { PolicyInput } from "../packages/contract/src/gate.ts";
import { evaluate, type GateFacts } from "../apps/server/src/modules/gate/evaluate.ts";
import { loadPolicies } from "../apps/server/src/modules/gate/policy-set.ts";

const ROUNDS = 5;
const seconds = Number(process.argv[2] ?? 1);
const policies = loadPolicies();
const ACTIONS = ["git.push", "git.fetch", "egress.request", "model.call", "session.execute", "payment.execute", "git.push.force"];
const FACTS: GateFacts = { principalIsKnown: true, session: { agentId: "agt_1", hasEnded: false }, killSwitch: "off", approvalId: null };

const input = (n: number): PolicyInput =>
  PolicyInput.parse({
    principal: { id: "agt_1", type: "agent" },
    action: ACTIONS[n % ACTIONS.length],
    resource: { type: "host", id: `h${n}.example.com` },
    context: { host: `h${n}.example.com`, port: 443, host_allowed: n % 2 === 0, within_budget: true, address: "public" },
    session_id: "ses_01J00000000000000000000001",
  });

function round(from: number): number {
  const inputs = Array.from({ length: 20_000 }, (_, i) => input(from + i));
  const start = performance.now();
  let n = 0;
  while (performance.now() - start < seconds * 1000) evaluate(policies, inputs[n++ % inputs.length], FACTS);
  return n / ((performance.now() - start) / 1000);
}

round(0); // warm
const rates = Array.from({ length: ROUNDS }, (_, i) => round((i + 1) * 1_000_000)).toSorted((a, b) => a - b);
const perSecond = Math.round(rates[Math.floor(ROUNDS / 2)]);
console.log(
  JSON.stringify({
    bench: "policy",
    measures: { evaluations_per_s: perSecond, slowest_round_per_s: Math.round(rates[0]) },
    targets: [{ target: "policy evaluations on one core, per s", reached: perSecond, wanted: "≥ 8000", ok: perSecond >= 8000 }],
  }),
);
