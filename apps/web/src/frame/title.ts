import { useEffect } from "react";
import { useWaiting } from "./waiting.ts";

/** The tab's title: how many things wait, then where one is. */
export function useTitle(where: string): void {
  const waiting = useWaiting();
  useEffect(() => {
    document.title = `${waiting > 0 ? `(${waiting}) ` : ""}${where} · Signalbox`;
  }, [waiting, where]);
}
