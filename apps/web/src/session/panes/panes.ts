/*
 * The panes beside a conversation, in the order of their tabs. Each is a chunk of its own, loaded when it is first
 * looked at; adding one is a file `<name>-pane.tsx` and an entry here (and its name in the router's `pane`).
 */
import type { SessionView } from "@signalbox/contract/sessions";
import { AppWindow, FileDiff, FolderTree, Globe, ListOrdered, SquareTerminal, type LucideIcon } from "lucide-react";
import { lazy, type ComponentType } from "react";
import type { ConversationStore } from "../conversation-store.ts";
import { ChangedFilesBadge } from "./changed-files-badge.tsx";

export interface PaneProps {
  readonly session: SessionView;
  /** The conversation on screen, and through it every event of the session's room as it arrives. */
  readonly conversation: ConversationStore;
  /** The session as it was after this seq of its room; null: as it is now. */
  readonly at: number | null;
}

/** As the router's `pane` has them. */
export type PaneName = "changes" | "terminal" | "files" | "preview" | "egress" | "events";

export interface Pane {
  readonly name: PaneName;
  readonly label: string;
  readonly icon: LucideIcon;
  readonly Component: ComponentType<PaneProps>;
  /** A count for the chip beside the label; null draws no chip. */
  readonly Badge?: ComponentType<{ readonly session: SessionView }>;
}

export const PANES: readonly Pane[] = [
  {
    name: "changes",
    label: "Changes",
    icon: FileDiff,
    Component: lazy(() => import("./changes-pane.tsx").then(({ ChangesPane }) => ({ default: ChangesPane }))),
    Badge: ChangedFilesBadge,
  },
  {
    name: "terminal",
    label: "Terminal",
    icon: SquareTerminal,
    Component: lazy(() => import("./terminal-pane.tsx").then(({ TerminalPane }) => ({ default: TerminalPane }))),
  },
  {
    name: "files",
    label: "Files",
    icon: FolderTree,
    Component: lazy(() => import("./files-pane.tsx").then(({ FilesPane }) => ({ default: FilesPane }))),
  },
  {
    name: "preview",
    label: "Preview",
    icon: AppWindow,
    Component: lazy(() => import("./preview-pane.tsx").then(({ PreviewPane }) => ({ default: PreviewPane }))),
  },
  {
    name: "egress",
    label: "Egress",
    icon: Globe,
    Component: lazy(() => import("./egress-pane.tsx").then(({ EgressPane }) => ({ default: EgressPane }))),
  },
  {
    name: "events",
    label: "Events",
    icon: ListOrdered,
    Component: lazy(() => import("./events-pane.tsx").then(({ EventsPane }) => ({ default: EventsPane }))),
  },
];
