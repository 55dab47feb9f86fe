/*
 * In which order test files run. A checkout that never ran them knows no durations, and by their sizes what starts
 * servers, agents and sandboxes came last, alone, while one core idled.
 *
 *   processes and browsers, one of each in turn ─► Postgres ─► what only computes ─► what a page computes
 *
 * A worker goes on with the next file as long as that is of the same project (vitest.config.ts), so the other one comes last.
 */
import { statSync } from "node:fs";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const STARTS_PROCESSES = /\.(e2e|conformance|sandbox)\.test\.ts$|\/providers\/(agent|sandbox)\//;
const BROWSER = /\/apps\/web\/e2e\//;
const POSTGRES = /\.pg\.test\.ts$/;
const PAGE = /\/apps\/web\/src\/|\/packages\/ui\//;

export default class LongFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const kinds: TestSpecification[][] = [[], [], [], [], []];
    for (const file of files) kinds[kindOf(file.moduleId)]!.push(file);
    for (const kind of kinds) kind.sort((a, b) => sizeOf(b) - sizeOf(a));
    const [browser = [], processes = [], ...others] = kinds;
    return Promise.resolve([...mixed(browser, processes), ...others.flat()]);
  }
}

function kindOf(path: string): number {
  if (BROWSER.test(path)) return 0;
  if (STARTS_PROCESSES.test(path)) return 1;
  if (POSTGRES.test(path)) return 2;
  return PAGE.test(path) ? 4 : 3;
}

const sizeOf = ({ moduleId }: TestSpecification): number => statSync(moduleId).size;

/** Evenly: a browser computes all the time, and what waits for an agent leaves it the processor. */
function mixed<T>(some: readonly T[], others: readonly T[]): T[] {
  const placed = (list: readonly T[]): { one: T; at: number }[] => list.map((one, i) => ({ one, at: (i + 0.5) / list.length }));
  return [...placed(some), ...placed(others)].sort((a, b) => a.at - b.at).map(({ one }) => one);
}
