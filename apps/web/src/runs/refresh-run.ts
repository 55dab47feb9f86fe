import type { RunId } from "@signalbox/contract/primitives";
import { queries } from "../data/api.ts";

/** After a deed of a person: the run itself, the lists it is in, and what waited because of it. */
export function refreshRun(id: RunId): void {
  for (const queryKey of [["run", id], ["runs"], ["room-runs"], ["correlation"], ["approvals"]])
    void queries.invalidateQueries({ queryKey });
}
