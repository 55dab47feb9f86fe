import { logout } from "@signalbox/contract/identity";
import { useMutation, useQuery } from "@tanstack/react-query";
import { LogOut } from "lucide-react";
import type { ReactNode } from "react";
import { client, queries } from "../data/api.ts";
import { meQuery } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { setTheme, useTheme, type Theme } from "../frame/theme.ts";
import { Button } from "@signalbox/ui/button";
import { Health } from "./health.tsx";
import { KillSwitch } from "./kill-switch.tsx";
import { Models } from "./models.tsx";
import { Tokens } from "./tokens.tsx";

export function SettingsPage() {
  return (
    <Page title="Settings">
      <div className="space-y-5">
        <KillSwitch />
        <Me />
        <Panel title="Models" note="What a session may use, and through whom.">
          <Models />
        </Panel>
        <Panel title="API tokens" note="For the command line, engines and scripts. A secret is shown once, when it is made.">
          <Tokens />
        </Panel>
        <Panel title="Health" note="Green only when every part is.">
          <Health />
        </Panel>
      </div>
    </Page>
  );
}

export function Panel({ title, note, children }: { title: string; note?: string; children: ReactNode }) {
  return (
    <section className="rounded-lg border border-line bg-panel">
      <header className="border-b border-line px-5 py-3">
        <h2 className="font-semibold">{title}</h2>
        {note !== undefined && <p className="text-sm text-ink-2">{note}</p>}
      </header>
      <div className="px-5 py-4">{children}</div>
    </section>
  );
}

const THEMES: readonly (readonly [Theme, string])[] = [
  ["system", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
];

function Me() {
  const { data: me } = useQuery(meQuery);
  const theme = useTheme();
  const leave = useMutation({
    mutationFn: () => client.call(logout, { body: {} }),
    onSuccess: () => {
      queries.clear();
      window.location.assign("/login");
    },
  });
  return (
    <Panel title="You">
      <dl className="grid gap-x-8 gap-y-3 text-sm sm:grid-cols-3">
        <div>
          <dt className="plate">Name</dt>
          <dd>{me?.principal.display_name}</dd>
          <dd className="font-mono text-plate text-ink-3">{me?.principal.id}</dd>
        </div>
        <div>
          <dt className="plate">Organization</dt>
          <dd>{me?.organization.name}</dd>
          <dd className="font-mono text-plate text-ink-3">{me?.organization.id}</dd>
        </div>
        <div>
          <dt className="plate">Role</dt>
          <dd>{me?.role}</dd>
        </div>
      </dl>
      <div className="mt-5 flex flex-wrap items-center justify-between gap-3 border-t border-line pt-4">
        <fieldset className="flex items-center gap-1">
          <legend className="sr-only">Appearance</legend>
          {THEMES.map(([value, label]) => (
            <label
              key={value}
              className="cursor-pointer rounded-md border border-transparent px-2.5 py-1 text-sm text-ink-2 has-checked:border-line-strong has-checked:bg-raised has-checked:font-semibold has-checked:text-ink has-focus-visible:outline-2"
            >
              <input type="radio" name="theme" className="sr-only" checked={theme === value} onChange={() => setTheme(value)} />
              {label}
            </label>
          ))}
        </fieldset>
        <Button size="sm" busy={leave.isPending} onClick={() => leave.mutate()}>
          <LogOut size={14} aria-hidden /> Sign out
        </Button>
      </div>
    </Panel>
  );
}
