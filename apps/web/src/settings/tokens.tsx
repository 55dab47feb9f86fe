import { createToken, revokeToken, SCOPES } from "@signalbox/contract/identity";
import type { TokenId } from "@signalbox/contract/primitives";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { client, queries } from "../data/api.ts";
import { tokensQuery } from "../data/queries.ts";
import { Button } from "@signalbox/ui/button";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Dialog } from "@signalbox/ui/dialog";
import { Field, inputLook } from "@signalbox/ui/field";
import { Timestamp } from "@signalbox/ui/timestamp";
import { Skeleton } from "@signalbox/ui/placeholder";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";

type Scope = (typeof SCOPES)[number];

const SAYS: Record<Scope, string> = {
  read: "see everything",
  write: "start and prompt sessions",
  approve: "decide approvals",
  admin: "change settings and tokens",
  engine: "claim and report runs",
};

export function Tokens() {
  const tokens = useQuery(tokensQuery);
  const [isMaking, setMaking] = useState(false);
  const revoke = useMutation({
    mutationFn: (id: TokenId) => client.call(revokeToken, { params: { id } }),
    onSuccess: (token) => {
      toast(`Revoked: ${token.name}`);
      void queries.invalidateQueries({ queryKey: ["tokens"] });
    },
    onError: (error) => toast(error.message, "danger"),
  });
  const live = tokens.data?.items.filter((token) => token.revoked_at === null) ?? [];
  return (
    <div className="space-y-3">
      {tokens.error !== null && <Trouble error={tokens.error} onRetry={() => void tokens.refetch()} />}
      {tokens.isPending && <Skeleton rows={2} className="h-12" />}
      {tokens.isSuccess && live.length === 0 && <p className="text-sm text-ink-2">There are none.</p>}
      <ul className="divide-y divide-line">
        {live.map((token) => (
          <li key={token.id} className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2.5">
            <div className="min-w-0 flex-1 basis-56">
              <p className="clamp-1 font-medium">{token.name}</p>
              <p className="text-sm text-ink-3">
                {token.scopes.join(", ")} ·{" "}
                {token.last_used_at === null ? (
                  "never used"
                ) : (
                  <>
                    used <Timestamp at={token.last_used_at} />
                  </>
                )}
                {token.expires_at !== null && ` · until ${new Date(token.expires_at).toLocaleDateString()}`}
              </p>
            </div>
            <Button
              size="sm"
              look="danger"
              busy={revoke.isPending && revoke.variables === token.id}
              onClick={() => revoke.mutate(token.id)}
              aria-label={`Revoke ${token.name}`}
            >
              Revoke
            </Button>
          </li>
        ))}
      </ul>
      <Button onClick={() => setMaking(true)}>
        <Plus size={16} aria-hidden /> New token
      </Button>
      {isMaking && <NewToken onClose={() => setMaking(false)} />}
    </div>
  );
}

function NewToken({ onClose }: { onClose(): void }) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Scope[]>(["read", "write"]);
  const make = useMutation({
    mutationFn: () => client.call(createToken, { body: { name: name.trim(), scopes: [...scopes] } }),
    onSuccess: () => void queries.invalidateQueries({ queryKey: ["tokens"] }),
  });
  if (make.data !== undefined) {
    return (
      <Dialog title="Copy the token now" description="It is not kept and cannot be shown again." onClose={onClose}>
        <div className="flex items-center gap-2 rounded-md border border-line bg-sunken py-2 pr-2 pl-3">
          <code className="min-w-0 flex-1 text-sm break-all" data-secret>
            {make.data.secret}
          </code>
          <CopyButton text={make.data.secret} label="Copy the token" />
        </div>
        <div className="mt-4 flex justify-end">
          <Button look="solid" onClick={onClose}>
            I have it
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="New token" onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <Field label="Name" hint="What will use it.">
          {(props) => (
            <input
              {...props}
              required
              data-focus
              maxLength={200}
              placeholder="laptop"
              value={name}
              onChange={(event) => setName(event.target.value)}
              className={inputLook}
            />
          )}
        </Field>
        <fieldset>
          <legend className="mb-1.5 text-sm font-semibold">It may</legend>
          <div className="space-y-1">
            {SCOPES.map((scope) => (
              <label key={scope} className="flex items-center gap-2.5 text-sm">
                <input
                  type="checkbox"
                  checked={scopes.includes(scope)}
                  onChange={(event) => setScopes(event.target.checked ? [...scopes, scope] : scopes.filter((each) => each !== scope))}
                />
                <span className="font-mono">{scope}</span>
                <span className="text-ink-2">{SAYS[scope]}</span>
              </label>
            ))}
          </div>
        </fieldset>
        {make.error !== null && <Trouble error={make.error} />}
        <div className="flex justify-end gap-2">
          <Button look="quiet" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" look="solid" busy={make.isPending} disabled={scopes.length === 0 || name.trim() === ""}>
            Make the token
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
