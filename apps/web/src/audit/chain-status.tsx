/* How the log stands: how far it is, how far it is signed, by which key. */
import { Timestamp } from "@signalbox/ui/timestamp";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { checkpointsQuery, keysQuery, newestEventQuery } from "./audit-queries.ts";

export function ChainStatus() {
  const { data: newest } = useQuery(newestEventQuery);
  const { data: checkpoints } = useInfiniteQuery(checkpointsQuery);
  const { data: keys } = useQuery(keysQuery);
  const signed = checkpoints?.[0];
  const current = keys?.keys.find(({ status }) => status === "current");
  return (
    <dl
      aria-label="How the log stands"
      className="soft-shadow mb-5 grid overflow-clip rounded-lg border border-line bg-panel sm:grid-cols-3 sm:divide-x sm:divide-line narrow:divide-y narrow:divide-line"
    >
      <Fact name="Newest event" isKnown={newest !== undefined} note={newest == null ? null : <Timestamp at={newest.occurred_at} />}>
        {newest === null ? (
          "None yet"
        ) : (
          <Link to="/timeline" className="tabular-nums underline decoration-line-strong underline-offset-4 hover:decoration-ink">
            {newest?.position.toLocaleString()}
          </Link>
        )}
      </Fact>
      <Fact
        name="Signed up to event"
        isKnown={checkpoints !== undefined}
        note={signed === undefined ? "The server signs regularly while something happens." : <Timestamp at={signed.created_at} />}
      >
        {signed === undefined ? (
          "Not yet"
        ) : (
          <span className="flex flex-wrap items-baseline gap-x-2 narrow:justify-end">
            <span className="tabular-nums">{signed.position.toLocaleString()}</span>
            {newest != null && signed.position >= newest.position && <span className="text-sm font-medium text-clear-ink">all of it</span>}
          </span>
        )}
      </Fact>
      <Fact
        name="Signing key"
        isKnown={keys !== undefined}
        note={
          current === undefined ? (
            "It is made with the first signature."
          ) : current.introduced === "replaced" ? (
            <span className="text-danger-ink">replaced: no key before it vouches for it</span>
          ) : (
            <>
              {current.introduced === "first" ? "the first one" : "handed over"}
              {current.valid_from !== null && (
                <>
                  , <Timestamp at={current.valid_from} />
                </>
              )}
            </>
          )
        }
      >
        <span className="font-mono">{current?.key_id ?? "None yet"}</span>
      </Fact>
    </dl>
  );
}

function Fact({ name, isKnown, note, children }: { name: string; isKnown: boolean; note: ReactNode; children: ReactNode }) {
  return (
    <div className="min-w-0 px-5 py-3.5 narrow:flex narrow:items-baseline narrow:justify-between narrow:gap-4 narrow:px-4 narrow:py-2.5">
      <dt className="plate narrow:shrink-0">{name}</dt>
      <dd className="mt-0.5 min-h-12 narrow:min-h-0 narrow:text-right">
        {isKnown && (
          <>
            <span className="block text-lg leading-7 font-semibold narrow:text-base">{children}</span>
            <span className="block text-sm text-ink-3">{note}</span>
          </>
        )}
      </dd>
    </div>
  );
}
