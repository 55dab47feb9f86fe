/* A tool call: one line that says what was done and how it went, opening to everything. */
import { getArtifact } from "@signalbox/contract/runs";
import { ArtifactId } from "@signalbox/contract/primitives";
import { useMutation } from "@tanstack/react-query";
import { ChevronRight } from "lucide-react";
import { useState } from "react";
import { client } from "../data/api.ts";
import { Button } from "@signalbox/ui/button";
import { CopyButton } from "@signalbox/ui/copy-button";
import { duration, readable } from "@signalbox/ui/format";
import { Lamp } from "@signalbox/ui/lamp";
import { Trouble } from "@signalbox/ui/trouble";
import { headline, plain, toolIcon } from "./tool-look.ts";

export interface ToolCallProps {
  name: string;
  title: string | null;
  status: "invoked" | "succeeded" | "failed";
  arguments: unknown;
  output: string | null;
  outputTruncated?: boolean;
  error?: string | null;
  artifactId?: string | null;
  durationMs?: number | null;
}

/** Characters of live or huge output that are drawn; the rest is in the artifact. */
const DRAWN = 60_000;

export function ToolCall(props: ToolCallProps) {
  const [isOpen, setOpen] = useState(false);
  const line = headline(props.title, props.arguments);
  const failed = props.status === "failed";
  return (
    <div className={`rounded-md border ${isOpen ? "border-line bg-panel" : "border-transparent"}`}>
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
        className="flex w-full items-center gap-2.5 rounded-md px-2.5 py-1 text-left text-sm -outline-offset-2 hover:bg-panel"
      >
        {toolIcon(props.name, `shrink-0 ${failed ? "text-danger-ink" : "text-ink-3"}`)}
        <span className="clamp-1 min-w-0 flex-1">
          <span className={`font-semibold ${failed ? "text-danger-ink" : "text-ink-2"}`}>{props.name}</span>
          {line !== null && <span className="ml-2 font-mono text-ink-2">{line}</span>}
        </span>
        {props.status === "invoked" && (
          <span className="flex items-center gap-1.5 text-moving-ink">
            <Lamp state="moving" size="sm" />
            running
          </span>
        )}
        {failed && <span className="text-danger-ink">failed</span>}
        {props.durationMs != null && <span className="shrink-0 text-ink-3">{duration(props.durationMs)}</span>}
        <ChevronRight size={14} aria-hidden className={`shrink-0 text-ink-3 transition-transform ${isOpen ? "rotate-90" : ""}`} />
      </button>
      {isOpen && <Opened {...props} />}
    </div>
  );
}

function Opened({ arguments: args, output, outputTruncated = false, error = null, artifactId = null }: ToolCallProps) {
  const whole = useMutation({ mutationFn: (id: string) => client.call(getArtifact, { params: { id: ArtifactId.parse(id) } }) });
  const said = argumentsOf(args);
  const text = plain(whole.data?.text ?? output ?? "");
  const cut = text.length > DRAWN;
  return (
    <div className="space-y-3 px-3 pt-1 pb-3">
      <Section name={said.name} copy={said.text}>
        {said.text}
      </Section>
      {error !== null && (
        <Section name="Error" copy={error} danger>
          {plain(error)}
        </Section>
      )}
      {text !== "" && (
        <Section name={cut ? `Output, the last ${DRAWN.toLocaleString()} characters` : "Output"} copy={text}>
          {cut ? text.slice(-DRAWN) : text}
        </Section>
      )}
      {text === "" && error === null && <p className="text-sm text-ink-3">No output.</p>}
      {outputTruncated && whole.data === undefined && (
        <p className="flex items-center gap-3 text-sm text-ink-3">
          Only part of the output is kept inline.
          {artifactId !== null && (
            <Button size="sm" busy={whole.isPending} onClick={() => whole.mutate(artifactId)}>
              Show all of it
            </Button>
          )}
        </p>
      )}
      {whole.error !== null && <Trouble error={whole.error} />}
    </div>
  );
}

/** One string argument is read as itself, not as JSON around it. */
function argumentsOf(args: unknown): { name: string; text: string } {
  const fields = typeof args === "object" && args !== null ? Object.entries(args) : [];
  const [only] = fields;
  return fields.length === 1 && only !== undefined && typeof only[1] === "string"
    ? { name: only[0], text: only[1] }
    : { name: "Arguments", text: readable(args) };
}

function Section({ name, copy, children, danger = false }: { name: string; copy: string; children: string; danger?: boolean }) {
  return (
    <section>
      <div className="flex items-center justify-between">
        <h4 className="plate">{name}</h4>
        <CopyButton text={copy} label={`Copy: ${name}`} />
      </div>
      <pre
        tabIndex={0}
        className={`max-h-80 overflow-auto rounded-md border px-3 py-2 text-sm break-normal whitespace-pre-wrap ${danger ? "border-danger-line bg-danger-wash text-danger-ink" : "border-line bg-sunken"}`}
      >
        {children}
      </pre>
    </section>
  );
}
