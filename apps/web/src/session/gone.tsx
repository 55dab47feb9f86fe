import { buttonLook } from "@signalbox/ui/button";
import { Empty } from "@signalbox/ui/placeholder";
import { useMutationState } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Trash2 } from "lucide-react";

/** The key of the mutation that deletes it. */
export const deletionOf = (id: string) => ["delete session", id] as const;

/** It was there a moment ago. */
export function Gone({ id, title }: { id: string; title: string }) {
  // Whoever deletes it is on the way to the list, and is told there; the news of it may be quicker.
  const isOwnDoing = useMutationState({ filters: { mutationKey: deletionOf(id) } }).some(({ status }) => status !== "error");
  if (isOwnDoing) return <main aria-busy />;
  return (
    <main className="pt-16">
      <Empty
        icon={<Trash2 size={28} />}
        title="This session was deleted"
        action={
          <Link to="/sessions" className={buttonLook({})}>
            All sessions
          </Link>
        }
      >
        Somebody deleted “{title}” while it was open here. What happened in it is still in the log.
      </Empty>
    </main>
  );
}
