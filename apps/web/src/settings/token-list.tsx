/* API tokens that work, each with its revocation: on one's own page of tokens and on the security page. */
import { revokeToken, type listTokens } from "@signalbox/contract/identity";
import type { Output } from "@signalbox/contract/route";
import type { TokenId } from "@signalbox/contract/primitives";
import { Button } from "@signalbox/ui/button";
import { ConfirmDialog } from "@signalbox/ui/confirm-dialog";
import { List } from "@signalbox/ui/list-row";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { client, queries } from "../data/api.ts";

type Token = Output<typeof listTokens>["items"][number] & { readonly principal_name?: string };

/** `isMine`: all of the one who looks, so that none says whose it is. */
export function TokenList({ label, items, isMine = false }: { label: string; items: readonly Token[]; isMine?: boolean }) {
  const [leaving, setLeaving] = useState<Token | null>(null);
  const revoke = useMutation({
    mutationFn: (id: TokenId) => client.call(revokeToken, { params: { id } }),
    onSuccess: (token) => {
      toast(`Revoked: ${token.name}`);
      setLeaving(null);
      for (const key of ["tokens", "security"]) void queries.invalidateQueries({ queryKey: [key] });
    },
  });
  return (
    <>
      <List label={label}>
        {items.map((token) => (
          <li key={token.id} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 py-3">
            <div className="min-w-0 flex-1 basis-64">
              <p className="clamp-1 font-medium" title={token.name}>
                {token.name}
                {!isMine && token.principal_name !== undefined && <span className="font-normal text-ink-2"> · {token.principal_name}</span>}
              </p>
              <p className="text-sm text-ink-3">
                <span className="font-mono">{token.scopes.join(" ")}</span> · {endOf(token)} ·{" "}
                {token.last_used_at === null ? (
                  "never used"
                ) : (
                  <>
                    used <Timestamp at={token.last_used_at} />
                  </>
                )}
              </p>
            </div>
            <Button size="sm" look="danger" onClick={() => setLeaving(token)} aria-label={`Revoke ${token.name}`}>
              Revoke
            </Button>
          </li>
        ))}
      </List>
      {leaving !== null && (
        <ConfirmDialog
          title={`Revoke “${leaving.name}”?`}
          description="Whatever uses it is refused from now on. There is no way back; a new one can be made."
          confirm="Revoke the token"
          danger
          busy={revoke.isPending}
          error={revoke.error}
          onConfirm={() => revoke.mutate(leaving.id)}
          onClose={() => setLeaving(null)}
        />
      )}
    </>
  );
}

function endOf({ expires_at: at }: Token): string {
  if (at === null) return "no end";
  const day = new Date(at).toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });
  return Date.parse(at) < Date.now() ? `ended ${day}` : `until ${day}`;
}
