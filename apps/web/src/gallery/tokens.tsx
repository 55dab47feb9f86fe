import { Specimen, Specimens } from "./specimen.tsx";

const GROUNDS = ["bg-ground", "bg-panel", "bg-raised", "bg-sunken", "bg-chosen"];
const LIGHTS = ["bg-signal", "bg-moving", "bg-clear", "bg-danger", "bg-line-strong"];
const WASHES = [
  ["bg-signal-wash border-signal-line text-signal-ink", "signal: waits for a person"],
  ["bg-clear-wash border-transparent text-clear-ink", "clear: a good end"],
  ["bg-danger-wash border-danger-line text-danger-ink", "danger: a bad end, or no way back"],
] as const;

export function Tokens() {
  return (
    <Specimens>
      <Specimen name="Grounds">
        <div className="flex gap-2">
          {GROUNDS.map((look) => (
            <div key={look} className="w-1/5 min-w-0">
              <div className={`h-12 rounded-md border border-line ${look}`} />
              <p className="clamp-1 text-sm text-ink-3">{look.slice(3)}</p>
            </div>
          ))}
        </div>
      </Specimen>
      <Specimen name="Lights">
        <div className="flex gap-2">
          {LIGHTS.map((look) => (
            <div key={look} className="w-1/5 min-w-0">
              <div className={`h-12 rounded-md ${look}`} />
              <p className="clamp-1 text-sm text-ink-3">{look.slice(3)}</p>
            </div>
          ))}
        </div>
      </Specimen>
      <Specimen name="Washes">
        <div className="space-y-2">
          {WASHES.map(([look, name]) => (
            <p key={name} className={`rounded-md border px-3 py-2 text-sm ${look}`}>
              {name}
            </p>
          ))}
        </div>
      </Specimen>
      <Specimen name="Type">
        <p className="text-2xl font-semibold">Two: the first screen</p>
        <p className="text-xl font-semibold">Extra: a page</p>
        <p className="text-lg font-semibold">Large: a panel</p>
        <p className="text-base">Base: what is read.</p>
        <p className="text-sm text-ink-2">Small: what stands beside it.</p>
        <p className="plate">Plate: what a group is called</p>
        <p className="font-mono text-sm">mono: ids, code 0O 1lI {"{}"}</p>
      </Specimen>
    </Specimens>
  );
}
