import { buttonLook } from "@signalbox/ui/button";
import { Empty } from "@signalbox/ui/placeholder";
import { Link } from "@tanstack/react-router";
import { Trash2 } from "lucide-react";

/** It was there a moment ago. */
export function Gone({ title }: { title: string }) {
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
