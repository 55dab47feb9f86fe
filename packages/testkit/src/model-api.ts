/* A vendor's API on loopback, as far as a client that connects to it can tell: model lists, one answer, and its errors. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface ModelApi {
  readonly origin: string;
  /** How it answers from now on. */
  mode: "well" | "overloaded" | "faulty" | "silent" | "web_page" | "open_list" | "no_credit" | "no_models";
  /** Credentials that it was shown, oldest first. */
  readonly shown: readonly string[];
  readonly answers: number;
  close(): Promise<void>;
}

/** `key` is the only one that it takes. OpenAI's and Anthropic's paths are below `/v1`, Ollama's `/api/tags` at its root. */
export async function startModelApi(options: { readonly key: string; readonly models?: readonly string[] }): Promise<ModelApi> {
  const { key, models = ["gpt-5-mini", "claude-haiku-4-5"] } = options;
  const shown: string[] = [];
  let answers = 0;

  function serve(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? "/";
    const bearer = request.headers.authorization?.replace(/^Bearer /, "");
    const given = bearer ?? (request.headers["x-api-key"] as string | undefined);
    if (given !== undefined) shown.push(given);
    const anthropic = request.headers["anthropic-version"] !== undefined;
    const isList = /^\/v1\/models(\?|$)/.test(url);
    const json = (status: number, body: object, headers: Record<string, string> = {}): void =>
      void response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
    const error = (status: number, type: string, message: string, headers?: Record<string, string>): void =>
      json(
        status,
        anthropic ? { type: "error", error: { type, message } } : { error: { message, type, param: null, code: type } },
        headers,
      );

    request.resume();
    if (api.mode === "silent") return;
    if (api.mode === "web_page")
      return void response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><h1>Welcome</h1>");
    if (api.mode === "faulty") return error(500, "server_error", "The server had an error.");
    if (url === "/api/tags") return json(200, { models: api.mode === "no_models" ? [] : models.map((name) => ({ name })) });
    if (given !== key && !(api.mode === "open_list" && isList))
      return anthropic
        ? error(401, "authentication_error", "invalid x-api-key")
        : error(401, "invalid_api_key", `Incorrect API key provided: ${given ?? ""}.`);
    if (api.mode === "overloaded") return error(429, "rate_limit_error", "Too many requests.", { "retry-after": "7" });
    if (isList) {
      const data =
        api.mode === "no_models"
          ? []
          : models.map((id) => (anthropic ? { type: "model", id, display_name: id } : { id, object: "model", owned_by: "stand-in" }));
      return json(200, anthropic ? { data, has_more: false } : { object: "list", data });
    }
    if (request.method === "POST" && /^\/v1\/(chat\/completions|messages)$/.test(url)) {
      if (api.mode === "no_credit") return error(429, "insufficient_quota", "You exceeded your current quota.");
      answers++;
      return json(
        200,
        anthropic
          ? {
              id: "msg_1",
              type: "message",
              role: "assistant",
              model: models[0],
              content: [{ type: "text", text: "Hi" }],
              stop_reason: "max_tokens",
              usage: { input_tokens: 1, output_tokens: 1 },
            }
          : {
              id: "chatcmpl-1",
              object: "chat.completion",
              model: models[0],
              choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "length" }],
              usage: { prompt_tokens: 1, completion_tokens: 1 },
            },
      );
    }
    error(404, "not_found_error", "Not found.");
  }

  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const api = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    mode: "well" as ModelApi["mode"],
    shown,
    get answers() {
      return answers;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return api;
}
