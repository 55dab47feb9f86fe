import { createHash } from "node:crypto";

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/**
 * The id of what an agent's part becomes, the same whoever records it and however often: `prefix_` + the run's
 * ten time characters (so ids sort by run) + 80 bits of hash over the run and the harness's own stable id.
 */
export function partId<P extends string>(prefix: P, runId: string, part: string): `${P}_${string}` {
  const digest = createHash("sha256").update(`${runId}\0${prefix}\0${part}`).digest();
  let tail = "";
  for (let i = 0; i < 16; i++) tail += CROCKFORD[digest[i]! & 31];
  return `${prefix}_${runId.slice(4, 14)}${tail}`;
}
