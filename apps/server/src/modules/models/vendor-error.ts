/*
 * Errors in the shape that each vendor's own client expects, so that official SDKs raise their own
 * error classes with our message in them.
 */
import type { Endpoint } from "@signalbox/providers/model/port";

export interface ProxyError {
  readonly status: number;
  /** Ours, stable: `budget_exhausted`, `invalid_key` … */
  readonly code: string;
  /** What happened and what to do. */
  readonly message: string;
  readonly retryAfterMs?: number | undefined;
}

/** `models`: the list, asked for by either vendor's client. */
export type Shape = "openai" | "anthropic";
export const shapeOf = (endpoint: Endpoint): Shape => (endpoint === "messages" ? "anthropic" : "openai");

export function errorBody(shape: Shape, error: ProxyError): string {
  return JSON.stringify(shape === "anthropic" ? anthropicError(error) : { error: openaiError(error) });
}

/** What ends a stream that has already begun. */
export function errorEvent(endpoint: Endpoint, error: ProxyError): string {
  switch (endpoint) {
    case "messages":
      return `event: error\ndata: ${JSON.stringify(anthropicError(error))}\n\n`;
    case "chat/completions":
      return `data: ${JSON.stringify({ error: openaiError(error) })}\n\n`;
    case "responses": {
      // The API's own form is flat; the official client raises only what has an `error` member.
      const { message, code } = error;
      return `event: error\ndata: ${JSON.stringify({ type: "error", code, message, param: null, error: openaiError(error) })}\n\n`;
    }
  }
}

const openaiError = ({ status, code, message }: ProxyError) => ({ message, type: openaiType(status), param: null, code });
const anthropicError = ({ status, code, message }: ProxyError) => ({
  type: "error",
  error: { type: anthropicType(status), message, code },
});

function openaiType(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 402) return "insufficient_quota";
  if (status === 403) return "permission_error";
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

function anthropicType(status: number): string {
  switch (status) {
    case 401:
      return "authentication_error";
    case 402:
      return "billing_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 504:
      return "timeout_error";
    default:
      return status < 500 ? "invalid_request_error" : "api_error";
  }
}
