import { useQuery } from "@tanstack/react-query";
import { healthQuery } from "../data/queries.ts";
import { Lamp } from "@signalbox/ui/lamp";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";

export function Health() {
  const { data, error, refetch } = useQuery(healthQuery);
  if (error !== null) return <Trouble error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeleton rows={2} className="h-7" />;
  return (
    <>
      <ul className="grid gap-x-8 gap-y-1.5 text-sm sm:grid-cols-2">
        {data.parts.map((part) => (
          <li key={part.name} className="flex items-center gap-2.5">
            <Lamp state={part.ok ? "clear" : "danger"} size="sm" />
            <span>{part.name}</span>
            <span className="clamp-1 text-ink-3">{part.ok ? (part.detail ?? "") : (part.detail ?? "does not work")}</span>
          </li>
        ))}
      </ul>
      <p className="mt-3 text-sm text-ink-3">Signalbox {data.version}</p>
    </>
  );
}
