import type { ReactNode } from "react";

/** One component in one state, named. */
export function Specimen({ name, children, wide = false }: { name: string; children: ReactNode; wide?: boolean }) {
  return (
    <div className={`min-w-0 ${wide ? "sm:col-span-2" : ""}`}>
      <h3 className="plate mb-2">{name}</h3>
      {children}
    </div>
  );
}

export const Specimens = ({ children }: { children: ReactNode }) => <div className="grid gap-x-8 gap-y-7 sm:grid-cols-2">{children}</div>;

/** What an agent may call a file, a branch or a tool. */
export const HOSTILE = '<img src=x onerror="alert(1)">"><script>alert(2)</script>\u202Egnp.exe {{constructor}} ' + "W".repeat(120);
export const LONG =
  "Rewrite the settlement importer so that partial refunds in currencies without minor units round the way the bank rounds them, and prove it";
