/* The one shape of every answer that is not a success. */
import type { ErrorBody } from "@signalbox/contract/error";
import { type Route, SHELL_REFUSALS, type ShellRefusal } from "@signalbox/contract/route";
import { IdempotencyConflict, LogUnavailable, OutcomeUnknown, TooContended } from "@signalbox/eventlog/faults";
import { ForeignIsReadOnly } from "@signalbox/eventlog/foreign";
import type { z } from "zod";
import { InvalidCursor } from "./cursor.ts";
import type { Refused } from "./handle.ts";

export interface Answer {
  readonly status: number;
  readonly body: ErrorBody;
  readonly retryAfterS?: number | undefined;
}

/** Thrown inside the shell only: domains return their refusals. */
export class ShellRefused extends Error {
  readonly code: ShellRefusal;
  readonly fix: string | undefined;
  readonly details: unknown;
  constructor(code: ShellRefusal, message: string, extra: { fix?: string; details?: unknown } = {}) {
    super(message);
    this.code = code;
    this.fix = extra.fix;
    this.details = extra.details;
  }
}

export function errorBody(
  code: string,
  message: string,
  requestId: string,
  extra: { fix?: string | undefined; details?: unknown } = {},
): ErrorBody {
  return {
    error: {
      code,
      message,
      request_id: requestId,
      ...(extra.fix === undefined ? {} : { fix: extra.fix }),
      ...(extra.details === undefined ? {} : { details: extra.details as NonNullable<ErrorBody["error"]["details"]> }),
    },
  };
}

/** A domain's refusal, with the status that its route gives the code. A code that the route does not know is a bug. */
export function refusalAnswer(route: Route, { refusal }: Refused, requestId: string): Answer {
  const status = route.refusals[refusal.code] ?? (SHELL_REFUSALS as Record<string, number>)[refusal.code];
  if (status === undefined) throw new Error(`${route.id} was refused as ${refusal.code}, which its contract does not name`);
  return { status, body: errorBody(refusal.code, refusal.message ?? sentence(refusal.code), requestId, refusal) };
}

/** `room_not_found` → "Room not found." */
const sentence = (code: string): string => `${code.charAt(0).toUpperCase()}${code.slice(1).replaceAll("_", " ")}.`;

/** What was thrown and is the caller's to know. Null: a fault, of which they learn nothing but the request id. */
export function thrownAnswer(error: unknown, requestId: string): Answer | null {
  const answer = (code: ShellRefusal, message: string, fix?: string, details?: unknown): Answer => ({
    status: SHELL_REFUSALS[code],
    body: errorBody(code, message, requestId, { fix, details }),
  });
  if (error instanceof ShellRefused) {
    const said = answer(error.code, error.message, error.fix, error.details);
    return error.code === "unavailable" ? { ...said, retryAfterS: 1 } : said;
  }
  if (error instanceof InvalidCursor)
    return answer("invalid_cursor", "The cursor is not one of this list.", "Use next_cursor of the page before, or leave it out to begin.");
  if (error instanceof ForeignIsReadOnly)
    return answer("session_imported", "This came with an imported log and is read-only.", "Start a session of your own.");
  if (error instanceof IdempotencyConflict) {
    return error.reason === "other_body"
      ? answer(
          "idempotency_conflict",
          "This Idempotency-Key was used with another request.",
          "Send the same request again, or use a new key.",
        )
      : answer("idempotency_in_progress", "The first request with this Idempotency-Key is still running.", "Try again in a few seconds.");
  }
  if (error instanceof OutcomeUnknown) {
    return answer(
      "unavailable",
      "The database was lost while writing; whether this took effect is not known.",
      "Read the state before you try again, or repeat with the same Idempotency-Key.",
    );
  }
  if (error instanceof LogUnavailable || isDatabaseDown(error)) {
    return {
      ...answer("unavailable", "The database cannot be reached just now.", "Try again in a moment; nothing was changed."),
      retryAfterS: 1,
    };
  }
  if (error instanceof TooContended)
    return { ...answer("unavailable", "Too many wrote to the same thing at once; nothing was changed.", "Try again."), retryAfterS: 1 };
  return fastifyAnswer(error, answer);
}

function fastifyAnswer(error: unknown, answer: (code: ShellRefusal, message: string, fix?: string) => Answer): Answer | null {
  const { code, statusCode } = error as { code?: string; statusCode?: number };
  switch (code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return answer("payload_too_large", "The request's body is larger than this route takes.", "Send less at once.");
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return answer("invalid_request", "The body is not JSON.", "Send content-type: application/json.");
    case "FST_ERR_CTP_INVALID_JSON_BODY":
    case "FST_ERR_CTP_EMPTY_JSON_BODY":
      return answer("invalid_request", "The body is not well-formed JSON.", "Check quotes, commas and braces.");
    default:
      return statusCode !== undefined && statusCode >= 400 && statusCode < 500
        ? answer("invalid_request", "The request could not be understood.")
        : null;
  }
}

function isDatabaseDown(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  if (
    code !== undefined &&
    (code.startsWith("08") ||
      /^57P0[123]$/.test(code) ||
      (["ECONNREFUSED", "ECONNRESET", "ENOENT", "EPIPE"].includes(code) && isPgStack(error)))
  )
    return true;
  return /Connection terminated|timeout exceeded when trying to connect|not queryable|Client was closed|Connection ended/i.test(
    message ?? "",
  );
}

/** A missing file of ours is a bug, not a database that is away. */
const isPgStack = (error: unknown): boolean =>
  /[\\/]pg(-pool)?[\\/]/.test((error as Error).stack ?? "") || (error as { syscall?: string }).syscall === "connect";

/** For what no schema describes. */
export const invalid = (message: string, fix: string): ShellRefused => new ShellRefused("invalid_request", message, { fix });

/** The first thing that is wrong, in a sentence, and all of it in `details`. */
export function invalidRequest(where: "path" | "query" | "body", error: z.ZodError): ShellRefused {
  const issues = error.issues.map((issue) => ({
    path: [where, ...issue.path.map(String)].join("."),
    message: issue.code === "unrecognized_keys" ? `unknown: ${issue.keys.join(", ")}` : issue.message,
  }));
  const first = issues[0];
  const named = first === undefined ? where : first.path;
  return new ShellRefused("invalid_request", `${named}: ${first?.message ?? "not valid"}.`, {
    fix:
      error.issues[0]?.code === "unrecognized_keys"
        ? "Leave out what the reference does not name."
        : `Correct ${named}; the reference at /openapi.json says what it takes.`,
    details: { issues: issues.slice(0, 20) },
  });
}
