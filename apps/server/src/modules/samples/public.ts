/* Something to try an agent on: a sample repository and its remote, on the server's own machine. */
import { createSample } from "@signalbox/contract/system";
import { newId } from "@signalbox/kernel/id";
import { createSampleRepository } from "@signalbox/providers/model/demo/sample-repository";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { handle } from "../../http/handle.ts";
import type { Module } from "../../module.ts";

export interface SamplesDeps {
  /** `<data-dir>/samples` */
  readonly directory: string;
}

const PROMPT =
  "The tests of this project fail. Reproduce the failure, find the cause, fix it, run the tests again, commit, and push your branch.";

export function createSamples(deps: SamplesDeps): Module {
  return {
    projections: [],
    schemas: [],
    jobs: {},
    routes: [
      handle(createSample, async () => {
        const place = join(deps.directory, newId("sample"));
        await mkdir(place, { recursive: true, mode: 0o700 });
        const made = await createSampleRepository(join(place, "repository"), { remote: join(place, "remote.git") });
        return {
          repository_url: made.path,
          remote_url: join(place, "remote.git"),
          branch: made.branch,
          commit: made.commit,
          prompt: PROMPT,
        };
      }),
    ],
  };
}
