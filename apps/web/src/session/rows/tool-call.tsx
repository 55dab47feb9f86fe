/* A tool call: one line that says what was done and how it went, opening to everything. */
import { IconButton } from "@signalbox/ui/button";
import { CodeBlock } from "@signalbox/ui/code-block";
import { CopyButton } from "@signalbox/ui/copy-button";
import { duration } from "@signalbox/ui/format";
import { JsonView } from "@signalbox/ui/json-view";
import { Lamp } from "@signalbox/ui/lamp";
import { toast } from "@signalbox/ui/toasts";
import { ChevronRight, Link2 } from "lucide-react";
import { useSyncExternalStore, type ReactNode } from "react";
import { editOfCall } from "../edit-of-call.ts";
import type { ToolCallItem } from "../item-of-event.ts";
import { exitCodeOf, headline, kindOf, plain, toolIcon } from "../tool-look.ts";
import { Decision } from "./decision.tsx";
import { EditLines } from "./edit-lines.tsx";
import { InspectLink } from "./inspect-link.tsx";
import { Output } from "./output.tsx";
import { useOpen, useRows } from "./row-context.ts";

/** Lines of an edit that show without opening it. */
const PEEK_LINES = 6;

export function ToolCall({ call }: { call: ToolCallItem }) {
  const [isOpen, setOpen] = useOpen(call.id);
  const line = headline(call.title, call.arguments);
  const failed = call.status === "failed";
  const exit = exitCodeOf(call);
  const edit = kindOf(call.name) === "edit" ? editOfCall(call.arguments, PEEK_LINES) : null;
  return (
    <div className={`rounded-md border ${isOpen ? "border-line bg-panel" : "border-transparent"}`}>
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
        className="flex w-full items-center gap-2.5 rounded-md px-2.5 py-1 text-left text-sm -outline-offset-2 hover:bg-panel"
      >
        {toolIcon(call.name, `shrink-0 ${failed ? "text-danger-ink" : "text-ink-3"}`)}
        <span className="clamp-1 min-w-0 flex-1">
          <span className={`font-semibold ${failed ? "text-danger-ink" : "text-ink-2"}`}>{call.name}</span>
          {line !== null && <span className="ml-2 font-mono text-ink-2">{line}</span>}
        </span>
        {call.decision != null && call.decision.decision !== "allow" && (
          <span className={`shrink-0 ${call.decision.decision === "deny" ? "text-danger-ink" : "text-signal-ink"}`}>
            {call.decision.decision === "deny" ? "denied" : "asked"}
          </span>
        )}
        {call.status === "invoked" && (
          <span className="flex items-center gap-1.5 text-moving-ink">
            <Lamp state="moving" size="sm" />
            running
          </span>
        )}
        {exit !== null && exit !== 0 ? (
          <span className="shrink-0 text-danger-ink">exit {exit}</span>
        ) : (
          failed && <span className="shrink-0 text-danger-ink">failed</span>
        )}
        {call.duration_ms !== null && <span className="shrink-0 text-ink-3 tabular-nums">{duration(call.duration_ms)}</span>}
        <ChevronRight size={14} aria-hidden className={`shrink-0 text-ink-3 transition-transform ${isOpen ? "rotate-90" : ""}`} />
      </button>
      {!isOpen && edit !== null && edit.lines.length > 0 && (
        <div className="pr-2.5 pb-1.5 pl-9">
          <EditLines edit={edit} />
        </div>
      )}
      {isOpen && <Opened call={call} exit={exit} />}
    </div>
  );
}

/** What a call that is under way has printed so far. */
function usePrinted(id: string): string | null {
  const { store } = useRows();
  return useSyncExternalStore(store.subscribe, () => store.get().conversation.parts.find((part) => part.id === id)?.text ?? null);
}

function Opened({ call, exit }: { call: ToolCallItem; exit: number | null }) {
  const printed = usePrinted(call.id);
  const said = argumentsOf(call.arguments);
  const edit = kindOf(call.name) === "edit" ? editOfCall(call.arguments, 400) : null;
  const text = call.output ?? printed ?? "";
  return (
    <div className="space-y-3 px-3 pt-1 pb-3">
      <Decision call={call} />
      {edit !== null && edit.lines.length > 0 && (
        <Section name={edit.path ?? "Edit"}>
          <EditLines edit={edit} isFramed />
        </Section>
      )}
      <Section name={said.name} copy={said.text ?? undefined}>
        {said.text === null ? (
          <JsonView value={call.arguments} label="Arguments" />
        ) : (
          <CodeBlock code={said.text} language={kindOf(call.name) === "command" ? "bash" : undefined} wrap />
        )}
      </Section>
      {call.error !== null && call.error.trim() !== text.trim() && (
        <Section name="Error" copy={plain(call.error)}>
          <pre
            tabIndex={0}
            role="region"
            aria-label="Error"
            className="max-h-80 overflow-auto rounded-md border border-danger-line bg-danger-wash px-3 py-2 text-sm whitespace-pre-wrap text-danger-ink"
          >
            {plain(call.error).slice(0, 20_000)}
          </pre>
        </Section>
      )}
      {text !== "" ? (
        <Output text={text} isCut={call.output_truncated} artifactId={call.artifact_id} />
      ) : (
        call.status !== "invoked" && call.error === null && <p className="text-sm text-ink-3">No output.</p>
      )}
      <Foot call={call} exit={exit} />
    </div>
  );
}

function Foot({ call, exit }: { call: ToolCallItem; exit: number | null }) {
  const { linkTo, session } = useRows();
  return (
    <p className="flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-ink-3">
      <span className="tabular-nums">
        {new Date(call.at).toLocaleTimeString()}
        {call.duration_ms !== null && ` · took ${duration(call.duration_ms)}`}
        {exit !== null && ` · exit code ${exit}`}
      </span>
      <span className="ml-auto flex items-center gap-1">
        {session !== null && call.run_id !== null && <InspectLink runId={call.run_id} callId={call.id} />}
        <IconButton
          label="Copy a link to this call"
          onClick={() =>
            void navigator.clipboard.writeText(linkTo(call)).then(
              () => toast("Link copied"),
              () => toast("The browser does not let this page copy", "danger"),
            )
          }
        >
          <Link2 size={14} />
        </IconButton>
      </span>
    </p>
  );
}

/** One string argument is read as itself, not as JSON around it; null: it takes a tree to show them. */
function argumentsOf(args: unknown): { name: string; text: string | null } {
  const fields = typeof args === "object" && args !== null && !Array.isArray(args) ? Object.entries(args) : [];
  const [only] = fields;
  return fields.length === 1 && only !== undefined && typeof only[1] === "string"
    ? { name: only[0], text: only[1] }
    : { name: "Arguments", text: null };
}

function Section({ name, copy, children }: { name: string; copy?: string | undefined; children: ReactNode }) {
  return (
    <section>
      <div className="flex min-h-7 items-center justify-between">
        <h3 className="plate clamp-1">{name}</h3>
        {copy !== undefined && <CopyButton text={copy} label={`Copy: ${name}`} />}
      </div>
      {children}
    </section>
  );
}
