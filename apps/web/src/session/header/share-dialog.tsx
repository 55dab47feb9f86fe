/* Links under which the session can be read without an account: made, listed, revoked. */
import { createShare, listShares, revokeShare, type ShareView } from "@signalbox/contract/shares";
import type { SessionView } from "@signalbox/contract/sessions";
import { Badge } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Dialog } from "@signalbox/ui/dialog";
import { inputLook } from "@signalbox/ui/field";
import { remaining } from "@signalbox/ui/format";
import { useNow } from "@signalbox/ui/now";
import { Skeleton } from "@signalbox/ui/placeholder";
import { Select } from "@signalbox/ui/select";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { client, queries } from "../../data/api.ts";
import { useNames } from "../../data/queries.ts";

const DAY_S = 86_400;
const LASTS = [
  { value: "3600", label: "for an hour" },
  { value: String(DAY_S), label: "for a day" },
  { value: String(7 * DAY_S), label: "for a week" },
  { value: String(30 * DAY_S), label: "for 30 days" },
];

export function ShareDialog({ session, onClose }: { session: SessionView; onClose(): void }) {
  const { id } = session;
  const queryKey = ["session", id, "shares"];
  const [lasts, setLasts] = useState(String(7 * DAY_S));
  const shares = useQuery({ queryKey, queryFn: ({ signal }) => client.call(listShares, { params: { id }, signal }) });
  const refresh = (): void => void queries.invalidateQueries({ queryKey });
  const make = useMutation({
    mutationFn: () => client.call(createShare, { params: { id }, body: { expires_in_s: Number(lasts) } }),
    onSuccess: refresh,
  });
  const revoke = useMutation({
    mutationFn: (share: ShareView) => client.call(revokeShare, { params: { id: share.id } }),
    onSuccess: (share) => {
      if (share.id === make.data?.id) make.reset();
      toast("The link no longer opens anything");
      refresh();
    },
  });
  const active = (shares.data?.items ?? []).filter(({ status }) => status === "active");
  const over = (shares.data?.items.length ?? 0) - active.length;
  return (
    <Dialog
      title="Share this session"
      description="Whoever has the link reads along, live, without an account: conversation, tool calls and timeline. Nothing can be said or decided by it."
      onClose={onClose}
    >
      <div className="space-y-5">
        {make.data === undefined ? (
          <div className="flex gap-2">
            <Select aria-label="How long the link holds" options={LASTS} value={lasts} onChange={setLasts} className="flex-1" />
            <Button look="solid" busy={make.isPending} onClick={() => make.mutate()}>
              Make a link
            </Button>
          </div>
        ) : (
          <div className="space-y-1.5">
            <label className="block text-sm font-semibold" htmlFor="share-link">
              The link, shown this once
            </label>
            <div className="flex items-center gap-2">
              <input
                id="share-link"
                readOnly
                data-focus
                value={make.data.url}
                onFocus={(event) => event.target.select()}
                className={`${inputLook} font-mono !text-sm`}
              />
              <CopyButton text={make.data.url} label="Copy the link" />
            </div>
          </div>
        )}
        {make.error !== null && <Trouble error={make.error} />}
        {revoke.error !== null && <Trouble error={revoke.error} />}
        <section>
          <h3 className="plate mb-1">Links that open it</h3>
          {shares.isPending && <Skeleton rows={1} className="h-9" />}
          {shares.error !== null && <Trouble error={shares.error} onRetry={() => void shares.refetch()} />}
          {shares.data !== undefined && active.length === 0 && (
            <p className="text-sm text-ink-3">None. Only people of the organization can see it.</p>
          )}
          <ul className="divide-y divide-line">
            {active.map((share) => (
              <Share
                key={share.id}
                share={share}
                isNew={share.id === make.data?.id}
                isBusy={revoke.isPending}
                onRevoke={() => revoke.mutate(share)}
              />
            ))}
          </ul>
          {over > 0 && (
            <p className="mt-2 text-sm text-ink-3">
              {over === 1 ? "One earlier link has" : `${over} earlier links have`} expired or been revoked.
            </p>
          )}
        </section>
      </div>
    </Dialog>
  );
}

function Share({ share, isNew, isBusy, onRevoke }: { share: ShareView; isNew: boolean; isBusy: boolean; onRevoke(): void }) {
  const nameOf = useNames();
  const left = remaining(share.expires_at, useNow());
  return (
    <li className="flex items-center gap-3 py-1.5 text-sm">
      <span className="min-w-0 flex-1">
        {nameOf(share.created_by)} <span className="text-ink-3">· {left === null ? "expired" : `${left} left`}</span>{" "}
        {isNew && <Badge>new</Badge>}
      </span>
      <Button size="sm" look="danger" disabled={isBusy} aria-label={`Revoke the link of ${nameOf(share.created_by)}`} onClick={onRevoke}>
        Revoke
      </Button>
    </li>
  );
}
