import { isId } from "@signalbox/contract/ids";
import type { RoomId } from "@signalbox/contract/primitives";
import { createRun } from "@signalbox/contract/runs";
import { Button } from "@signalbox/ui/button";
import { Dialog } from "@signalbox/ui/dialog";
import { Field, Input, Textarea } from "@signalbox/ui/field";
import { Select } from "@signalbox/ui/select";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { client, queries } from "../data/api.ts";
import { roomsQuery } from "../data/queries.ts";

/** A task is open to whichever engine claims it first. */
export function NewTask({ roomId, onClose }: { roomId: RoomId | null; onClose(): void }) {
  const { data: rooms } = useQuery(roomsQuery);
  const navigate = useNavigate();
  const [room, setRoom] = useState<string>(roomId ?? "");
  const [title, setTitle] = useState("");
  const [goal, setGoal] = useState("");
  // One dialog is one task, however often it is sent.
  const [attempt] = useState(() => crypto.randomUUID());
  const chosen = room === "" ? rooms?.items[0]?.id : isId("room", room) ? room : undefined;
  const create = useMutation({
    mutationFn: () =>
      client.call(createRun, {
        body: { room_id: chosen!, title: title.trim(), ...(goal.trim() === "" ? {} : { goal: goal.trim() }) },
        idempotencyKey: attempt,
      }),
    onSuccess: (run) => {
      void queries.invalidateQueries({ queryKey: ["runs"] });
      void queries.invalidateQueries({ queryKey: ["room-runs"] });
      onClose();
      void navigate({ to: "/runs/$runId", params: { runId: run.id } });
    },
  });
  return (
    <Dialog title="New task" description="Queued until an engine claims it: signalbox engine, or your own." onClose={onClose}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          if (chosen !== undefined && title.trim() !== "") create.mutate();
        }}
      >
        {create.error !== null && <Trouble error={create.error} />}
        <Field label="What is it called?">
          {(field) => <Input {...field} data-focus value={title} maxLength={200} onChange={(event) => setTitle(event.target.value)} />}
        </Field>
        <Field label="What is to be done?" hint="The engine gets it word for word.">
          {(field) => <Textarea {...field} rows={5} value={goal} onChange={(event) => setGoal(event.target.value)} />}
        </Field>
        <Field
          label="Room"
          hint="Whoever may read the room may read the task."
          error={rooms?.items.length === 0 ? "There is no room yet. Make one under Rooms first." : undefined}
        >
          {(field) => (
            <Select
              {...field}
              options={(rooms?.items ?? []).map(({ id, title }) => ({ value: id as string, label: title }))}
              value={chosen ?? ""}
              onChange={setRoom}
            />
          )}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="solid" busy={create.isPending} disabled={title.trim() === "" || chosen === undefined}>
            Create the task
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
