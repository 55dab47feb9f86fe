import type { TestReport } from "@signalbox/contract/evidence";
import { AnsiText } from "@signalbox/ui/ansi-text";
import { Disclosure } from "@signalbox/ui/disclosure";
import { count, duration } from "@signalbox/ui/format";
import { CircleCheck, CircleSlash, CircleX } from "lucide-react";
import { useState } from "react";
import { SegmentedControl } from "@signalbox/ui/segmented-control";

type Suite = TestReport["suites"][number];
type Case = Suite["cases"][number];
type Filter = "all" | Case["status"];

const LOOK = {
  passed: { icon: CircleCheck, ink: "text-clear-ink" },
  failed: { icon: CircleX, ink: "text-danger-ink" },
  skipped: { icon: CircleSlash, ink: "text-ink-3" },
} as const;

/** What passed and what did not; failures stand open. */
export function ReportView({ report }: { report: TestReport }) {
  const [shown, setShown] = useState<Filter>(report.failed > 0 ? "failed" : "all");
  const suites = report.suites
    .map((suite) => ({ ...suite, cases: suite.cases.filter(({ status }) => shown === "all" || status === shown) }))
    .filter(({ cases }) => cases.length > 0);
  return (
    <div className="space-y-4">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="text-lg font-semibold">
          {report.failed > 0 ? (
            <span className="text-danger-ink">{count(report.failed, "test")} failed</span>
          ) : (
            <span className="text-clear-ink">All {count(report.passed, "test")} passed</span>
          )}
          <span className="ml-3 text-sm font-normal text-ink-2">
            of {report.tests.toLocaleString()}
            {report.skipped > 0 && `, ${report.skipped.toLocaleString()} skipped`}
            {report.duration_ms !== null && `, in ${duration(report.duration_ms)}`}
          </span>
        </p>
        <SegmentedControl<Filter>
          label="Which tests"
          segments={[
            { value: "all", label: "All" },
            { value: "failed", label: `Failed ${report.failed}` },
            { value: "skipped", label: `Skipped ${report.skipped}` },
          ]}
          value={shown}
          onChange={setShown}
        />
      </div>
      <Bar report={report} />
      {report.truncated && <p className="text-sm text-ink-2">The counts are of all; the list ends after 10,000.</p>}
      {suites.map((suite, i) => (
        <section key={`${suite.name}${i}`} aria-label={suite.name} className="overflow-clip rounded-lg border border-line bg-panel">
          <h2 className="border-b border-line bg-raised px-4 py-2 font-mono text-sm break-all">{suite.name}</h2>
          <ul className="divide-y divide-line">
            {suite.cases.map((one, at) => (
              <TestCase key={`${one.name}${at}`} of={one} />
            ))}
          </ul>
        </section>
      ))}
      {suites.length === 0 && <p className="text-ink-2">None is like that.</p>}
    </div>
  );
}

function Bar({ report: { passed, failed, skipped, tests } }: { report: TestReport }) {
  const share = (n: number): string => `${(n / Math.max(1, tests)) * 100}%`;
  return (
    <div aria-hidden className="flex h-2 overflow-hidden rounded-full bg-sunken">
      <span className="bg-danger" style={{ width: share(failed) }} />
      <span className="bg-clear" style={{ width: share(passed) }} />
      <span className="bg-line-strong" style={{ width: share(skipped) }} />
    </div>
  );
}

function TestCase({ of }: { of: Case }) {
  const { icon: Icon, ink } = LOOK[of.status];
  const line = (
    <span className="flex items-start gap-2.5">
      <Icon size={16} aria-hidden className={`mt-1 shrink-0 ${ink}`} />
      <span className="sr-only">{of.status}: </span>
      <span className="min-w-0 flex-1">{of.name}</span>
      {of.duration_ms !== null && <span className="text-sm text-ink-3 tabular-nums">{duration(of.duration_ms)}</span>}
    </span>
  );
  return (
    <li className="px-4 py-1.5 [contain-intrinsic-size:auto_2.25rem] [content-visibility:auto]">
      {of.message === null || of.message === "" ? (
        line
      ) : (
        <Disclosure summary={line} defaultOpen={of.status === "failed"}>
          <AnsiText text={of.message} label={`What ${of.name} said`} className="mb-2" />
        </Disclosure>
      )}
    </li>
  );
}
