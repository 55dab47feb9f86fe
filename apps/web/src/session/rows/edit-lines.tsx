import type { Edit, EditLine } from "../edit-of-call.ts";

const LOOK: Record<EditLine["kind"], string> = { added: "bg-clear-wash", removed: "bg-danger-wash", context: "" };
const SIGN: Record<EditLine["kind"], string> = { added: "+", removed: "−", context: "" };
/** No line of source is longer than this to a person; a minified file is. */
const LINE_CHARS = 400;

export function EditLines({ edit, isFramed = false }: { edit: Edit; isFramed?: boolean }) {
  return (
    <div
      className={`overflow-x-auto rounded-md border border-line bg-raised font-mono text-[0.75rem] leading-5 ${isFramed ? "max-h-96 overflow-y-auto" : ""}`}
      {...(isFramed ? { tabIndex: 0, role: "region", "aria-label": `Changes in ${edit.path ?? "a file"}` } : {})}
    >
      {edit.lines.map((line, i) => (
        <div key={i} className={`flex ${LOOK[line.kind]}`}>
          <span
            aria-label={line.kind === "context" ? undefined : line.kind}
            className={`w-6 shrink-0 text-center select-none ${line.kind === "added" ? "text-clear-ink" : "text-danger-ink"}`}
          >
            {SIGN[line.kind]}
          </span>
          <span className="pr-3 break-normal whitespace-pre">
            {line.text.length > LINE_CHARS ? `${line.text.slice(0, LINE_CHARS)}…` : line.text || " "}
          </span>
        </div>
      ))}
      {edit.more > 0 && <p className="px-2 text-ink-3">{edit.more.toLocaleString()} more lines</p>}
    </div>
  );
}
