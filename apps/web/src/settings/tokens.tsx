import { createToken, SCOPES } from "@signalbox/contract/identity";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { client, queries } from "../data/api.ts";
import { tokensQuery } from "../data/queries.ts";
import { Button } from "@signalbox/ui/button";
import { Checkbox } from "@signalbox/ui/checkbox";
import { Dialog } from "@signalbox/ui/dialog";
import { Field, inputLook } from "@signalbox/ui/field";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Select } from "@signalbox/ui/select";
import { Trouble } from "@signalbox/ui/trouble";
import { SecretOnce } from "./secret-once.tsx";
import { TokenList } from "./token-list.tsx";

type Scope = (typeof SCOPES)[number];

const SAYS: Record<Scope, string> = {
  read: "see everything",
  write: "start and prompt sessions",
  approve: "decide approvals",
  admin: "change settings and tokens",
  engine: "claim and report runs",
};

const DAY_MS = 86_400_000;
const LASTS = { "7": "7 days", "30": "30 days", "90": "90 days", "365": "A year", never: "Until it is revoked" } as const;

export function Tokens() {
  const tokens = useQuery(tokensQuery);
  const [isMaking, setMaking] = useState(false);
  const live = tokens.data?.items.filter((token) => token.revoked_at === null) ?? [];
  return (
    <div className="space-y-4">
      {tokens.error !== null && <Trouble error={tokens.error} onRetry={() => void tokens.refetch()} />}
      {tokens.isPending && <Skeleton rows={2} className="h-14" />}
      {tokens.isSuccess && live.length === 0 && (
        <div className="rounded-lg border border-line bg-panel">
          <Empty title="There is no token">The command line on this machine has its own; a token is for everything else.</Empty>
        </div>
      )}
      {live.length > 0 && <TokenList label="Tokens" items={live} isMine />}
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
  const [days, setDays] = useState<keyof typeof LASTS>("90");
  const make = useMutation({
    mutationFn: () =>
      client.call(createToken, {
        body: {
          name: name.trim(),
          scopes: [...scopes],
          ...(days === "never" ? {} : { expires_at: new Date(Date.now() + Number(days) * DAY_MS).toISOString() }),
        },
      }),
    onSuccess: () => void queries.invalidateQueries({ queryKey: ["tokens"] }),
  });
  if (make.data !== undefined) {
    return (
      <SecretOnce
        title="Copy the token now"
        description="It is not kept and cannot be shown again."
        secret={make.data.secret}
        copyLabel="Copy the token"
        onClose={onClose}
      />
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
              <Checkbox
                key={scope}
                label={
                  <>
                    <span className="font-mono">{scope}</span> <span className="text-ink-2">{SAYS[scope]}</span>
                  </>
                }
                checked={scopes.includes(scope)}
                onChange={(on) => setScopes(on ? [...scopes, scope] : scopes.filter((each) => each !== scope))}
              />
            ))}
          </div>
        </fieldset>
        <Field label="It lasts">
          {(props) => (
            <Select<keyof typeof LASTS>
              {...props}
              value={days}
              onChange={setDays}
              options={(["7", "30", "90", "365", "never"] as const).map((value) => ({ value, label: LASTS[value] }))}
            />
          )}
        </Field>
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
