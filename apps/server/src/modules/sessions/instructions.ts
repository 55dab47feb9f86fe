import type { SessionSource, SessionKind } from "@signalbox/contract/events/sessions";
import { readFileSync } from "node:fs";
import type { z } from "zod";

const read = (name: string): string => readFileSync(new URL(`./prompts/${name}.md`, import.meta.url), "utf8");
const PROMPTS = { coding: read("coding"), scratch: read("scratch"), setup: read("setup") };

/** What the agent is told about its place, before any task. */
export function instructionsFor(kind: z.infer<typeof SessionKind>, source: z.infer<typeof SessionSource>): string {
  if (kind === "setup") return PROMPTS.setup;
  return source.type === "scratch" ? PROMPTS.scratch : PROMPTS.coding;
}
