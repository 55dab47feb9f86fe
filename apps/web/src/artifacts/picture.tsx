import { Button } from "@signalbox/ui/button";
import { useState } from "react";
import { useShortcuts } from "../frame/shortcuts.ts";

const STEPS = [0.25, 0.5, 1, 2, 4] as const;

/** A picture as it fits, or at its own size and multiples of it. */
export function Picture({ src, name }: { src: string; name: string }) {
  const [scale, setScale] = useState<number | null>(null);
  const [size, setSize] = useState<{ readonly width: number; readonly height: number } | null>(null);
  const [isBroken, setBroken] = useState(false);
  const step = (by: 1 | -1): void => {
    const from = scale ?? 1;
    setScale((by > 0 ? STEPS.find((each) => each > from) : STEPS.findLast((each) => each < from)) ?? from);
  };
  useShortcuts([
    { keys: "+", label: "Larger", run: () => step(1) },
    { keys: "-", label: "Smaller", run: () => step(-1) },
    { keys: "0", label: "Fit it in", run: () => setScale(null) },
    { keys: "1", label: "Its own size", run: () => setScale(1) },
  ]);
  if (isBroken) return <p className="text-danger-ink">This is no picture that the browser can show. Download it to look inside.</p>;
  return (
    <figure className="overflow-clip rounded-lg border border-line bg-sunken">
      <figcaption className="flex flex-wrap items-center gap-1.5 border-b border-line px-3 py-1.5 text-sm text-ink-2">
        <span className="mr-auto tabular-nums">
          {size !== null && `${size.width} × ${size.height} px`}
          {scale !== null && `, ${scale * 100} %`}
        </span>
        <Button size="sm" onClick={() => step(-1)} aria-label="Smaller">
          −
        </Button>
        <Button size="sm" onClick={() => step(1)} aria-label="Larger">
          +
        </Button>
        <Button size="sm" onClick={() => setScale(1)} aria-pressed={scale === 1}>
          Actual size
        </Button>
        <Button size="sm" onClick={() => setScale(null)} aria-pressed={scale === null}>
          Fit it in
        </Button>
      </figcaption>
      <div tabIndex={0} role="group" aria-label="Picture" className="max-h-[75dvh] overflow-auto p-3 -outline-offset-2">
        <img
          src={src}
          alt={name}
          onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) => setSize({ width: naturalWidth, height: naturalHeight })}
          onError={() => setBroken(true)}
          className={`mx-auto ${scale === null ? "max-h-[70dvh] max-w-full" : "max-w-none"} ${(scale ?? 1) > 1 ? "[image-rendering:pixelated]" : ""}`}
          style={scale === null || size === null ? undefined : { width: size.width * scale }}
        />
      </div>
    </figure>
  );
}
