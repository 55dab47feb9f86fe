import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

/** What was asked of the gate, as far as whoever shows the decision knows it. */
export interface Asking {
  readonly action: string;
  /** A principal's id. */
  readonly who?: string | null | undefined;
  /** `{ type, id }` where it has that form. */
  readonly target?: unknown;
  readonly session?: string | null | undefined;
}

/** From a decision, wherever it is shown, to the policies that explain it: the same question, put once more. */
export function WhyLink({ asking, children = "Why?" }: { asking: Asking; children?: ReactNode }) {
  const { action, who, target, session } = asking;
  const { type, id } = (typeof target === "object" && target !== null ? target : {}) as Record<string, unknown>;
  return (
    <Link
      to="/policy"
      search={{
        tab: "evaluate",
        action,
        ...(typeof who === "string" ? { who } : {}),
        ...(typeof type === "string" ? { kind: type } : {}),
        ...(typeof id === "string" ? { resource: id } : {}),
        ...(typeof session === "string" ? { session } : {}),
      }}
      className="text-sm underline underline-offset-2"
    >
      {children}
    </Link>
  );
}
