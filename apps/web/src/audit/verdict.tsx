import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

/** What a check came to: said aloud once, green or red, with the reasons below. */
export function Verdict({ isValid, title, Icon, children }: { isValid: boolean; title: string; Icon: LucideIcon; children: ReactNode }) {
  return (
    <div
      role="status"
      className={`mt-5 rounded-md border px-4 py-3.5 ${isValid ? "border-clear bg-clear-wash" : "border-danger-line bg-danger-wash"}`}
    >
      <p className={`flex items-center gap-2.5 text-lg font-semibold ${isValid ? "text-clear-ink" : "text-danger-ink"}`}>
        <Icon size={22} aria-hidden className="shrink-0" />
        {title}
      </p>
      {children}
    </div>
  );
}
