/* The one client and the one live socket of this tab. */
import { ApiError, createClient } from "@signalbox/client/client";
import { createSync } from "@signalbox/client/sync";
import { setClockOffset } from "@signalbox/ui/now";
import { fetchTelling } from "./server-clock.ts";
import { onAnswer, onUnreachable } from "./reach.ts";
import { QueryCache, QueryClient } from "@tanstack/react-query";

export const client = createClient({ baseUrl: window.location.origin, fetch: fetchTelling(setClockOffset) });
export const sync = createSync({ client });

export const isRefusal = (error: unknown, code: string): error is ApiError => error instanceof ApiError && error.code === code;
const isSignedOut = (error: unknown): boolean => error instanceof ApiError && error.status === 401;

export const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onSuccess: onAnswer,
    // A cookie that ended while the page was open: `me` is asked again, and the frame shows the signed-out page.
    onError: (error, query) => {
      if (error instanceof ApiError && error.status === 0) onUnreachable();
      if (isSignedOut(error) && query.queryKey[0] !== "me") void queries.resetQueries({ queryKey: ["me"] });
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // What was refused will be refused again; only a fault or a lost connection is worth another try.
      retry: (failures, error) => failures < 4 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 500),
      retryDelay: (failures) => Math.min(5_000, 400 * 2 ** failures),
    },
  },
});
