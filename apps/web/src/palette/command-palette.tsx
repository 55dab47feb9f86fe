/* One field for everything: places, deeds, and whatever was ever said or done here. */
import type { SearchHit, SearchKind } from "@signalbox/contract/search";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useRouter } from "@tanstack/react-router";
import { Command } from "cmdk";
import {
  Activity,
  CheckCheck,
  CircleQuestionMark,
  Clock,
  File,
  Keyboard,
  Link2,
  ListTree,
  LogOut,
  MessageSquare,
  MessagesSquare,
  Monitor,
  Moon,
  OctagonX,
  Plus,
  Search,
  Sun,
  Zap,
  type LucideIcon,
} from "lucide-react";
import { useDeferredValue, useEffect, useLayoutEffect, useRef, useState, type ReactNode } from "react";
import { openApprovalsQuery } from "../data/queries.ts";
import { PLACES } from "../frame/nav-items.ts";
import { takeTypedAhead, useAllShortcuts } from "../frame/shortcuts.ts";
import { setTheme } from "../frame/theme.ts";
import { signOut } from "../offline/sign-out.ts";
import { useModal } from "@signalbox/ui/dialog";
import { count } from "@signalbox/ui/format";
import { KeyHint } from "@signalbox/ui/key-hint";
import { announce } from "@signalbox/ui/live-region";
import { Timestamp } from "@signalbox/ui/timestamp";
import { toast } from "@signalbox/ui/toasts";
import { hitsQuery, hrefOf, KIND_WORD } from "./hits.ts";
import { plain } from "./plain.ts";
import { recent } from "./recent.ts";

const KIND_ICON: Record<SearchKind, LucideIcon> = {
  session: ListTree,
  room: MessagesSquare,
  message: MessageSquare,
  run: Activity,
  approval: CircleQuestionMark,
  artifact: File,
};

interface Deed {
  readonly label: string;
  readonly icon: LucideIcon;
  readonly keys?: string;
  /** Other words for it. */
  readonly also?: readonly string[];
  run(): void;
}

/** Each word typed begins a word of the entry: nothing turns up, and gets chosen, for having the same letters somewhere. */
function matches(value: string, search: string, keywords: readonly string[] = []): number {
  const words = `${value} ${keywords.join(" ")}`.toLocaleLowerCase().split(/[\s:/]+/);
  const typed = search
    .toLocaleLowerCase()
    .split(/[\s:/]+/)
    .filter((word) => word !== "");
  return typed.every((word) => words.some((each) => each.startsWith(word))) ? 1 : 0;
}

export function CommandPalette({ onClose, onNew, onHelp }: { onClose(): void; onNew(): void; onHelp(): void }) {
  const ref = useRef<HTMLDialogElement>(null);
  useModal(ref);
  const navigate = useNavigate();
  const { history } = useRouter();
  const [text, setText] = useState("");
  useLayoutEffect(() => {
    // Taken here and not in the updater, which runs when nothing is held any more.
    const typed = takeTypedAhead();
    // oxlint-disable-next-line react/set-state-in-effect -- keys were gathered until this very moment, outside of React
    if (typed !== "") setText((already) => already + typed);
  }, []);
  const q = useDeferredValue(text.trim());
  const hits = useQuery(hitsQuery(q));
  const { data: open } = useQuery(openApprovalsQuery);
  // What the page in front does, as it was when the palette came up.
  const [onPage] = useState(useAllShortcuts().filter(({ group }) => group === undefined));
  const first = open?.[0];
  const groups = q === "" ? [] : (hits.data?.groups ?? []).filter(({ items }) => items.length > 0);
  const found = groups.reduce((sum, { items }) => sum + items.length, 0);
  useEffect(() => {
    if (q !== "" && hits.isSuccess && !hits.isPlaceholderData) announce(`${count(found, "match", "matches")} for ${q}`);
  }, [q, found, hits.isSuccess, hits.isPlaceholderData]);

  const go = (href: string): void => {
    onClose();
    history.push(href);
  };
  const doing = (run: () => void) => (): void => {
    onClose();
    run();
  };

  const deeds: Deed[] = [
    { label: "New session", icon: Plus, keys: "n", also: ["start", "agent", "task", "create"], run: onNew },
    ...(first === undefined
      ? []
      : [
          {
            label: `Approve: ${first.title}`,
            icon: CheckCheck,
            also: ["approve", "first", "allow", "yes"],
            run: () => go(`/approvals/${first.id}?decide=approve`),
          },
        ]),
    {
      label: "Copy the link to this page",
      icon: Link2,
      also: ["share", "url", "address"],
      run: doing(
        () =>
          void navigator.clipboard.writeText(window.location.href).then(
            () => toast("Link copied"),
            () => toast("The browser does not let this page copy", "danger"),
          ),
      ),
    },
    { label: "Keyboard map", icon: Keyboard, keys: "?", also: ["shortcuts", "help", "keys"], run: onHelp },
  ];
  const box: Deed[] = [
    { label: "Kill switch", icon: OctagonX, also: ["stop everything", "emergency", "halt"], run: () => go("/settings") },
    { label: "Light theme", icon: Sun, also: ["appearance", "day"], run: doing(() => setTheme("light")) },
    { label: "Dark theme", icon: Moon, also: ["appearance", "night"], run: doing(() => setTheme("dark")) },
    { label: "Theme as the system", icon: Monitor, also: ["appearance", "auto"], run: doing(() => setTheme("system")) },
    { label: "Sign out", icon: LogOut, also: ["log out", "leave"], run: doing(() => void signOut()) },
  ];
  const settings = ["Models", "Tokens", "Appearance", "Notifications", "Data"];

  return (
    <dialog
      ref={ref}
      aria-label="Search and commands"
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onPointerDown={(event) => event.target === event.currentTarget && onClose()}
      onKeyDown={(event) => {
        if (event.key.toLowerCase() === "k" && (event.metaKey || event.ctrlKey)) {
          event.preventDefault();
          event.stopPropagation();
          onClose();
        }
      }}
      className="soft-shadow appearing mx-auto mt-[12dvh] mb-auto w-[calc(100%-1.5rem)] max-w-2xl overflow-clip rounded-lg border border-line bg-panel p-0 narrow:mt-3"
    >
      <Command label="Search and commands" loop vimBindings={false} filter={matches}>
        <div className="flex items-center gap-3 border-b border-line px-4">
          <Search size={18} aria-hidden className="shrink-0 text-ink-3" />
          <Command.Input
            data-focus
            value={text}
            onValueChange={setText}
            placeholder="Search, or say what to do"
            className="h-13 min-w-0 flex-1 bg-transparent text-lg outline-none placeholder:text-ink-3"
          />
          <KeyHint keys="Escape" />
        </div>
        <Command.List className="max-h-[min(26rem,60dvh)] overflow-y-auto overscroll-contain p-2">
          <Command.Empty className="px-3 py-8 text-center text-ink-3">
            {hits.isFetching ? "Looking…" : hits.error === null ? "Nothing matches. Try fewer letters." : "The server could not search."}
          </Command.Empty>
          {q === "" && recent().length > 0 && (
            <Group name="Recent">
              {recent()
                .slice(0, 5)
                .map(({ href, title }) => (
                  <Entry key={href} value={`recent ${href}`} keywords={[title]} icon={Clock} onSelect={() => go(href)}>
                    {title}
                  </Entry>
                ))}
            </Group>
          )}
          <Deeds name="Do" deeds={deeds} />
          {onPage.length > 0 && (
            <Group name="On this page">
              {onPage.map(({ keys, label, run }) => (
                <Entry key={keys} value={`page ${label}`} keywords={[label]} icon={Zap} keys={keys} onSelect={doing(run)}>
                  {label}
                </Entry>
              ))}
            </Group>
          )}
          <Group name="Go to">
            {Object.values(PLACES).map(({ to, label, icon, keys }) => (
              <Entry key={to} value={`go ${label}`} keywords={["go to", label]} icon={icon} keys={keys} onSelect={() => go(to)}>
                {label}
              </Entry>
            ))}
            {settings.map((part) => (
              <Entry
                key={part}
                value={`go settings ${part}`}
                keywords={["settings", part]}
                icon={PLACES.settings.icon}
                onSelect={() => go(`/settings/${part.toLowerCase()}`)}
              >
                Settings: {part}
              </Entry>
            ))}
          </Group>
          <Deeds name="This box" deeds={box} />
          {groups.map(({ kind, items, more }) => (
            <Group key={kind} name={KIND_WORD[kind]}>
              {items.map((hit) => (
                <Hit key={hit.id} hit={hit} typed={text} onSelect={() => go(hrefOf(hit))} />
              ))}
              {more && kind === "session" && (
                <Entry
                  value={`more-${kind}`}
                  icon={ListTree}
                  keywords={[text]}
                  onSelect={doing(() => void navigate({ to: "/sessions", search: { q } }))}
                >
                  All sessions that match
                </Entry>
              )}
            </Group>
          ))}
        </Command.List>
      </Command>
    </dialog>
  );
}

function Group({ name, children }: { name: string; children: ReactNode }) {
  return (
    <Command.Group heading={name} className="palette-group">
      {children}
    </Command.Group>
  );
}

const Deeds = ({ name, deeds }: { name: string; deeds: readonly Deed[] }) => (
  <Group name={name}>
    {deeds.map(({ label, icon, keys, also = [], run }) => (
      <Entry key={label} value={label} keywords={also} icon={icon} keys={keys} onSelect={run}>
        {label}
      </Entry>
    ))}
  </Group>
);

interface EntryProps {
  value: string;
  keywords?: readonly string[];
  icon: LucideIcon;
  keys?: string | undefined;
  onSelect(): void;
  children: ReactNode;
}

function Entry({ value, keywords = [], icon: Icon, keys, onSelect, children }: EntryProps) {
  return (
    <Command.Item
      value={value}
      keywords={[...keywords]}
      onSelect={onSelect}
      className="flex min-h-9 cursor-pointer items-center gap-3 rounded-md px-3 py-1 text-sm data-[selected=true]:bg-chosen"
    >
      <Icon size={16} aria-hidden className="shrink-0 text-ink-3" />
      <span className="min-w-0 flex-1">{children}</span>
      {keys !== undefined && <KeyHint keys={keys} />}
    </Command.Item>
  );
}

/** The server has matched it: whatever is typed counts among its words, so that it stays while the next answer is under way. */
function Hit({ hit, typed, onSelect }: { hit: SearchHit; typed: string; onSelect(): void }) {
  return (
    <Entry value={`${hit.kind} ${hit.id}`} keywords={[typed]} icon={KIND_ICON[hit.kind]} onSelect={onSelect}>
      <span className="flex items-baseline gap-3">
        <span className="clamp-1 min-w-0 flex-1">{hit.kind === "message" ? plain(hit.title) : hit.title}</span>
        <Timestamp at={hit.at} className="shrink-0 text-ink-3" />
      </span>
      {/* Of a message the title is its snippet. */}
      {hit.snippet !== null && hit.snippet !== hit.title && <span className="clamp-1 block text-ink-3">{plain(hit.snippet)}</span>}
    </Entry>
  );
}
