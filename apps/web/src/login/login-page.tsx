/* Where the printed link leads. The code is single use: it is spent once, on purpose not on every render. */
import { getMe, login } from "@signalbox/contract/identity";
import { useMutation } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { client, queries } from "../data/api.ts";
import { meQuery } from "../data/queries.ts";
import { Lamp } from "@signalbox/ui/lamp";
import { Trouble } from "@signalbox/ui/trouble";
import { Threshold } from "./threshold.tsx";
import { SignedOut } from "./signed-out.tsx";
import { Door } from "./signed-out-door.tsx";

const route = getRouteApi("/login");

export function LoginPage() {
  const { code } = route.useSearch();
  const navigate = useNavigate();
  const spent = useRef<string | null>(null);
  const exchange = useMutation({
    mutationFn: async (code: string) => {
      try {
        return await client.call(login, { body: { code } });
      } catch (refused) {
        // The same link pressed twice in one browser: whoever is in already just goes in.
        return await client.call(getMe, {}).catch(() => Promise.reject(refused));
      }
    },
    onSuccess: async (me) => {
      queries.setQueryData(meQuery.queryKey, me);
      await navigate({ to: "/", replace: true });
    },
  });
  const { mutate } = exchange;
  useEffect(() => {
    if (code === undefined || spent.current === code) return;
    spent.current = code;
    mutate(code);
  }, [code, mutate]);

  if (code === undefined) return <Door />;
  if (exchange.error === null) {
    return (
      <Threshold title="Signing in">
        <p className="flex items-center gap-3 text-ink-2" role="status">
          <Lamp state="moving" /> Checking the link…
        </p>
      </Threshold>
    );
  }
  return (
    <SignedOut title="This link does not open the door any more">
      <Trouble error={exchange.error} />
      <p className="text-ink-2">A login link works once, and for 15 minutes.</p>
    </SignedOut>
  );
}
