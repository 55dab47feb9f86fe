/*
 * The doors into a session's sandbox: files, terminals, ports and previews.
 *
 * The terminal's bytes go over a WebSocket of its own at `/v1/terminals/socket?token=&terminal=&from=`, where `token` is
 * a sync token (`POST /v1/sync/token`). Binary frames are the terminal's bytes, both ways; text frames are the JSON
 * declared here. A socket closes with 4401 when its token or credential ends (fetch another and connect again),
 * 4403 when the caller may not see the session (any more), 4404 when there is no such terminal, 4409 when its sandbox is not running, 4408 when nothing was
 * heard of the client (answer pings), 4413 when it does not read, 4429 when it sends too many frames, 1000 after `exit`.
 */
import { z } from "zod";
import { PreviewId, PrincipalId, SessionId, TerminalId, Timestamp } from "./primitives.ts";
import { route } from "./route.ts";

export const WORKBENCH_LIMITS = {
  directoryEntries: 2000,
  fileBytes: 2 * 1024 * 1024,
  searchResults: 200,
  terminalsPerSession: 8,
  terminalScrollbackBytes: 256 * 1024,
  terminalFrameBytes: 64 * 1024,
  /** Bytes of the terminal that may be under way to a client which acknowledges them, before it is paused. */
  terminalWindowBytes: 256 * 1024,
  previewsPerSession: 10,
} as const;

const session = z.object({ id: SessionId });
const read = { resource: "session", role: "viewer", scopes: ["read"] } as const;
const write = { resource: "session", role: "member", scopes: ["write"] } as const;

/**
 * Relative to the workspace, `/` between names, `""` the workspace itself. Names are data and may be anything that the
 * file system allows. A byte that is not UTF-8 stands as one private-use character (U+EF80 for 0x80 … U+EFFF for 0xFF),
 * so that every name has a path that finds it again.
 */
const WorkspacePath = z
  .string()
  .max(4096)
  .refine((path) => !path.includes("\0"), "a path has no NUL in it");

export const FileEntry = z
  .object({
    name: z.string(),
    path: z.string(),
    type: z.enum(["file", "directory", "symlink", "other"]),
    size_bytes: z.int().min(0),
    modified_at: Timestamp,
  })
  .meta({ id: "FileEntry" });
export type FileEntry = z.infer<typeof FileEntry>;

export const listFiles = route({
  id: "files.list",
  summary: "What is in a directory of the workspace: directories first, in natural order, at most 2,000 entries",
  method: "GET",
  path: "/v1/sessions/:id/files",
  params: session,
  query: z.object({ path: WorkspacePath.default("") }),
  ok: z.object({ path: z.string(), entries: z.array(FileEntry), truncated: z.boolean() }).meta({ id: "FileListing" }),
  refusals: {
    session_not_found: 404,
    file_not_found: 404,
    sandbox_not_running: 409,
    not_a_directory: 409,
    permission_denied: 409,
    path_outside_workspace: 400,
  },
  access: read,
});

export const FileContent = z
  .object({
    path: z.string(),
    /** Of the whole file, whatever `content` holds of it. */
    size_bytes: z.int().min(0),
    modified_at: Timestamp,
    /** Guessed from the name. */
    media_type: z.string(),
    encoding: z.enum(["utf8", "base64"]),
    content: z.string(),
    /** The file is longer than 2 MiB; `content` is its beginning. */
    truncated: z.boolean(),
    /** Not text: it has NUL bytes or is not UTF-8. */
    binary: z.boolean(),
  })
  .meta({ id: "FileContent" });
export type FileContent = z.infer<typeof FileContent>;

export const readFile = route({
  id: "files.read",
  summary: "A file of the workspace, at most its first 2 MiB",
  method: "GET",
  path: "/v1/sessions/:id/files/content",
  params: session,
  query: z.object({ path: WorkspacePath.min(1) }),
  ok: FileContent,
  refusals: {
    session_not_found: 404,
    file_not_found: 404,
    sandbox_not_running: 409,
    not_a_file: 409,
    permission_denied: 409,
    path_outside_workspace: 400,
  },
  access: read,
});

export const searchFiles = route({
  id: "files.search",
  summary: "Files whose path contains the words, in any case: tracked and new ones, without what git ignores",
  method: "GET",
  path: "/v1/sessions/:id/files/search",
  params: session,
  query: z.object({ q: z.string().trim().min(1).max(200) }),
  ok: z
    .object({
      items: z.array(z.object({ name: z.string(), path: z.string() })).max(WORKBENCH_LIMITS.searchResults),
      truncated: z.boolean(),
    })
    .meta({ id: "FileSearch" }),
  refusals: { session_not_found: 404, sandbox_not_running: 409 },
  access: read,
});

const cols = z.int().min(2).max(500);
const rows = z.int().min(1).max(300);

export const TerminalView = z
  .object({
    id: TerminalId,
    session_id: SessionId,
    /** What runs in it, as the terminal itself says (its window title), else the shell's name. Data from inside. */
    title: z.string(),
    cols: z.int(),
    rows: z.int(),
    alive: z.boolean(),
    /** Null while it is alive, and when it was closed with its sandbox. */
    exit: z.object({ code: z.int().nullable(), signal: z.string().nullable() }).nullable(),
    created_by: PrincipalId,
    created_at: Timestamp,
    /** Connected clients. */
    viewers: z.int().min(0),
  })
  .meta({ id: "Terminal" });
export type TerminalView = z.infer<typeof TerminalView>;

export const createTerminal = route({
  id: "terminals.create",
  summary: "Open a shell in the workspace",
  method: "POST",
  path: "/v1/sessions/:id/terminals",
  params: session,
  body: z.object({ cols: cols.default(80), rows: rows.default(24) }),
  ok: TerminalView,
  okStatus: 201,
  refusals: { session_not_found: 404, sandbox_not_running: 409, too_many_terminals: 409 },
  access: write,
});
export const listTerminals = route({
  id: "terminals.list",
  summary: "Open terminals of a session and those that ended lately, oldest first",
  method: "GET",
  path: "/v1/sessions/:id/terminals",
  params: session,
  ok: z.object({ items: z.array(TerminalView) }).meta({ id: "TerminalList" }),
  refusals: { session_not_found: 404 },
  access: read,
});
export const closeTerminal = route({
  id: "terminals.close",
  summary: "End a terminal and what runs in it; closing it again is harmless",
  method: "DELETE",
  path: "/v1/sessions/:id/terminals/:terminal_id",
  params: session.extend({ terminal_id: TerminalId }),
  ok: TerminalView,
  refusals: { session_not_found: 404, terminal_not_found: 404 },
  access: write,
});

export const TerminalClientFrame = z
  .discriminatedUnion("type", [
    z.object({ type: z.literal("resize"), cols, rows }),
    /**
     * That many more bytes were drawn. From its first `ack` on a client is sent at most `terminalWindowBytes` ahead of
     * what it acknowledged; one that never acknowledges is paced by its connection alone.
     */
    z.object({ type: z.literal("ack"), bytes: z.int().min(0).max(16_777_216) }),
  ])
  .meta({ id: "TerminalClientFrame" });
export type TerminalClientFrame = z.infer<typeof TerminalClientFrame>;

export const TerminalErrorCode = z.enum([
  "unauthenticated",
  "token_expired",
  "forbidden",
  "terminal_not_found",
  "sandbox_not_running",
  /** Typed by somebody who may only watch; the socket stays open. */
  "read_only",
  "bad_frame",
  "rate_limited",
  "too_slow",
  "internal",
]);

export const TerminalServerFrame = z
  .discriminatedUnion("type", [
    /**
     * First; the next `replayed_bytes` of binary data are what was printed before, beginning with byte number `offset` of
     * the terminal's output. A client that was cut off connects with `from` = the number of the first byte that it does
     * not have, and gets no byte twice, as long as they are kept. `read_only`: this client may watch only.
     */
    z.object({
      type: z.literal("ready"),
      offset: z.int().min(0),
      replayed_bytes: z.int().min(0),
      cols: z.int(),
      rows: z.int(),
      read_only: z.boolean(),
    }),
    /** Somebody changed the size, this client included: everybody sees the same screen. */
    z.object({ type: z.literal("resized"), cols: z.int(), rows: z.int() }),
    /** Last: the shell ended (`reason: "exited"`), somebody closed it, or the session or its sandbox ended. */
    z.object({
      type: z.literal("exit"),
      code: z.int().nullable(),
      signal: z.string().nullable(),
      reason: z.enum(["exited", "closed", "session_ended", "sandbox_ended"]),
    }),
    z.object({ type: z.literal("error"), code: TerminalErrorCode, message: z.string() }),
  ])
  .meta({ id: "TerminalServerFrame" });
export type TerminalServerFrame = z.infer<typeof TerminalServerFrame>;

export const PortView = z
  .object({
    port: z.int().min(1).max(65_535),
    /** Name of the process that listens, where it is known. Data from inside. */
    process: z.string().nullable(),
    /** It listens on 127.0.0.1 or ::1 only. A preview reaches it all the same. */
    loopback_only: z.boolean(),
  })
  .meta({ id: "Port" });
export type PortView = z.infer<typeof PortView>;

export const listPorts = route({
  id: "ports.list",
  summary: "TCP ports that something in the sandbox listens on, without Signalbox's and the agent's own",
  method: "GET",
  path: "/v1/sessions/:id/ports",
  params: session,
  ok: z.object({ items: z.array(PortView) }).meta({ id: "PortList" }),
  refusals: { session_not_found: 404, sandbox_not_running: 409 },
  access: read,
});

export const PreviewView = z
  .object({
    id: PreviewId,
    session_id: SessionId,
    port: z.int().min(1).max(65_535),
    /** Whoever has it may open it until it expires or is revoked: nothing else is asked. On a host name of its own. */
    url: z.url(),
    created_by: PrincipalId,
    created_at: Timestamp,
    expires_at: Timestamp,
  })
  .meta({ id: "Preview" });
export type PreviewView = z.infer<typeof PreviewView>;

export const createPreview = route({
  id: "previews.create",
  summary: "An address, good for a few hours, at which a browser reaches a port inside the sandbox",
  method: "POST",
  path: "/v1/sessions/:id/previews",
  params: session,
  body: z.object({ port: z.int().min(1).max(65_535) }),
  ok: PreviewView,
  okStatus: 201,
  refusals: { session_not_found: 404, sandbox_not_running: 409, too_many_previews: 409, port_not_allowed: 422 },
  access: write,
});
export const listPreviews = route({
  id: "previews.list",
  summary: "Previews of a session that are open, oldest first",
  method: "GET",
  path: "/v1/sessions/:id/previews",
  params: session,
  ok: z.object({ items: z.array(PreviewView) }).meta({ id: "PreviewList" }),
  refusals: { session_not_found: 404 },
  access: read,
});
export const deletePreview = route({
  id: "previews.delete",
  summary: "Revoke a preview; connections through it are cut",
  method: "DELETE",
  path: "/v1/sessions/:id/previews/:preview_id",
  params: session.extend({ preview_id: PreviewId }),
  ok: PreviewView,
  refusals: { session_not_found: 404, preview_not_found: 404 },
  access: write,
});
