/*
 * What runs in the sandbox, in a frame on a host name of its own: a page in there has nothing of ours within reach.
 *
 *   ports that listen ──open──► preview ── something listens ──► frame
 *                                  └────── nothing yet ─────────► waits, and goes on by itself
 */
import type { SessionView } from "@signalbox/contract/sessions";
import { createPreview, deletePreview, listPorts, listPreviews, type PortView, type PreviewView } from "@signalbox/contract/workbench";
import { Button, IconButton } from "@signalbox/ui/button";
import { DropdownMenu } from "@signalbox/ui/dropdown-menu";
import { inputLook } from "@signalbox/ui/field";
import { remaining } from "@signalbox/ui/format";
import { List } from "@signalbox/ui/list-row";
import { useNow } from "@signalbox/ui/now";
import { Empty, Skeleton } from "@signalbox/ui/placeholder";
import { SegmentedControl } from "@signalbox/ui/segmented-control";
import { toast } from "@signalbox/ui/toasts";
import { Trouble } from "@signalbox/ui/trouble";
import { useMutation, useQuery } from "@tanstack/react-query";
import { AppWindow, Ellipsis, ExternalLink, Link2, MonitorSmartphone, RotateCw, ShieldOff, Smartphone, Tablet } from "lucide-react";
import { useState, type FormEvent } from "react";
import { client, queries } from "../../data/api.ts";
import { copy } from "./clipboard.ts";
import { useMay } from "./may.ts";
import { shownName } from "./names.ts";
import { NowNote } from "./now-note.tsx";
import type { PaneProps } from "./panes.ts";
import { isAwake, SandboxAway } from "./sandbox-away.tsx";
import { useRoomEvent } from "./use-room-event.ts";

/** What listens is asked of the sandbox: nothing tells. */
const LOOK_MS = 2_500;
const DEVICES = { phone: 390, tablet: 820, full: null } as const;
/** Its origin is the preview's own and never ours, so it cannot reach out and lift its own sandbox. */
const RIGHTS = "allow-scripts allow-same-origin allow-forms allow-modals allow-popups allow-downloads";
type Device = keyof typeof DEVICES;

export function PreviewPane({ session, conversation, at }: PaneProps) {
  const isRunning = isAwake(session);
  const key = ["session", session.id, "previews"];
  const previews = useQuery({
    queryKey: key,
    queryFn: ({ signal }) => client.call(listPreviews, { params: { id: session.id }, signal }),
    enabled: isRunning,
    refetchInterval: 60_000,
  });
  const ports = useQuery({
    queryKey: ["session", session.id, "ports"],
    queryFn: ({ signal }) => client.call(listPorts, { params: { id: session.id }, signal }),
    enabled: isRunning,
    refetchInterval: LOOK_MS,
  });
  useRoomEvent(conversation, ({ type }) => {
    if (type.startsWith("preview.")) void queries.invalidateQueries({ queryKey: key });
  });
  if (!isRunning) return <SandboxAway session={session} what="A preview" />;
  const error = previews.error ?? ports.error;
  if (previews.data === undefined || ports.data === undefined)
    return error === null ? (
      <div className="p-4">
        <Skeleton rows={3} className="h-10" />
      </div>
    ) : (
      <Trouble error={error} onRetry={() => void Promise.all([previews.refetch(), ports.refetch()])} className="m-4" />
    );
  return (
    <>
      {at !== null && <NowNote what="Previews show what runs now." />}
      <Previews
        session={session}
        previews={previews.data.items}
        ports={ports.data.items}
        onChange={() => queries.invalidateQueries({ queryKey: key })}
      />
    </>
  );
}

function Previews({
  session,
  previews,
  ports,
  onChange,
}: {
  session: SessionView;
  previews: readonly PreviewView[];
  ports: readonly PortView[];
  onChange(): Promise<void>;
}) {
  const mayWrite = useMay("member");
  const [chosen, setChosen] = useState<number | null>(null);
  const current = previews.findLast(({ port }) => port === chosen);
  const create = useMutation({
    mutationFn: (port: number) => client.call(createPreview, { params: { id: session.id }, body: { port } }),
    onSuccess: async ({ port }) => {
      await onChange();
      setChosen(port);
    },
  });
  const open = (port: number): void => {
    create.reset();
    if (previews.some((each) => each.port === port)) setChosen(port);
    else create.mutate(port);
  };
  if (current !== undefined)
    return (
      <Frame
        key={current.id}
        session={session}
        preview={current}
        isListening={ports.some(({ port }) => port === current.port)}
        mayRevoke={mayWrite}
        onLeave={() => setChosen(null)}
        onRevoked={async () => {
          setChosen(null);
          await onChange();
        }}
      />
    );
  return (
    <div className="min-h-0 flex-1 space-y-4 overflow-y-auto p-4">
      {create.error !== null && <Trouble error={create.error} />}
      {ports.length === 0 ? (
        <Empty icon={<AppWindow size={28} />} title="Nothing listens yet">
          When a server starts in the sandbox its port shows up here.
        </Empty>
      ) : (
        <section>
          <h2 className="plate mb-2">Ports that listen</h2>
          <List label="Ports that listen">
            {ports.map(({ port, process, loopback_only: isLoopback }) => {
              const preview = previews.findLast((each) => each.port === port);
              return (
                <li key={port} className="flex items-center gap-3 px-4 py-2.5">
                  <span className="font-mono text-base font-semibold tabular-nums">{port}</span>
                  <span className="clamp-1 min-w-0 flex-1 text-sm text-ink-2">
                    {process === null ? "a process" : <bdi>{shownName(process)}</bdi>}
                    {isLoopback && <span className="text-ink-3"> · inside only</span>}
                  </span>
                  {(mayWrite || preview !== undefined) && (
                    <Button
                      size="sm"
                      look={preview === undefined ? "plain" : "solid"}
                      busy={create.isPending && create.variables === port}
                      onClick={() => open(port)}
                    >
                      {preview === undefined ? "Open a preview" : "Show"}
                    </Button>
                  )}
                </li>
              );
            })}
          </List>
        </section>
      )}
      {previews.some(({ port }) => !ports.some((each) => each.port === port)) && (
        <section>
          <h2 className="plate mb-2">Open, and waiting for something to listen</h2>
          <List label="Previews that wait">
            {previews
              .filter(({ port }) => !ports.some((each) => each.port === port))
              .map(({ id, port }) => (
                <li key={id} className="flex items-center gap-3 px-4 py-2.5">
                  <span className="flex-1 font-mono text-base tabular-nums">{port}</span>
                  <Button size="sm" onClick={() => setChosen(port)}>
                    Show
                  </Button>
                </li>
              ))}
          </List>
        </section>
      )}
      {mayWrite && <AnotherPort isAlone={ports.length === 0 && previews.length === 0} isBusy={create.isPending} onOpen={open} />}
    </div>
  );
}

/** `isAlone`: under the words that nothing listens. */
function AnotherPort({ isAlone, isBusy, onOpen }: { isAlone: boolean; isBusy: boolean; onOpen(port: number): void }) {
  const [text, setText] = useState("3000");
  const port = Number(text);
  const isPort = Number.isInteger(port) && port >= 1 && port <= 65_535;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (isPort) onOpen(port);
  };
  return (
    <form onSubmit={submit} className={`flex flex-wrap items-center gap-2 text-sm text-ink-2 ${isAlone ? "-mt-8 justify-center" : ""}`}>
      <label htmlFor="another-port">{isAlone ? "A port, before anything listens" : "Another port"}</label>
      <input
        id="another-port"
        inputMode="numeric"
        value={text}
        aria-invalid={!isPort}
        onChange={(event) => setText(event.target.value)}
        className={`${inputLook} !w-24 !py-1 !text-sm`}
      />
      <Button size="sm" type="submit" disabled={!isPort} busy={isBusy}>
        Open
      </Button>
    </form>
  );
}

function Frame({
  session,
  preview,
  isListening,
  mayRevoke,
  onLeave,
  onRevoked,
}: {
  session: SessionView;
  preview: PreviewView;
  isListening: boolean;
  mayRevoke: boolean;
  onLeave(): void;
  onRevoked(): Promise<void>;
}) {
  const now = useNow();
  const [path, setPath] = useState("/");
  const [typed, setTyped] = useState("/");
  const [times, setTimes] = useState(0);
  const [device, setDevice] = useState<Device>("full");
  /** A server that restarts is away for a moment; what it showed stays. */
  const [wasListening, setWasListening] = useState(isListening);
  if (isListening && !wasListening) setWasListening(true);
  const left = remaining(preview.expires_at, now);
  const revoke = useMutation({
    mutationFn: () => client.call(deletePreview, { params: { id: session.id, preview_id: preview.id } }),
    onSuccess: async () => {
      await onRevoked();
      toast(`The preview of port ${preview.port} is closed: its address opens nothing any more`);
    },
    onError: (error) => toast(error.message, "danger"),
  });
  const address = placeIn(preview.url, path);
  const go = (event: FormEvent): void => {
    event.preventDefault();
    const next = pathOf(preview.url, typed);
    setTyped(next);
    setPath(next);
    setTimes(times + 1);
  };
  const width = DEVICES[device];
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex min-h-10 shrink-0 flex-wrap items-center gap-1.5 border-b border-line px-2 py-1">
        <Button size="sm" look="quiet" onClick={onLeave} title="All ports" aria-label={`Port ${preview.port}, back to all ports`}>
          ‹ {preview.port}
        </Button>
        <IconButton label="Load it again" onClick={() => setTimes(times + 1)}>
          <RotateCw size={14} />
        </IconButton>
        <form onSubmit={go} className="min-w-32 flex-1">
          <input
            aria-label="Path"
            value={typed}
            spellCheck={false}
            autoCapitalize="off"
            onChange={(event) => setTyped(event.target.value)}
            className={`${inputLook} !py-1 font-mono !text-sm`}
          />
        </form>
        <span className="narrow:hidden">
          <SegmentedControl<Device>
            label="Width"
            iconsOnly
            segments={[
              { value: "phone", label: "Phone", icon: <Smartphone size={14} /> },
              { value: "tablet", label: "Tablet", icon: <Tablet size={14} /> },
              { value: "full", label: "All the room there is", icon: <MonitorSmartphone size={14} /> },
            ]}
            value={device}
            onChange={setDevice}
          />
        </span>
        <IconButton label="Open in a new tab" onClick={() => window.open(address, "_blank", "noopener,noreferrer")}>
          <ExternalLink size={14} />
        </IconButton>
        <DropdownMenu
          align="end"
          trigger={
            <IconButton label="More about this preview">
              <Ellipsis size={15} />
            </IconButton>
          }
          entries={[
            {
              label: "Copy the link",
              hint: "Whoever has it may open it",
              icon: <Link2 size={14} />,
              onSelect: () => copy(address, "the link"),
            },
            { kind: "separator" },
            {
              label: "Revoke the preview",
              hint: left === null ? "It has expired" : `It expires in ${left}`,
              icon: <ShieldOff size={14} />,
              tone: "danger",
              disabled: !mayRevoke,
              onSelect: () => revoke.mutate(),
            },
          ]}
        />
      </div>
      {left === null ? (
        <Empty
          icon={<ShieldOff size={28} />}
          title="This preview has expired"
          action={
            <Button look="solid" onClick={() => void onRevoked()}>
              Back to the ports
            </Button>
          }
        >
          Its address opens nothing any more. Open the port again for a new one.
        </Empty>
      ) : !wasListening ? (
        <div role="status" className="min-h-0 flex-1">
          <Empty icon={<AppWindow size={28} className="breathing" />} title={`Nothing listens on ${preview.port} yet`}>
            As soon as something does it shows here by itself.
          </Empty>
        </div>
      ) : (
        <div className={`flex min-h-0 flex-1 justify-center overflow-auto ${width === null ? "" : "bg-sunken p-3"}`}>
          <iframe
            key={times}
            src={address}
            title={`Preview of port ${preview.port}`}
            sandbox={RIGHTS}
            referrerPolicy="no-referrer"
            className={`h-full border-0 bg-raised ${width === null ? "w-full" : "soft-shadow shrink-0 rounded-md border border-line"}`}
            style={width === null ? undefined : { width }}
          />
        </div>
      )}
      {wasListening && !isListening && left !== null && (
        <p role="status" className="shrink-0 border-t border-line px-3 py-1.5 text-sm text-ink-2">
          Nothing listens on {preview.port} any more. It can be loaded again when something does.
        </p>
      )}
    </div>
  );
}

/** Only the path is anybody's to choose: another origin in the address bar would be opened in our frame. */
function pathOf(preview: string, typed: string): string {
  try {
    const { pathname, search, hash, origin } = new URL(typed, preview);
    return origin === new URL(preview).origin ? pathname + search + hash : "/";
  } catch {
    return "/"; // What cannot be an address leads to the first page.
  }
}
const placeIn = (preview: string, path: string): string => new URL(path, preview).href;
