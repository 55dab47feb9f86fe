/* Tells the server that somebody looks at the page, so that no note is sent about what is in front of them. */
import { markPushSeen } from "@signalbox/contract/push";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { client } from "../data/api.ts";
import { subscriptionsQuery } from "./subscription.ts";

const EVERY_MS = 10_000;
/** The first screen has more urgent questions. */
const AFTER_MS = 5_000;

/** Only for someone who gets notes: everybody else has nothing to be spared. */
export function useSeen(): void {
  const [isTime, setTime] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setTime(true), AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  const { data } = useQuery({ ...subscriptionsQuery, enabled: isTime, retry: false });
  const hasAny = (data?.items.length ?? 0) > 0;
  useEffect(() => {
    if (!hasAny) return;
    const beat = (): void => {
      if (document.visibilityState !== "visible") return;
      client.call(markPushSeen, { body: {} }).catch(() => undefined); // The next beat says it again.
    };
    beat();
    const timer = setInterval(beat, EVERY_MS);
    document.addEventListener("visibilitychange", beat);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", beat);
    };
  }, [hasAny]);
}
