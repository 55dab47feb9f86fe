/* What is held about oneself, as a file; and the end of one's account, after typing who it is. */
import { getSignInMethods } from "@signalbox/contract/accounts";
import { deleteAccount, exportAccount } from "@signalbox/contract/own-account";
import { Button } from "@signalbox/ui/button";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { Field, inputLook } from "@signalbox/ui/field";
import { Skeleton } from "@signalbox/ui/placeholder";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Download } from "lucide-react";
import { useState } from "react";
import { client } from "../data/api.ts";
import { meQuery } from "../data/queries.ts";
import { Page } from "../frame/page.tsx";
import { leaveNothing } from "../offline/sign-out.ts";
import { download } from "../session/download.ts";
import { Panel } from "./panel.tsx";

export function AccountPage() {
  const methods = useQuery({ queryKey: ["sign-in-methods"], queryFn: ({ signal }) => client.call(getSignInMethods, { signal }) });
  return (
    <Page title="Account" lead="What is held about you, and how to end it.">
      <div className="space-y-5">
        <YourData />
        {methods.error !== null && <Trouble error={methods.error} onRetry={() => void methods.refetch()} />}
        {methods.data === undefined && methods.error === null && <Skeleton rows={2} className="h-16" />}
        {methods.data !== undefined && <Deleting hasAccounts={methods.data.accounts} />}
      </div>
    </Page>
  );
}

function YourData() {
  const save = useMutation({
    mutationFn: () => client.call(exportAccount, {}),
    onSuccess: (data) => {
      download("signalbox-account.json", `${JSON.stringify(data, null, 2)}\n`);
      toast("Saved as signalbox-account.json");
    },
  });
  return (
    <Panel
      title="Your data"
      note="Your profile, memberships, sign-ins, passkeys, tokens and invitations in every organization, without anything secret."
      actions={
        <Button busy={save.isPending} onClick={() => save.mutate()}>
          <Download size={16} aria-hidden /> Download your data
        </Button>
      }
    >
      <p className="text-ink-2">
        What you wrote is in each organization's log: an admin can export it under{" "}
        <Link to="/settings/data" className="underline underline-offset-4">
          Data
        </Link>
        .
      </p>
      {save.error !== null && <Trouble error={save.error} className="mt-4" />}
    </Panel>
  );
}

function Deleting({ hasAccounts }: { hasAccounts: boolean }) {
  const [isAsking, setAsking] = useState(false);
  return (
    <Panel
      title="Delete account"
      note="Nobody can undo it."
      actions={
        hasAccounts && (
          <Button look="danger" onClick={() => setAsking(true)}>
            Delete account…
          </Button>
        )
      }
    >
      {hasAccounts ? (
        <ul className="list-disc space-y-1 pl-5 text-ink-2">
          <li>You are out of every organization, and every browser, token and program of yours is refused at once.</li>
          <li>Your name, address and picture are erased. What you did stays in the logs, by “Deleted person”.</li>
          <li>Whoever is the only owner of an organization hands it over or deletes it first.</li>
        </ul>
      ) : (
        <p className="text-ink-2">
          Here one signs in with the link that the server prints, and its owner is the installation itself: there is no account to delete.
          To delete everything, stop the server and remove its data directory.
        </p>
      )}
      {isAsking && <Confirm onClose={() => setAsking(false)} />}
    </Panel>
  );
}

function Confirm({ onClose }: { onClose: () => void }) {
  const { data: me } = useQuery(meQuery);
  const [typed, setTyped] = useState("");
  const remove = useMutation({
    mutationFn: () => client.call(deleteAccount, { body: { confirm: typed.trim() } }),
    onSuccess: () => leaveNothing(),
  });
  const isReady = typed.trim() !== "" && !remove.isPending;
  return (
    <ConfirmDialog
      title="Delete your account?"
      description="You are signed out everywhere, and nobody can bring it back. Download your data first if you want to keep it."
      confirm="Delete it for good"
      danger
      busy={remove.isPending}
      disabled={typed.trim() === ""}
      error={remove.error}
      onConfirm={() => remove.mutate()}
      onClose={onClose}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady) remove.mutate();
        }}
      >
        <Field label={`Type your address, or your name “${me?.principal.display_name ?? ""}”`}>
          {(props) => (
            <input
              {...props}
              autoComplete="off"
              autoCapitalize="off"
              spellCheck={false}
              value={typed}
              onChange={(event) => setTyped(event.target.value)}
              className={inputLook}
            />
          )}
        </Field>
      </form>
    </ConfirmDialog>
  );
}
