/* The operator's area: the whole installation's organizations, people and mails that wait. Nobody else is told that it exists. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { getAdminStatus } from "@signalbox/contract/admin";
import { Trouble } from "@signalbox/ui/trouble";
import { client } from "../data/api.ts";
import { Page } from "../frame/page.tsx";
import { Organizations } from "./organizations.tsx";
import { Outbox } from "./outbox.tsx";
import { People } from "./people.tsx";

const route = getRouteApi("/frame/admin");
const TABS = [
  ["organizations", "Organizations"],
  ["people", "People"],
  ["mails", "Waiting mails"],
] as const;

export function AdminPage() {
  const { tab = "organizations" } = route.useSearch();
  const navigate = route.useNavigate();
  const { error, isSuccess } = useQuery({
    queryKey: ["admin-status"],
    queryFn: ({ signal }) => client.call(getAdminStatus, { signal }),
    retry: false,
  });
  return (
    <Page title="Installation" lead="Every organization and everybody in it, for whoever operates this server.">
      {error !== null && <Trouble error={error} />}
      {isSuccess && (
        <div className="space-y-5">
          <nav aria-label="Parts" className="flex gap-1 overflow-x-auto border-b border-line">
            {TABS.map(([id, label]) => (
              <button
                key={id}
                type="button"
                aria-current={tab === id ? "page" : undefined}
                className={`-mb-px shrink-0 border-b-2 px-2.5 py-2 text-sm -outline-offset-2 hover:text-ink ${tab === id ? "border-ink font-semibold text-ink" : "border-transparent text-ink-2"}`}
                onClick={() => void navigate({ search: { tab: id } })}
              >
                {label}
              </button>
            ))}
          </nav>
          {tab === "people" ? <People /> : tab === "mails" ? <Outbox /> : <Organizations />}
        </div>
      )}
    </Page>
  );
}
