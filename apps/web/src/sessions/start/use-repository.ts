import { checkRepository, recentRepositories, type RepositoryCheck } from "@signalbox/contract/repositories";
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { client } from "../../data/api.ts";

const PAUSE_MS = 350;

export const recentRepositoriesQuery = queryOptions({
  queryKey: ["repositories", "recent"],
  queryFn: ({ signal }) => client.call(recentRepositories, { signal }),
  staleTime: 30_000,
});

interface Looked {
  /** Of the address that stands there now; undefined while it is being looked at, or nothing is there. */
  readonly found: RepositoryCheck | undefined;
  readonly error: Error | null;
  readonly isLooking: boolean;
}

/** Looks at a repository a moment after the last letter of its address. */
export function useRepository(url: string): Looked {
  const address = url.trim();
  const [asked, setAsked] = useState(address);
  useEffect(() => {
    if (asked === address) return;
    const timer = setTimeout(() => setAsked(address), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [asked, address]);
  const check = useQuery({
    queryKey: ["repositories", "check", asked],
    queryFn: ({ signal }) => client.call(checkRepository, { body: { url: asked }, signal }),
    enabled: asked !== "",
    retry: false,
    staleTime: 10_000,
  });
  const isCurrent = asked === address && address !== "";
  return {
    found: isCurrent ? check.data : undefined,
    error: isCurrent ? check.error : null,
    isLooking: address !== "" && (!isCurrent || check.isFetching),
  };
}
