/* The call itself, every value of it: what is approved is exactly this, and its hash says so. */
import type { ApprovalView } from "@signalbox/contract/approvals";
import { CopyButton } from "@signalbox/ui/copy-button";
import { readable } from "@signalbox/ui/format";

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** What the target says beyond the parameters: the same value is not read twice. */
function unsaid(target: unknown, params: unknown): unknown {
  if (!isRecord(target) || !isRecord(params)) return target;
  const said = new Set(Object.values(params));
  return Object.fromEntries(Object.entries(target).filter(([, value]) => typeof value !== "string" || !said.has(value)));
}

export function ExactCall({ approval }: { approval: Pick<ApprovalView, "action" | "params" | "target" | "call_hash"> }) {
  const call = { action: approval.action, ...(approval.target === null ? {} : { target: approval.target }), params: approval.params };
  return (
    <div className="overflow-hidden rounded-md border border-line bg-raised">
      <div className="flex items-center gap-2 border-b border-line py-1 pr-1 pl-3">
        <span className="plate flex-1">The exact call</span>
        <CopyButton text={JSON.stringify(call, null, 2)} label="Copy the call" />
      </div>
      <dl
        tabIndex={0}
        aria-label="The exact call"
        className="grid max-h-80 grid-cols-[auto_1fr] gap-x-4 gap-y-0.5 overflow-auto px-3 py-2 font-mono text-sm narrow:max-h-72"
      >
        <Row name="action" value={approval.action} strong />
        <Rows name="params" value={approval.params} />
        {approval.target !== null && <Rows name="target" value={unsaid(approval.target, approval.params)} prefix="target " />}
      </dl>
      <p className="clamp-1 border-t border-line px-3 py-1.5 font-mono text-plate text-ink-3" title={approval.call_hash}>
        bound to {approval.call_hash}
      </p>
    </div>
  );
}

/** An object's fields, one a row; anything else, and anything deeper, as JSON. */
function Rows({ name, value, prefix = "" }: { name: string; value: unknown; prefix?: string }) {
  if (!isRecord(value)) return <Row name={name} value={readable(value)} />;
  return Object.entries(value).map(([key, each]) => (
    <Row key={key} name={`${prefix}${key}`} value={each === null ? "none" : readable(each)} />
  ));
}

function Row({ name, value, strong = false }: { name: string; value: string; strong?: boolean }) {
  return (
    <>
      <dt className="text-ink-3">{name}</dt>
      <dd className={`min-w-0 whitespace-pre-wrap break-all ${strong ? "font-semibold" : ""}`}>{value}</dd>
    </>
  );
}
