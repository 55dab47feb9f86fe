import type { ExportReport } from "@signalbox/verify/export-report";
import { counted, printable } from "../terminal.ts";

/** What a reader of a valid report should know besides: who signs by now, and what is no longer there. */
const onRecord = (report: ExportReport): string =>
  printable(
    [
      ...report.rotations.map(({ from, to, time }) => `\n  key ${from} was rotated to ${to} on ${time}, signed by both`),
      ...report.redactions.map(
        (of) =>
          `\n  erased (${of.level}${of.content.length > 0 ? `, ${of.content.length} contents` : ""}): ${of.target_event_id} by ${of.by} on ${of.at}: ${of.reason}`,
      ),
    ].join(""),
  );

export function describeReport(report: ExportReport): string {
  const what = `${counted(report.events, "event")} in ${counted(report.streams, "stream")}, ${counted(report.checkpoints, "checkpoint")}${report.only_stream === null ? "" : ` (of ${printable(report.only_stream)} only: says nothing of the rest of the log)`}`;
  if (report.valid)
    return `valid: ${what}${report.covered_to === null ? "; no checkpoint vouches for its end" : `; signed up to position ${report.covered_to}`}${report.erased > 0 ? `; ${counted(report.erased, "payload")} erased on record` : ""}${onRecord(report)}`;
  const at = report.first_mismatch;
  return [
    `NOT VALID: ${what}`,
    ...(at === null
      ? []
      : [
          `  first mismatch: ${at.stream} seq ${at.seq} (${at.event_type ?? "?"} ${at.event_id ?? ""}): ${at.kind}`,
          ...(at.expected === null ? [] : [`    expected ${at.expected}`]),
          ...(at.actual === null ? [] : [`    found    ${at.actual}`]),
        ]),
    ...report.problems.map((problem) => `  ${problem}`),
  ]
    .map(printable)
    .join("\n");
}
