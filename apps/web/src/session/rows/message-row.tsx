import { IconButton } from "@signalbox/ui/button";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Lamp } from "@signalbox/ui/lamp";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { Link2, MessageSquareQuote } from "lucide-react";
import type { Row } from "../rows.ts";
import { OnTrack } from "./on-track.tsx";
import { useRows } from "./row-context.ts";
import { Said } from "./said.tsx";

type Message = Extract<Row, { kind: "message" }>;

export function MessageRow({ row: { item, isNewVoice, isWaiting } }: { row: Message }) {
  const { nameOf, session } = useRows();
  const name = nameOf(item.author);
  const current = session?.current_run ?? null;
  const isQueued = isWaiting && item.run_id !== current?.id;
  if (item.role === "agent") {
    return (
      <OnTrack>
        <div className="group/item relative">
          {isNewVoice && <VoiceLine name={name} at={item.at} />}
          <Said text={item.content_md} className="py-1.5" />
          <Deeds item={item} />
        </div>
      </OnTrack>
    );
  }
  // The box itself sometimes has something to say to the agent: what was decided meanwhile.
  const isPerson = item.author.startsWith("usr_");
  const look = isQueued
    ? "border-dashed border-line-strong"
    : isPerson
      ? "soft-shadow border-line bg-raised"
      : "border-line bg-panel text-sm text-ink-2";
  return (
    <OnTrack nodeAt="top-7" node={<span className="size-2.5 rounded-[2px] bg-ink" />}>
      <div className={`group/item relative my-3 rounded-lg border px-4 py-3 narrow:px-3 ${look}`}>
        <p className="mb-1 flex items-center gap-2 text-sm">
          <span className="font-semibold">{name}</span>
          {isQueued && (
            <span className="rounded-full border border-line-strong px-2 text-plate text-ink-2">
              {session !== null && current === null ? "starts when the sandbox is up" : "queued"}
            </span>
          )}
          <span className="ml-auto flex items-center gap-2 text-ink-3">
            {item.edited_at != null && <span title={new Date(item.edited_at).toLocaleString()}>edited</span>}
            <Timestamp at={item.at} />
          </span>
        </p>
        <Said text={item.content_md} />
        <Deeds item={item} />
      </div>
    </OnTrack>
  );
}

export function VoiceLine({ name, at, isLive = false }: { name: string; at?: string; isLive?: boolean }) {
  return (
    <p className="flex items-center gap-2 pt-1.5 text-sm text-ink-3">
      {isLive && <Lamp state="moving" size="sm" />}
      <span className="font-semibold text-ink-2">{name}</span>
      {at !== undefined && <Timestamp at={at} />}
    </p>
  );
}

/** What can be done with a message: shows where the pointer or the focus is. */
function Deeds({ item }: { item: Message["item"] }) {
  const { linkTo, quote } = useRows();
  return (
    <div className="absolute -top-3 right-2 flex rounded-md border border-line bg-raised opacity-0 transition-opacity duration-(--quick) group-focus-within/item:opacity-100 group-hover/item:opacity-100 [@media(hover:none)]:hidden">
      <CopyButton text={item.content_md} label="Copy the message" />
      <IconButton
        label="Copy a link to the message"
        onClick={() =>
          void navigator.clipboard.writeText(linkTo(item)).then(
            () => toast("Link copied"),
            () => toast("The browser does not let this page copy", "danger"),
          )
        }
      >
        <Link2 size={14} />
      </IconButton>
      {quote !== null && (
        <IconButton label="Quote in your message" onClick={() => quote(item.content_md)}>
          <MessageSquareQuote size={14} />
        </IconButton>
      )}
    </div>
  );
}
