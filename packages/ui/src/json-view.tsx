/* A JSON value that folds. Nothing is rendered before it is opened, long strings and long lists come in parts. */
import { ChevronRight, Copy, Route } from "lucide-react";
import { memo, useState, type ReactNode } from "react";
import { Button, IconButton } from "./button.tsx";
import { visible } from "./format.ts";
import { toast } from "./toasts.tsx";

const STRING_CHARS = 400;
const STRING_STEP = 100_000;
const ITEMS = 100;

/** `defaultDepth`: how many levels are open at first. */
export const JsonView = memo(function JsonView({
  value,
  label,
  defaultDepth = 1,
}: {
  value: unknown;
  label: string;
  defaultDepth?: number;
}) {
  return (
    <div
      role="group"
      aria-label={label}
      tabIndex={0}
      className="max-h-[70dvh] overflow-auto rounded-md border border-line bg-sunken px-2 py-2 font-mono text-sm -outline-offset-2"
    >
      <Node name={null} value={value} path="$" depth={defaultDepth} />
    </div>
  );
});

const isBranch = (value: unknown): value is object => typeof value === "object" && value !== null;
const step = (path: string, key: string, isIndex: boolean): string =>
  isIndex ? `${path}[${key}]` : /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;

function Node({ name, value, path, depth }: { name: string | null; value: unknown; path: string; depth: number }) {
  const [open, setOpen] = useState(depth > 0);
  const [items, setItems] = useState(ITEMS);
  if (!isBranch(value)) {
    return (
      <Line path={path} value={value}>
        <span className="w-5 shrink-0" />
        <Name name={name} />
        <Leaf value={value} />
      </Line>
    );
  }
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  const [start, end] = isList ? ["[", "]"] : ["{", "}"];
  return (
    <div>
      <Line path={path} value={value}>
        <button
          type="button"
          aria-expanded={open}
          aria-label={`${name ?? "value"}, ${entries.length} ${isList ? "items" : "keys"}`}
          onClick={() => setOpen(!open)}
          className="flex min-h-6 items-start rounded-sm text-left hover:bg-chosen"
        >
          <ChevronRight size={14} aria-hidden className={`mt-1 mr-1 ml-0.5 shrink-0 text-ink-3 ${open ? "rotate-90" : ""}`} />
          <span>
            <Name name={name} />
            <span className="text-ink-3">
              {start}
              {!open && `${entries.length === 0 ? "" : ` ${entries.length} `}${end}`}
            </span>
          </span>
        </button>
      </Line>
      {open && (
        <>
          <div className="ml-2.5 border-l border-line pl-2">
            {entries.slice(0, items).map(([key, child]) => (
              <Node key={key} name={key} value={child} path={step(path, key, isList)} depth={depth - 1} />
            ))}
            {entries.length > items && (
              <Button size="sm" look="quiet" onClick={() => setItems(items + ITEMS * 5)}>
                Show more of the {entries.length.toLocaleString()}
              </Button>
            )}
          </div>
          <span className="ml-5 text-ink-3">{end}</span>
        </>
      )}
    </div>
  );
}

function Line({ path, value, children }: { path: string; value: unknown; children: ReactNode }) {
  const copy = (text: string, what: string): void =>
    void navigator.clipboard.writeText(text).then(
      () => toast(`${what} copied`),
      () => toast("The browser does not let this page copy", "danger"),
    );
  return (
    <div className="group/line flex min-h-6 items-start rounded-sm pr-1 hover:bg-panel">
      <span className="flex min-w-0 flex-1 items-start">{children}</span>
      <span className="flex h-6 shrink-0 items-center opacity-0 group-focus-within/line:opacity-100 group-hover/line:opacity-100">
        <IconButton label={`Copy the path ${path}`} className="!size-6" onClick={() => copy(path, "Path")}>
          <Route size={12} />
        </IconButton>
        <IconButton
          label={`Copy the value at ${path}`}
          className="!size-6"
          onClick={() => copy(typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? String(value)), "Value")}
        >
          <Copy size={12} />
        </IconButton>
      </span>
    </div>
  );
}

const Name = ({ name }: { name: string | null }) =>
  name === null ? null : (
    <span className="mr-1.5 shrink-0 text-moving-ink">
      {visible(name)}
      <span className="text-ink-3">:</span>
    </span>
  );

function Leaf({ value }: { value: unknown }) {
  const [chars, setChars] = useState(STRING_CHARS);
  if (typeof value !== "string") return <span className={value === null ? "text-ink-3" : "syn-number"}>{String(value)}</span>;
  return (
    <span className="min-w-0">
      <span className="syn-string whitespace-pre-wrap">“{visible(value.length > chars ? `${value.slice(0, chars)}…` : value)}”</span>
      {value.length > chars && (
        <Button size="sm" look="quiet" onClick={() => setChars(chars + STRING_STEP)}>
          Show more ({(value.length - chars).toLocaleString()} characters)
        </Button>
      )}
    </span>
  );
}
