import type { ReactNode } from "react";

interface EmptyProps {
  icon?: ReactNode;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  /** `h1` where the whole page is this. */
  as?: "h1" | "h2" | "h3";
}

/** What a list says when there is nothing in it. */
export function Empty({ icon, title, children, action, as: Heading = "h2" }: EmptyProps) {
  return (
    <div className="mx-auto flex max-w-md flex-col items-center px-6 py-16 text-center">
      {icon !== undefined && <div className="mb-4 text-ink-3">{icon}</div>}
      <Heading className="text-lg font-semibold">{title}</Heading>
      {children !== undefined && <div className="mt-1.5 text-ink-2">{children}</div>}
      {action !== undefined && <div className="mt-6">{action}</div>}
    </div>
  );
}

/** The shape of what is coming, so that nothing jumps when it does. */
export function Skeleton({ rows = 3, className = "h-16" }: { rows?: number; className?: string }) {
  return (
    <div role="status" aria-label="Loading" className="space-y-2">
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} className={`breathing rounded-md bg-sunken ${className}`} />
      ))}
    </div>
  );
}
