import { useQuery } from "@tanstack/react-query";
import { modelsQuery } from "../data/queries.ts";
import { money } from "@signalbox/ui/format";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";

export function Models() {
  const { data, error, refetch } = useQuery(modelsQuery);
  if (error !== null && data === undefined) return <Trouble error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeleton rows={2} className="h-10" />;
  return (
    <div className="space-y-3">
      {data.items.length === 0 && (
        <p className="text-sm text-ink-2">
          No model is configured. Set an API key in the server's environment, or start Ollama, and restart.
        </p>
      )}
      <ul className="divide-y divide-line">
        {data.items.map((model) => (
          <li key={model.id} className="flex flex-wrap items-baseline gap-x-3 py-2 text-sm">
            <span className="font-medium">{model.name}</span>
            {model.is_demo && !/scripted/i.test(model.name) && (
              <span className="rounded-full border border-signal-line bg-signal-wash px-2 text-plate text-signal-ink">
                scripted, not AI
              </span>
            )}
            {model.is_default && <span className="rounded-full border border-line-strong px-2 text-plate text-ink-2">default</span>}
            <span className="ml-auto text-ink-3">
              {model.upstream}
              {model.input_micro_usd_per_million !== null &&
                model.output_micro_usd_per_million !== null &&
                ` · ${money(model.input_micro_usd_per_million)} in, ${money(model.output_micro_usd_per_million)} out per million tokens`}
            </span>
          </li>
        ))}
      </ul>
      {data.problems.map((problem) => (
        <p key={problem.upstream} className="rounded-md border border-line bg-sunken px-3 py-2 text-sm text-ink-2">
          <span className="font-medium text-ink">{problem.upstream}</span>: {problem.message}
        </p>
      ))}
    </div>
  );
}
