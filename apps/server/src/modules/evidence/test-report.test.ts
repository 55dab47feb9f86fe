import { expect, test } from "vitest";
import { parseTestReport } from "./test-report.ts";

const JUNIT = `<?xml version="1.0"?>
<testsuites time="1.5"><testsuite name="invoice" time="1.5">
  <testcase classname="totals" name="adds &amp; rounds" time="0.25"/>
  <testcase name="fails"><failure message="1 &lt; 2"><![CDATA[at <line> 3]]></failure></testcase>
  <testcase name="later"><skipped/></testcase>
</testsuite></testsuites>`;

test("JUnit's XML says which cases passed, failed with what, and were skipped", () => {
  expect(parseTestReport(JUNIT)).toMatchObject({
    format: "junit",
    tests: 3,
    passed: 1,
    failed: 1,
    skipped: 1,
    duration_ms: 1500,
    suites: [
      {
        name: "invoice",
        cases: [
          { name: "totals › adds & rounds", status: "passed", duration_ms: 250, message: null },
          { name: "fails", status: "failed", message: "1 < 2\nat <line> 3" },
          { name: "later", status: "skipped" },
        ],
      },
    ],
  });
});

test("the JSON of jest and vitest says the same", () => {
  const results = [
    {
      name: "/work/a.test.js",
      startTime: 10,
      endTime: 60,
      assertionResults: [
        { fullName: "adds", status: "passed", duration: 3.4 },
        { title: "fails", status: "failed", failureMessages: ["no"] },
        { title: "later", status: "todo" },
      ],
    },
  ];
  const vitest = JSON.stringify({ numTotalTests: 3, numTotalTestSuites: 1, startTime: 5, testResults: results });
  expect(parseTestReport(vitest)).toMatchObject({ format: "vitest", tests: 3, passed: 1, failed: 1, skipped: 1, duration_ms: 55 });
  const jest = JSON.stringify({ numTotalTests: 3, wasInterrupted: false, openHandles: [], startTime: 5, testResults: results });
  expect(parseTestReport(jest)).toMatchObject({ format: "jest", suites: [{ cases: [{ name: "adds" }, { message: "no" }, {}] }] });
});

const BOMB = `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l "lol"><!ENTITY m "&l;&l;&l;">]><testsuite name="&m;"/>`;
test.each([
  ["an entity bomb", BOMB],
  ["an external entity", `<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&f;"/></testsuite>`],
  ["a hundred thousand nested elements", `${"<testsuite>".repeat(100_000)}${"</testsuite>".repeat(100_000)}`],
  ["XML that is not well-formed", "<testsuite><testcase></testsuite>"],
  ["other XML", "<html><body/></html>"],
  ["other JSON", `{"hello":1}`],
  ["text", "all good"],
  ["nothing", ""],
])("%s is no test report", (_what, text) => {
  expect(parseTestReport(text)).toBeNull();
});
