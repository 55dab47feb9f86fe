import type { ReactNode } from "react";
import { Mark } from "../frame/mark.tsx";

/** The page before the frame: nothing on it but why one is here. */
export function Threshold({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="flex min-h-dvh items-center justify-center p-5">
      <div className="soft-shadow w-full max-w-md rounded-lg border border-line bg-panel p-6 sm:p-8">
        <p className="flex items-center gap-2.5 font-semibold text-ink-2">
          <Mark /> Signalbox
        </p>
        <h1 className="mt-6 text-xl font-semibold text-balance">{title}</h1>
        <div className="mt-4 space-y-4">{children}</div>
      </div>
    </main>
  );
}
