/* Nobody is signed in: the way in that this installation has. */
import { getSignInMethods } from "@signalbox/contract/accounts";
import { useQuery } from "@tanstack/react-query";
import { client } from "../data/api.ts";
import { SignIn } from "./sign-in.tsx";
import { SignedOut } from "./signed-out.tsx";

export function Door({ next }: { next?: string }) {
  const { data, error } = useQuery({
    queryKey: ["sign-in-methods"],
    queryFn: ({ signal }) => client.call(getSignInMethods, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (data === undefined && error === null) return null;
  if (data?.accounts !== true) return <SignedOut />;
  const here = window.location.pathname + window.location.search;
  return <SignIn next={next ?? (here.startsWith("/login") ? "/" : here)} />;
}
