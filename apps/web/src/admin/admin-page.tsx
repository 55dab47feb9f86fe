/* The operator's area: the whole installation's organizations, people, mails that wait, and keys. Nobody else is told that it exists. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { getAdminStatus } from "@signalbox/contract/admin";
import { Tabs } from "@signalbox/ui/tabs";
import { Trouble } from "@signalbox/ui/trouble";
import { client } from "../data/api.ts";
import { Page } from "../frame/page.tsx";
import { KeyRings } from "./key-rings.tsx";
import { Organizations } from "./organizations.tsx";
import { Outbox } from "./outbox.tsx";
import { People } from "./people.tsx";

const route = getRouteApi("/frame/admin");
const TABS = ["organizations", "people", "mails", "keys"] as const;

export function AdminPage() {
  const { tab } = route.useSearch();
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
        <Tabs
          label="Parts"
          value={TABS.find((name) => name === tab) ?? "organizations"}
          onChange={(name) => void navigate({ search: name === "organizations" ? {} : { tab: name }, replace: true })}
          tabs={[
            { name: "organizations", label: "Organizations", content: <Organizations /> },
            { name: "people", label: "People", content: <People /> },
            { name: "mails", label: "Waiting mails", content: <Outbox /> },
            { name: "keys", label: "Key rings", content: <KeyRings /> },
          ]}
        />
      )}
    </Page>
  );
}
