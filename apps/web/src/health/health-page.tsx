/* How the box itself is doing: its parts, the machine under it, the sandboxes in it, its jobs, and the engines that work for it. */
import { Tabs } from "@signalbox/ui/tabs";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { meQuery } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { DeadJobs } from "./dead-jobs.tsx";
import { Parts } from "./parts.tsx";
import { Sandboxes } from "./sandboxes.tsx";
import { Workers } from "./workers.tsx";

const route = getRouteApi("/frame/health");

export function HealthPage() {
  const { tab } = route.useSearch();
  const navigate = useNavigate();
  const { data: me } = useQuery(meQuery);
  const isAdmin = me?.role === "admin" || me?.role === "owner";
  const tabs = [
    { name: "parts", label: "Parts", content: <Parts isAdmin={isAdmin} /> },
    { name: "workers", label: "Workers", content: <Workers /> },
    ...(isAdmin
      ? [
          { name: "sandboxes", label: "Sandboxes", content: <Sandboxes /> },
          { name: "jobs", label: "Jobs that were given up", content: <DeadJobs /> },
        ]
      : []),
  ];
  return (
    <Page title="Health" lead="Green only when every part is.">
      <Tabs
        label="Health"
        tabs={tabs}
        value={tabs.find(({ name }) => name === tab)?.name ?? "parts"}
        onChange={(name) => void navigate({ to: "/health", search: name === "parts" ? {} : { tab: name }, replace: true })}
      />
    </Page>
  );
}
