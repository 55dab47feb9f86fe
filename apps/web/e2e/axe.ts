/* axe-core on a page as it is. Injected through the debugger: a script tag would be refused by our own policy, rightly. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "playwright-core";

const SOURCE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary?: string }[];
}

/** What another colour scheme can break: nothing else of a page depends on it. */
const OF_COLOURS = ["color-contrast", "link-in-text-block"];

/** What breaks WCAG 2.2 AA on this page, one line each; `within` narrows it to a part of it, `colours` to what they decide. */
export async function violations(page: Page, within = "html", of: "everything" | "colours" = "everything"): Promise<string[]> {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(SOURCE);
  // What fades in is measured when it has.
  await page.evaluate(() =>
    Promise.all(
      document
        .getAnimations()
        .map((each) => (each.effect?.getTiming().iterations === Infinity ? Promise.resolve(null) : each.finished.catch(() => null))),
    ),
  );
  const found = await page.evaluate(
    async ([within, runOnly]) => {
      const { axe } = globalThis as unknown as { axe: { run(context: string, options: unknown): Promise<{ violations: Violation[] }> } };
      return (await axe.run(within, { runOnly, resultTypes: ["violations"] })).violations;
    },
    [within, of === "colours" ? { type: "rule", values: OF_COLOURS } : { type: "tag", values: STANDARDS }] as const,
  );
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary = "" }) => `${id}: ${target.join(" ")}: ${failureSummary.split("\n")[1]?.trim() ?? ""}`),
  );
}
