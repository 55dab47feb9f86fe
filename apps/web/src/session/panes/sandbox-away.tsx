/* Why a door into the sandbox is closed, in words, and what opens it. */
import { resumeSession, type SessionView } from "@signalbox/contract/sessions";
import { Button } from "@signalbox/ui/button";
import { Empty } from "@signalbox/ui/placeholder";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation } from "@tanstack/react-query";
import { Moon, PackageOpen, Power } from "lucide-react";
import { client } from "../../data/api.ts";
import { putSession } from "../../data/queries.ts";
import { useMay } from "./may.ts";
import { isDeferred, isEnded } from "../../sessions/state.ts";

export const isAwake = (session: Pick<SessionView, "status" | "imported">): boolean =>
  session.imported == null && (session.status === "running" || session.status === "waiting");

/** `what` completes "… needs the sandbox": "A terminal". */
export function SandboxAway({ session, what }: { session: SessionView; what: string }) {
  const mayResume = useMay("member");
  const resume = useMutation({
    mutationFn: () => client.call(resumeSession, { params: { id: session.id }, body: {} }),
    onSuccess: putSession,
  });
  if (session.imported != null)
    return (
      <Empty icon={<PackageOpen size={28} />} title="There is no sandbox here">
        This session was imported: its history can be read, and {what.toLowerCase()} needs a sandbox that runs.
      </Empty>
    );
  if (isDeferred(session))
    return (
      <Empty icon={<Moon size={28} />} title="The sandbox has not started">
        It is made with the first message to the agent.
      </Empty>
    );
  if (session.status === "creating" || session.status === "resuming" || session.status === "migrating")
    return (
      <Empty icon={<Power size={28} />} title="The sandbox is starting">
        This goes on by itself as soon as it runs.
      </Empty>
    );
  if (session.status === "pausing")
    return (
      <Empty icon={<Moon size={28} />} title="The sandbox is being paused">
        It can be resumed in a moment.
      </Empty>
    );
  return (
    <Empty
      icon={<Moon size={28} />}
      title="The sandbox is not running"
      action={
        mayResume && (
          <>
            <Button look="solid" busy={resume.isPending} onClick={() => resume.mutate()}>
              Resume the session
            </Button>
            {resume.error !== null && <Trouble error={resume.error} className="mt-4 text-left" />}
          </>
        )
      }
    >
      {isEnded(session.status) ? "The session has ended. " : ""}
      {what} needs it. Resuming brings it back with the same files and conversation.
    </Empty>
  );
}
