import { createPreview, deletePreview, listPorts, listPreviews, type PreviewView } from "@signalbox/contract/workbench";
import type { z } from "zod";
import { handle, refused, type BoundRoute } from "../../http/handle.ts";
import type { SessionDoors } from "../sessions/public.ts";
import type { PreviewCommands } from "./commands.ts";
import { portsOf } from "./ports.ts";
import type { PreviewRow } from "./queries.ts";

export interface RouteDeps {
  readonly doors: SessionDoors;
  readonly commands: PreviewCommands;
  readonly list: (organizationId: string, sessionId: string) => Promise<readonly PreviewRow[]>;
  readonly urlOf: (previewId: string) => string;
}

export function previewRoutes({ doors, commands, list, urlOf }: RouteDeps): BoundRoute[] {
  const view = (row: PreviewRow): z.input<typeof PreviewView> => ({
    id: row.id,
    session_id: row.sessionId,
    port: row.port,
    url: urlOf(row.id),
    created_by: row.createdBy,
    created_at: row.createdAt,
    expires_at: row.expiresAt,
  });
  return [
    handle(listPorts, async ({ caller, params }) => {
      if ((await doors.accessOf(caller, params.id)) === null) return refused("session_not_found");
      const ports = await portsOf(doors.sandboxOf(caller.organizationId, params.id));
      if (ports === null)
        return refused("sandbox_not_running", {
          message: "The sandbox is not running.",
          fix: "Send a message or resume the session to start it.",
        });
      return { items: ports.map(({ port, process, loopback }) => ({ port, process, loopback_only: loopback })) };
    }),
    handle(createPreview, async (request) => {
      const access = await doors.writeAccessOf(request.caller, request.params.id);
      if (access === null) return refused("session_not_found");
      const made = await commands.create(request, access, request.body.port);
      return made.ok ? view(made.preview) : made;
    }),
    handle(listPreviews, async ({ caller, params }) => {
      const access = await doors.accessOf(caller, params.id);
      if (access === null) return refused("session_not_found");
      return { items: (await list(caller.organizationId, params.id)).map(view) };
    }),
    handle(deletePreview, async (request) => {
      const access = await doors.writeAccessOf(request.caller, request.params.id);
      if (access === null) return refused("session_not_found");
      const gone = await commands.revoke(request, access, request.params.preview_id);
      return gone === null ? refused("preview_not_found") : view(gone);
    }),
  ];
}
