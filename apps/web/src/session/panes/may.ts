import { useQuery } from "@tanstack/react-query";
import { meQuery } from "../../data/queries.ts";

const RANK = ["viewer", "member", "approver", "admin", "owner"];

/** Whether one's role reaches that far. While it is not known: yes, and the server answers. */
export function useMay(role: "member" | "admin"): boolean {
  const { data: me } = useQuery(meQuery);
  return me === undefined || RANK.indexOf(me.role) >= RANK.indexOf(role);
}
