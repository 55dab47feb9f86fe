/* The log, or one session of it, as a file that an offline verifier needs nothing else for. The browser itself saves it. */
import { isId } from "@signalbox/contract/ids";
import { listSessions } from "@signalbox/contract/sessions";
import { Button, buttonLook } from "@signalbox/ui/button";
import { Combobox } from "@signalbox/ui/combobox";
import { Field } from "@signalbox/ui/field";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useState } from "react";
import { client } from "../../data/api.ts";

const MATCHES = 20;

export function ExportLog() {
  const [session, setSession] = useState("");
  const [query, setQuery] = useState("");
  const found = useQuery({
    queryKey: ["sessions", "to-export", query],
    queryFn: ({ signal }) =>
      client.call(listSessions, { query: { limit: MATCHES, ...(query.trim() === "" ? {} : { q: query.trim().slice(0, 200) }) }, signal }),
    placeholderData: keepPreviousData,
  });
  const isSession = isId("ses", session);
  return (
    <div className="space-y-5">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <p className="min-w-0 flex-1 basis-64 text-sm text-ink-2">
          Every event with the exact bytes that were hashed, and the signed checkpoints: <code className="font-mono">signalbox verify</code>{" "}
          proves it without this server. It holds every room.
        </p>
        <a href="/v1/audit/export" download="signalbox-log.jsonl" className={buttonLook({})}>
          <Download size={16} aria-hidden /> Export everything
        </a>
      </div>
      <div className="grid items-end gap-x-4 gap-y-2 border-t border-line pt-4 sm:grid-cols-[1fr_auto]">
        <Field label="One session, so that it stands alone">
          {(props) => (
            <Combobox
              {...props}
              value={session}
              onChange={setSession}
              onQuery={setQuery}
              isLoading={found.isFetching}
              placeholder="Search a session"
              empty="No session matches."
              options={(found.data?.items ?? []).map((each) => ({ value: each.id, label: each.title, detail: each.id }))}
            />
          )}
        </Field>
        {isSession ? (
          <a href={`/v1/audit/export?session_id=${session}`} download={`${session}.jsonl`} className={buttonLook({})}>
            <Download size={16} aria-hidden /> Export the session
          </a>
        ) : (
          <Button disabled>
            <Download size={16} aria-hidden /> Export the session
          </Button>
        )}
      </div>
    </div>
  );
}
