import { LoaderCircle } from "lucide-react";

/** Work under way that is over soon; what takes longer shows its shape (Skeleton) or how far it is (Progress). */
export function Spinner({ label, size = 16 }: { label: string; size?: number }) {
  return (
    <span role="status" className="inline-flex items-center gap-2 text-sm text-ink-2">
      <LoaderCircle size={size} aria-hidden className="turning" />
      {label}
    </span>
  );
}
