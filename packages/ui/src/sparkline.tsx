import { useId } from "react";

export interface Point {
  /** What it is a figure of: "14:02", "Monday". */
  readonly label: string;
  readonly value: number;
}

/** The run of a figure, as wide as its place; the figures themselves are a table for whoever cannot see the line. */
export function Sparkline({
  label,
  points,
  format = String,
  tone = "ink",
  className = "h-8 w-32",
}: {
  label: string;
  points: readonly Point[];
  format?(value: number): string;
  tone?: "ink" | "moving" | "signal" | "danger";
  className?: string;
}) {
  const id = useId();
  const top = Math.max(1e-9, ...points.map(({ value }) => value));
  const x = (i: number): number => (points.length < 2 ? 50 : (i / (points.length - 1)) * 100);
  const y = (value: number): number => 29 - (value / top) * 26;
  const line = points.map(({ value }, i) => `${x(i).toFixed(2)},${y(value).toFixed(2)}`).join(" ");
  const last = points.at(-1);
  const ink = { ink: "text-ink-2", moving: "text-moving", signal: "text-signal", danger: "text-danger" }[tone];
  return (
    <span className="inline-block">
      <svg viewBox="0 0 100 32" preserveAspectRatio="none" aria-hidden className={`block overflow-visible ${ink} ${className}`}>
        <path d="M0 30.5H100" className="stroke-line" strokeWidth="1" vectorEffect="non-scaling-stroke" />
        {points.length > 1 && <polygon points={`0,30 ${line} 100,30`} fill="currentColor" opacity="0.1" />}
        <polyline
          points={line}
          fill="none"
          stroke="currentColor"
          strokeWidth="1.5"
          strokeLinejoin="round"
          vectorEffect="non-scaling-stroke"
        />
        {last !== undefined && (
          <path
            d={`M${x(points.length - 1)} ${y(last.value)}h0`}
            stroke="currentColor"
            strokeWidth="5"
            strokeLinecap="round"
            vectorEffect="non-scaling-stroke"
          />
        )}
      </svg>
      <span className="sr-only">
        <table aria-labelledby={id}>
          <caption id={id}>{label}</caption>
          <tbody>
            {points.map(({ label, value }, i) => (
              <tr key={i}>
                <th scope="row">{label}</th>
                <td>{format(value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </span>
    </span>
  );
}
