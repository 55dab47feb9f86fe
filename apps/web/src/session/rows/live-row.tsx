/*
 * A part while it is being said. It alone is drawn again as words arrive, and that at its own pace (pace.ts), however
 * fast they do; of a text only the block that is still open is parsed again. Drawing it gives way to whatever a
 * person does meanwhile.
 */
import { Markdown } from "@signalbox/ui/markdown";
import { memo, startTransition, useEffect, useRef, useState } from "react";
import { blocksOf, NO_BLOCKS, type Blocks } from "../blocks.ts";
import type { LivePart } from "../conversation.ts";
import type { ConversationStore } from "../conversation-store.ts";
import type { ToolCallItem } from "../item-of-event.ts";
import { createPace, type Pace } from "../pace.ts";
import { OnTrack } from "./on-track.tsx";
import { VoiceLine } from "./message-row.tsx";
import { useRows } from "./row-context.ts";
import { Thought } from "./thought-row.tsx";
import { ToolCall } from "./tool-call.tsx";

const REST_MS = 100;
/** Of a block that grows beyond this only the end is drawn until it is complete: a 5 MB line has no blocks. */
const DRAWN = 8_000;

export function LiveRow({ id }: { id: string }) {
  const part = usePart(id);
  if (part === undefined) return null;
  switch (part.kind) {
    case "text":
      return <LiveText text={part.text} />;
    case "thought":
      return <Thought id={part.id} text={part.text} isLive />;
    case "tool":
      return (
        <OnTrack tight>
          <ToolCall call={underWay(part)} />
        </OnTrack>
      );
  }
}

/** The part as it was last drawn. */
function usePart(id: string): LivePart | undefined {
  const { store } = useRows();
  const [part, setPart] = useState(() => partOf(store, id));
  const shown = useRef(part);
  const pace = useRef<Pace | null>(null);
  useEffect(() => {
    const own = createPace(REST_MS, () => {
      shown.current = partOf(store, id);
      startTransition(() => setPart(shown.current));
    });
    pace.current = own;
    const look = (): void => {
      if (partOf(store, id) !== shown.current) own.changed();
    };
    look();
    const end = store.subscribe(look);
    return () => {
      end();
      own.end();
    };
  }, [store, id]);
  // After every commit: this is drawn again for nothing else, or seldom.
  useEffect(() => pace.current?.drawn());
  return part;
}
const partOf = (store: ConversationStore, id: string): LivePart | undefined =>
  store.get().conversation.parts.find((each) => each.id === id);

/** The call that the part will be. */
const underWay = (part: LivePart): ToolCallItem => ({
  type: "tool_call",
  id: part.id,
  seq: 0,
  at: new Date().toISOString(),
  run_id: null,
  name: part.name ?? "tool",
  title: part.title,
  status: "invoked",
  arguments: part.arguments as ToolCallItem["arguments"],
  output: part.text,
  output_truncated: false,
  error: null,
  artifact_id: null,
  duration_ms: null,
  step_id: null,
  ended_seq: null,
  decision: null,
});

function LiveText({ text }: { text: string }) {
  const { nameOf, session } = useRows();
  const blocks = useBlocks(text);
  const rest = text.slice(blocks.from);
  return (
    <OnTrack>
      <div>
        <VoiceLine name={nameOf(session?.agent_id ?? null)} isLive />
        <div className="space-y-[0.65em] py-1.5">
          <Finished blocks={blocks.done} />
          <Markdown text={rest.length > DRAWN ? rest.slice(-DRAWN) : rest} className="arriving" />
        </div>
      </div>
    </OnTrack>
  );
}

/** The same blocks until one more is finished. */
const Finished = memo(function Finished({ blocks }: { blocks: readonly string[] }) {
  return blocks.map((block, i) => <Markdown key={i} text={block} />);
});

function useBlocks(text: string): Blocks {
  const [read, setRead] = useState(() => ({ text, blocks: blocksOf(text) }));
  if (read.text === text) return read.blocks;
  const blocks = blocksOf(text, text.startsWith(read.text) ? read.blocks : NO_BLOCKS);
  // Kept with what it was read from, so that the next words are read on from here.
  setRead({ text, blocks });
  return blocks;
}
