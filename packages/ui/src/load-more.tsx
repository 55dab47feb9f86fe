import { Button } from "./button.tsx";
import { Trouble } from "./trouble.tsx";

/** The way to the next page of a list without numbers; what went wrong shows where it happened. */
export function LoadMore({
  hasMore,
  isLoading,
  onMore,
  label = "Show more",
  error = null,
}: {
  hasMore: boolean;
  isLoading: boolean;
  onMore(): void;
  label?: string;
  error?: Error | null;
}) {
  if (error !== null) return <Trouble error={error} onRetry={onMore} className="mt-4" />;
  if (!hasMore) return null;
  return (
    <div className="mt-4 flex justify-center">
      <Button onClick={onMore} busy={isLoading}>
        {label}
      </Button>
    </div>
  );
}
