/* What every row of a conversation may use, so that none of it is passed through the windowed list. */
import type { ConversationItem, SessionView } from "@signalbox/contract/sessions";
import { createContext, use, useSyncExternalStore } from "react";
import type { ConversationStore } from "../conversation-store.ts";

/** Which rows are open: kept outside of them, because a row that is scrolled away is not there to remember it. */
export interface OpenRows {
  isOpen(key: string): boolean | undefined;
  set(key: string, open: boolean): void;
  subscribe(listener: () => void): () => void;
}

export function createOpenRows(): OpenRows {
  const open = new Map<string, boolean>();
  const listeners = new Set<() => void>();
  return {
    isOpen: (key) => open.get(key),
    set(key, is) {
      open.set(key, is);
      for (const listener of listeners) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export interface RowContext {
  readonly store: ConversationStore;
  /** null where it is only shared: then nothing but what is in the items can be read. */
  readonly session: SessionView | null;
  /** Nothing here can be answered or said: it is shared, imported, or as it was. */
  readonly isReadOnly: boolean;
  nameOf(principal: string | null): string;
  /** The approval and the question that the keys of the page answer. */
  readonly keyedApproval: string | null;
  readonly keyedQuestion: string | null;
  readonly openRows: OpenRows;
  /** The address at which this item is shown. */
  linkTo(item: Pick<ConversationItem, "id" | "type">): string;
  /** Puts a text into the composer as a quotation; null where there is no composer. */
  readonly quote: ((text: string) => void) | null;
  /** Spent by a turn, when that is known. */
  costOf(endSeq: number, previousEndSeq: number): number | null;
}

export const Rows = createContext<RowContext | null>(null);
export function useRows(): RowContext {
  const context = use(Rows);
  if (context === null) throw new Error("a row is only drawn inside a conversation");
  return context;
}

export function useOpen(key: string, initially = false): [boolean, (open: boolean) => void] {
  const { openRows } = useRows();
  const isOpen = useSyncExternalStore(openRows.subscribe, () => openRows.isOpen(key) ?? initially);
  return [isOpen, (open) => openRows.set(key, open)];
}
