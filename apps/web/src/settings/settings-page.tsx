import { Button } from "@signalbox/ui/button";
import { CopyButton } from "@signalbox/ui/copy-button";
import { useQuery } from "@tanstack/react-query";
import { LogOut } from "lucide-react";
import { useState } from "react";
import { meQuery } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { signOut } from "../offline/sign-out.ts";
import { Health } from "./health.tsx";
import { KillSwitch } from "./kill-switch.tsx";
import { Panel } from "./panel.tsx";

const ROLE: Readonly<Record<string, string>> = {
  viewer: "may look",
  member: "may start and prompt sessions",
  approver: "may also decide approvals",
  admin: "may also change settings",
  owner: "may do everything",
};

export function SettingsPage() {
  return (
    <Page title="Settings" lead="You, and what concerns all of the box.">
      <div className="space-y-5">
        <KillSwitch />
        <Me />
        <Panel title="Health" note="Green only when every part is.">
          <Health />
        </Panel>
      </div>
    </Page>
  );
}

function Me() {
  const { data: me } = useQuery(meQuery);
  const [isLeaving, setLeaving] = useState(false);
  return (
    <Panel
      title="You"
      actions={
        <Button
          size="sm"
          busy={isLeaving}
          onClick={() => {
            setLeaving(true);
            void signOut().finally(() => setLeaving(false));
          }}
        >
          <LogOut size={14} aria-hidden /> Sign out
        </Button>
      }
    >
      <dl className="grid gap-x-8 gap-y-3 text-sm sm:grid-cols-3">
        <Who name="Name" value={me?.principal.display_name} id={me?.principal.id} />
        <Who name="Organization" value={me?.organization.name} id={me?.organization.id} />
        <div>
          <dt className="plate">Role</dt>
          <dd className="font-medium capitalize">{me?.role}</dd>
          <dd className="text-ink-3">{ROLE[me?.role ?? ""]}</dd>
        </div>
      </dl>
    </Panel>
  );
}

function Who({ name, value, id }: { name: string; value: string | undefined; id: string | undefined }) {
  return (
    <div className="min-w-0">
      <dt className="plate">{name}</dt>
      <dd className="clamp-1 font-medium" title={value}>
        {value}
      </dd>
      {id !== undefined && (
        <dd className="flex items-center gap-1 font-mono text-plate text-ink-3">
          <span className="clamp-1 min-w-0">{id}</span>
          <CopyButton text={id} label={`Copy the id of the ${name === "Name" ? "person" : "organization"}`} />
        </dd>
      )}
    </div>
  );
}
