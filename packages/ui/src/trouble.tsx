/* What went wrong, why, and what to do: the same words in a form, a pane or a whole page. */
import { TriangleAlert } from "lucide-react";
import { Button } from "./button.tsx";

/** An error of an API may also carry what to do (`fix`) and what to quote when asking for help (`requestId`). */
interface Reported extends Error {
  readonly fix?: string | undefined;
  readonly requestId?: string | undefined;
  /** Of HTTP; 0 when nobody answered at all. */
  readonly status?: number | undefined;
}

interface TroubleProps {
  error: Reported;
  onRetry?: (() => void) | undefined;
  /** It is all that the page says, so it offers to try again also while nobody answers. */
  isAlone?: boolean;
  className?: string;
}

/** While nobody answers there is nothing to press: what could not be read is read again when somebody does. */
export function Trouble({ error, onRetry, isAlone = false, className = "" }: TroubleProps) {
  const { fix, requestId, status } = error;
  if (status === 0 && onRetry !== undefined && !isAlone)
    return (
      <p role="status" className={`rounded-md border border-line bg-sunken px-3.5 py-3 text-sm text-ink-2 ${className}`}>
        The server does not answer. This shows as soon as it does.
      </p>
    );
  return (
    <div role="alert" className={`flex gap-3 rounded-md border border-danger-line bg-danger-wash px-3.5 py-3 text-sm ${className}`}>
      <TriangleAlert size={16} className="mt-0.5 shrink-0 text-danger-ink" aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="font-medium text-danger-ink">{error.message}</p>
        {fix !== undefined && <p className="mt-0.5 text-ink">{fix}</p>}
        {requestId !== undefined && <p className="mt-1 font-mono text-plate text-ink-3">request {requestId}</p>}
      </div>
      {onRetry !== undefined && (
        <Button size="sm" onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}
