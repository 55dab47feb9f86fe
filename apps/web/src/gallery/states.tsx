import { Avatar } from "@signalbox/ui/avatar";
import { Badge, CountBadge, Status } from "@signalbox/ui/badge";
import { Button } from "@signalbox/ui/button";
import { Lamp, type LampState } from "@signalbox/ui/lamp";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { Progress } from "@signalbox/ui/progress";
import { Spinner } from "@signalbox/ui/spinner";
import { Trouble } from "@signalbox/ui/trouble";
import { TrainTrack } from "lucide-react";
import { HOSTILE, Specimen, Specimens } from "./specimen.tsx";

const LAMPS: readonly (readonly [LampState, string])[] = [
  ["wants", "Waiting for you"],
  ["moving", "Working"],
  ["clear", "Completed"],
  ["danger", "Failed"],
  ["dark", "Ready"],
];

export function States() {
  return (
    <Specimens>
      <Specimen name="Lamps and their words">
        <div className="flex flex-wrap gap-x-6 gap-y-2">
          {LAMPS.map(([state, word]) => (
            <Status key={state} state={state}>
              {word}
            </Status>
          ))}
          <Lamp state="wants" />
        </div>
      </Specimen>
      <Specimen name="Badges and counts">
        <div className="flex flex-wrap items-center gap-2">
          <Badge>default</Badge>
          <Badge tone="wants">scripted, not AI</Badge>
          <Badge tone="clear">allowed</Badge>
          <Badge tone="danger">blocked</Badge>
          <Badge tone="moving">running</Badge>
          <CountBadge count={3} of="waiting" />
          <CountBadge count={140} of="waiting" />
          <Badge>{HOSTILE}</Badge>
        </div>
      </Specimen>
      <Specimen name="People, agents, services">
        <div className="flex gap-2">
          <Avatar name="Ada Lovelace" />
          <Avatar name="grace" size="sm" />
          <Avatar name="Agent" kind="agent" />
          <Avatar name="Service" kind="service" size="sm" />
          <Avatar name="" />
        </div>
      </Specimen>
      <Specimen name="Progress and waiting">
        <div className="space-y-4">
          <Progress label="Cloning" value={64} />
          <Progress label="Starting" value={null} />
          <Spinner label="Checking the key" />
        </div>
      </Specimen>
      <Specimen name="Loading">
        <Skeleton rows={3} className="h-12" />
      </Specimen>
      <Specimen name="Empty">
        <div className="rounded-lg border border-line bg-panel">
          <Empty icon={<TrainTrack size={28} />} title="No session matches “birch”" action={<Button>Clear the search</Button>}>
            Search looks at titles. Try fewer letters.
          </Empty>
        </div>
      </Specimen>
      <Specimen name="Trouble">
        <Trouble
          error={Object.assign(new Error("The model's upstream refused the key."), {
            fix: "Paste another key in Settings, Models.",
            requestId: "req_01J9Z",
          })}
          onRetry={() => undefined}
        />
      </Specimen>
      <Specimen name="Trouble, hostile and long">
        <Trouble error={new Error(HOSTILE)} />
      </Specimen>
    </Specimens>
  );
}
