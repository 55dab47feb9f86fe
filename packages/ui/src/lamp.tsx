/* The one sign of state in the box. Only `wants` is lit; everything else stays dark or quiet. */

export type LampState = "wants" | "moving" | "clear" | "danger" | "dark";

const GLASS: Record<LampState, string> = {
  wants: "bg-signal border-signal lit",
  moving: "border-moving bg-transparent",
  clear: "bg-clear border-clear",
  danger: "bg-danger border-danger",
  dark: "border-line-strong bg-transparent",
};

/** Says nothing to a screen reader: the word beside it does. */
export function Lamp({ state, size = "md" }: { state: LampState; size?: "sm" | "md" }) {
  return (
    <span
      aria-hidden
      className={`relative inline-block shrink-0 rounded-full border-2 ${size === "sm" ? "size-2" : "size-2.5"} ${GLASS[state]}`}
    >
      {state === "moving" && <span className="breathing absolute inset-0 m-auto size-full scale-50 rounded-full bg-moving" />}
    </span>
  );
}
