import { Status } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Plus } from "lucide-react";
import { useState } from "react";
import { NewTask } from "../runs/new-task.tsx";
import { runLamp, runWord } from "../runs/run-state.ts";
import { roomRunsQuery, type Room } from "./room-queries.ts";

const SHOWN = 5;

/** What engines are asked to do here, with how far it is. A session's own room says that in its conversation. */
export function RoomTasks({ room }: { room: Room }) {
  const { data: runs } = useQuery(roomRunsQuery(room.id));
  const [isAsking, setAsking] = useState(false);
  return (
    <section aria-label="Tasks" className="mt-5">
      <h2 className="plate px-2.5 pb-1">Tasks</h2>
      <ul>
        {runs?.slice(0, SHOWN).map((run) => (
          <li key={run.id}>
            <Link to="/runs/$runId" params={{ runId: run.id }} className="block rounded-md px-2.5 py-1.5 hover:bg-chosen">
              <span className="clamp-1 block text-sm font-medium">{run.title ?? run.goal ?? run.id}</span>
              <span className="mt-0.5 block text-sm">
                <Status state={runLamp(run.status)}>{runWord(run.status)}</Status>
              </span>
            </Link>
          </li>
        ))}
      </ul>
      {runs?.length === 0 && <p className="px-2.5 pb-1 text-sm text-ink-3">An engine of the room works on what is put here.</p>}
      <div className="flex flex-wrap items-center gap-2 px-1.5 pt-1">
        {!room.archived && (
          <Button size="sm" look="quiet" onClick={() => setAsking(true)}>
            <Plus size={14} aria-hidden /> New task
          </Button>
        )}
        {(runs?.length ?? 0) > SHOWN && (
          <Link to="/runs" search={{ room: room.id }} className="text-sm underline underline-offset-2">
            All of them
          </Link>
        )}
      </div>
      {isAsking && <NewTask roomId={room.id} onClose={() => setAsking(false)} />}
    </section>
  );
}
