/*
 * What the proxy must know of a request: model, stream or not, and the most it can cost. The rest of
 * the body is the upstream's business and goes through byte for byte.
 */
import type { Endpoint } from "@signalbox/providers/model/port";
import { members, splice, type Member } from "./json-members.ts";

export interface ModelRequest {
  readonly endpoint: Endpoint;
  readonly body: Buffer;
  readonly model: string;
  readonly stream: boolean;
  /** Output tokens that the client itself allows, over all choices; undefined when it sets no limit. */
  readonly outputLimit: number | undefined;
  readonly choices: number;
  /** The prompt is more than its bytes say: stored conversations, files, fetched images, server-side tools. */
  readonly readsElsewhere: boolean;
  /** Chat completions only: the client asked for the usage frame itself. */
  readonly wantsUsage: boolean;
  readonly members: readonly Member[];
}

export type ReadRequest = { readonly ok: true; readonly request: ModelRequest } | { readonly ok: false; readonly message: string };

/** Members that decide what a call costs. Given twice, proxy and upstream could read different ones. */
const DECISIVE = ["model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "max_output_tokens", "n"];
const MAX_CHOICES = 128;

export function readRequest(endpoint: Endpoint, body: Buffer): ReadRequest {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString("utf8"));
  } catch {
    // Where the syntax is wrong is the client's to find out; that it is wrong is all that matters here.
    return { ok: false, message: "The request body is not valid JSON." };
  }
  if (!isObject(parsed)) return { ok: false, message: "The request body must be a JSON object." };
  const found = members(body);
  for (const name of DECISIVE) {
    if (found.filter((member) => member.name === name).length > 1) return { ok: false, message: `"${name}" is given more than once.` };
  }
  const { model } = parsed;
  if (typeof model !== "string" || model === "") return { ok: false, message: '"model" must name a model.' };
  const choices = parsed["n"] ?? 1;
  if (typeof choices !== "number" || !Number.isInteger(choices) || choices < 1 || choices > MAX_CHOICES) {
    return { ok: false, message: `"n" must be a whole number from 1 to ${MAX_CHOICES}.` };
  }
  const limits = ["max_tokens", "max_completion_tokens", "max_output_tokens"].map((name) => parsed[name]).filter(isCount);
  return {
    ok: true,
    request: {
      endpoint,
      body,
      model,
      stream: parsed["stream"] === true,
      outputLimit: limits.length === 0 ? undefined : Math.max(...limits),
      choices,
      readsElsewhere: readsElsewhere(parsed),
      wantsUsage: isObject(parsed["stream_options"]) && parsed["stream_options"]["include_usage"] === true,
      members: found,
    },
  };
}

/** The body for the upstream: its own name of the model, and for a chat stream the usage frame that is metered. */
export function outgoingBody(request: ModelRequest, upstreamModel: string): Buffer {
  const replacements: { member: Member; value: string }[] = [];
  const additions: string[] = [];
  const model = request.members.find((member) => member.name === "model");
  if (model === undefined) throw new Error("a request without a model was let through");
  if (request.model !== upstreamModel) replacements.push({ member: model, value: JSON.stringify(upstreamModel) });
  if (request.endpoint === "chat/completions" && request.stream && !request.wantsUsage) {
    const options = request.members.find((member) => member.name === "stream_options");
    if (options === undefined) additions.push('"stream_options":{"include_usage":true}');
    else {
      const given: unknown = JSON.parse(request.body.toString("utf8", options.start, options.end));
      replacements.push({ member: options, value: JSON.stringify({ ...(isObject(given) ? given : {}), include_usage: true }) });
    }
  }
  return replacements.length === 0 && additions.length === 0 ? request.body : splice(request.body, replacements, additions);
}

const ELSEWHERE = new Set(["previous_response_id", "conversation", "file_id", "file_url", "container"]);
/** Tools that run where the model runs, and whose results are billed as input. */
const SERVER_TOOL = /^(web_search|web_fetch|file_search|code_interpreter|code_execution|computer|mcp|image_generation|tool_search)/;

function readsElsewhere(body: Record<string, unknown>): boolean {
  // Not recursive: the depth is the client's choice.
  const left: unknown[] = [body];
  for (let value = left.pop(); value !== undefined; value = left.pop()) {
    if (Array.isArray(value)) {
      for (const item of value) if (typeof item === "object" && item !== null) left.push(item);
      continue;
    }
    if (!isObject(value)) continue;
    for (const [name, member] of Object.entries(value)) {
      if (typeof member === "object" && member !== null) {
        if (name === "conversation" || name === "container") return true;
        left.push(member);
      } else if (typeof member === "string") {
        if (ELSEWHERE.has(name)) return true;
        if ((name === "url" || name === "image_url") && /^https?:/i.test(member)) return true;
      }
    }
  }
  const tools = body["tools"];
  return Array.isArray(tools) && tools.some((tool) => isObject(tool) && typeof tool["type"] === "string" && SERVER_TOOL.test(tool["type"]));
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value > 0;
