/*
 * Test reports as agents attach them: JUnit XML, and the JSON of jest and vitest. Whatever cannot be
 * read as one of them is none; nothing in it is resolved, fetched or expanded.
 */
import type { TestReport } from "@signalbox/contract/evidence";
import { XMLParser, XMLValidator } from "fast-xml-parser";
import type { z } from "zod";

type Report = z.input<typeof TestReport>;
type Case = Report["suites"][number]["cases"][number];

export const MAX_REPORT_BYTES = 16 * 1024 * 1024;
const MAX_CASES = 10_000;
const MAX_MESSAGE = 10_000;
const MAX_DEPTH = 100;

/** Null for what is no test report. */
export function parseTestReport(text: string): Report | null {
  const head = text.trimStart().slice(0, 1);
  try {
    return head === "<" ? junit(text) : head === "{" ? jest(text) : null;
  } catch {
    return null; // Not well-formed: the caller says that it is no report.
  }
}

const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: "@",
  textNodeName: "#text",
  cdataPropName: "#cdata",
  parseTagValue: false,
  parseAttributeValue: false,
  // Entities are a bomb's fuse; the five that XML itself knows are put in below.
  processEntities: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  isArray: (name) => ["testsuites", "testsuite", "testcase"].includes(name),
});

type Node = { readonly [name: string]: unknown };
const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && !Array.isArray(value);
const nodes = (value: unknown): Node[] =>
  (Array.isArray(value) ? value : value === undefined ? [] : [value]).map((one) => (isNode(one) ? one : {}));

function junit(text: string): Report | null {
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text) || deeperThan(text, MAX_DEPTH) || XMLValidator.validate(text) !== true) return null;
  const root = parser.parse(text) as Node;
  const tops = [...nodes(root["testsuites"]), ...(root["testsuite"] === undefined ? [] : [{ testsuite: root["testsuite"] }])];
  if (tops.length === 0) return null;
  const suites: { name: string; cases: Case[] }[] = [];
  const collect = (suite: Node): void => {
    const cases = nodes(suite["testcase"]).map(caseOf);
    if (cases.length > 0 || suite["testsuite"] === undefined) suites.push({ name: attribute(suite, "name") ?? "", cases });
    for (const inner of nodes(suite["testsuite"])) collect(inner);
  };
  for (const top of tops) for (const suite of nodes(top["testsuite"])) collect(suite);
  const durations = tops.flatMap((top) => nodes(top["testsuite"])).map((suite) => seconds(attribute(suite, "time")));
  return reportOf("junit", suites, sum(durations));
}

/** Counted before anything is built from it. */
function deeperThan(text: string, max: number): boolean {
  let depth = 0;
  for (const [tag] of text.matchAll(/<!\[CDATA\[[\s\S]*?\]\]>|<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<\/?[^>]+>/g)) {
    if (tag.startsWith("<!") || tag.startsWith("<?") || tag.endsWith("/>")) continue;
    depth += tag.startsWith("</") ? -1 : 1;
    if (depth > max) return true;
  }
  return false;
}

function caseOf(node: Node): Case {
  const problem = node["failure"] ?? node["error"];
  const name = [attribute(node, "classname"), attribute(node, "name")].filter((part) => part !== undefined && part !== "").join(" › ");
  return {
    name,
    status: problem !== undefined ? "failed" : node["skipped"] !== undefined ? "skipped" : "passed",
    duration_ms: seconds(attribute(node, "time")),
    message: problem === undefined ? null : messageOf(problem),
  };
}

function messageOf(problem: unknown): string {
  const said = (Array.isArray(problem) ? problem : [problem]).map((one) =>
    isNode(one)
      ? [attribute(one, "message"), one["#text"], one["#cdata"]].filter((part) => typeof part === "string").join("\n")
      : String(one ?? ""),
  );
  return plain(said.join("\n")).slice(0, MAX_MESSAGE);
}

const attribute = (node: Node, name: string): string | undefined => {
  const value = node[`@${name}`];
  return typeof value === "string" ? plain(value) : undefined;
};
const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
const plain = (text: string): string =>
  text.replaceAll(
    /&(?:(lt|gt|quot|apos|amp)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));/g,
    (whole, named?: string, decimal?: string, hex?: string) => {
      if (named !== undefined) return ENTITIES[named] ?? whole;
      const point = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal);
      return point > 0 && point <= 0x10_ffff ? String.fromCodePoint(point) : whole;
    },
  );
const seconds = (text: string | undefined): number | null => {
  const value = Number(text);
  return text === undefined || text === "" || !Number.isFinite(value) || value < 0 ? null : Math.round(value * 1000);
};
const sum = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
};

const STATUS: Readonly<Record<string, Case["status"]>> = {
  passed: "passed",
  failed: "failed",
  skipped: "skipped",
  pending: "skipped",
  todo: "skipped",
  disabled: "skipped",
};

/** Vitest writes jest's form, and says more times than it. */
function jest(text: string): Report | null {
  const root = JSON.parse(text) as Node;
  if (!Array.isArray(root["testResults"]) || typeof root["numTotalTests"] !== "number") return null;
  let [last, start]: [number, number | null] = [0, number(root["startTime"])];
  const suites = nodes(root["testResults"]).map((file) => {
    last = Math.max(last, number(file["endTime"]) ?? 0);
    start ??= number(file["startTime"]);
    return {
      name: String(file["name"] ?? ""),
      cases: nodes(file["assertionResults"]).map((one): Case => {
        const messages = Array.isArray(one["failureMessages"]) ? one["failureMessages"].map(String) : [];
        const duration = number(one["duration"]);
        return {
          name: String(one["fullName"] ?? one["title"] ?? ""),
          status: STATUS[String(one["status"])] ?? "failed",
          duration_ms: duration === null ? null : Math.round(duration),
          message: messages.length === 0 ? null : messages.join("\n").slice(0, MAX_MESSAGE),
        };
      }),
    };
  });
  const isVitest = root["numTotalTestSuites"] !== undefined && root["openHandles"] === undefined && root["wasInterrupted"] === undefined;
  return reportOf(isVitest ? "vitest" : "jest", suites, start !== null && last > start ? Math.round(last - start) : null);
}

const number = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null);

function reportOf(
  format: Report["format"],
  suites: readonly { name: string; cases: readonly Case[] }[],
  duration_ms: number | null,
): Report {
  const all = suites.flatMap(({ cases }) => cases);
  const count = (status: Case["status"]): number => all.filter((one) => one.status === status).length;
  let left = MAX_CASES;
  const shown = suites.map(({ name, cases }) => {
    const kept = cases.slice(0, left);
    left -= kept.length;
    return { name, cases: kept };
  });
  return {
    format,
    tests: all.length,
    passed: count("passed"),
    failed: count("failed"),
    skipped: count("skipped"),
    duration_ms,
    suites: shown,
    truncated: all.length > MAX_CASES,
  };
}
