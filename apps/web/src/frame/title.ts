import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { openApprovalsQuery } from "../data/queries.ts";

/** The tab's title: how many things wait, then where one is. */
export function useTitle(where: string): void {
  const { data: open } = useQuery(openApprovalsQuery);
  const waiting = open?.length ?? 0;
  useEffect(() => {
    document.title = `${waiting > 0 ? `(${waiting}) ` : ""}${where} · Signalbox`;
  }, [waiting, where]);
}
