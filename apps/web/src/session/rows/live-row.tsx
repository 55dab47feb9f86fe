/*
 * A part while it is being said. It alone is drawn again with each word; the text's finished blocks are not parsed
 * again, and its last block at most every `PARSE_MS`, however fast words arrive.
 */
import { Markdown } from "@signalbox/ui/markdown";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { blocksOf, NO_BLOCKS, type Blocks } from "../blocks.ts";
import type { LivePart } from "../conversation.ts";
import type { ToolCallItem } from "../item-of-event.ts";
import { OnTrack } from "./on-track.tsx";
import { VoiceLine } from "./message-row.tsx";
import { useRows } from "./row-context.ts";
import { Thought } from "./thought-row.tsx";
import { ToolCall } from "./tool-call.tsx";

const PARSE_MS = 100;
/** Of a block that grows beyond this only the end is drawn until it is complete: a 5 MB line has no blocks. */
const DRAWN = 8_000;

export function LiveRow({ id }: { id: string }) {
  const { store } = useRows();
  const part = useSyncExternalStore(store.subscribe, () => store.get().conversation.parts.find((each) => each.id === id));
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
  const { shown, blocks } = useBlocks(text);
  const rest = shown.slice(blocks.from);
  return (
    <OnTrack>
      <div>
        <VoiceLine name={nameOf(session?.agent_id ?? null)} isLive />
        <div className="space-y-[0.65em] py-1.5">
          {blocks.done.map((block, i) => (
            <Markdown key={i} text={block} />
          ))}
          <Markdown text={rest.length > DRAWN ? rest.slice(-DRAWN) : rest} className="arriving" />
        </div>
      </div>
    </OnTrack>
  );
}

interface Shown {
  readonly shown: string;
  readonly blocks: Blocks;
}

/** The text in blocks, at most once in `PARSE_MS`; the newest always arrives. */
function useBlocks(text: string): Shown {
  const [state, setState] = useState<Shown>(() => ({ shown: text, blocks: blocksOf(text) }));
  const newest = useRef(text);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    newest.current = text;
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      const shown = newest.current;
      setState((before) => ({ shown, blocks: blocksOf(shown, shown.startsWith(before.shown) ? before.blocks : NO_BLOCKS) }));
    }, PARSE_MS);
  }, [text]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return state;
}
