/*
 * Which of the things that wait the keys answer. It is kept by its id: something new that arrives above it must not
 * move under the finger that decides. When it leaves the list, what took its place is next, and the focus goes there.
 */
import { useCallback, useEffectEvent, useLayoutEffect, useRef, useState } from "react";

/** What came to the front by itself is not decided by a key that was meant for the one before. */
const STARTLE_MS = 600;

export interface Current {
  readonly index: number;
  /** Whether a row was chosen by hand or by key: until then the first one answers, without a frame around it. */
  readonly isChosen: boolean;
  choose(index: number): void;
  move(by: 1 | -1): void;
  rowRef(index: number): (element: HTMLElement | null) => void;
  /** To be called when the current one is answered here: the focus follows to the next. */
  answered(): void;
  /** False for a moment after somebody else's deed has put another one in front. */
  isSettled(): boolean;
}

export function useCurrent(ids: readonly string[]): Current {
  const [kept, setKept] = useState<{ readonly id: string; readonly at: number; readonly isChosen: boolean } | null>(null);
  const found = kept === null ? -1 : ids.indexOf(kept.id);
  const index = Math.max(0, found >= 0 ? found : Math.min(kept?.at ?? 0, ids.length - 1));
  const id = ids[index];
  const isChosen = kept?.isChosen ?? false;
  if (id !== undefined && (kept?.id !== id || kept.at !== index)) setKept({ id, at: index, isChosen });

  const rows = useRef(new Map<number, HTMLElement>());
  const isMine = useRef(false);
  const changedAt = useRef(-Infinity);
  const before = useRef(id);
  const focus = (at: number): void => {
    const row = rows.current.get(at);
    row?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
  };
  const follow = useEffectEvent(focus);
  useLayoutEffect(() => {
    const last = before.current;
    before.current = id;
    if (last === undefined || last === id || ids.includes(last)) return;
    if (!isMine.current) changedAt.current = performance.now();
    // The focus was on what has gone; wherever else it is by now, it stays there.
    if ((isMine.current || isChosen) && (document.activeElement === null || document.activeElement === document.body)) follow(index);
    isMine.current = false;
  }, [id, ids, index, isChosen]);

  const choose = (at: number): void => {
    const next = ids[at];
    if (next !== undefined && (next !== kept?.id || !isChosen)) setKept({ id: next, at, isChosen: true });
  };
  const rowRef = useCallback(
    (at: number) => (element: HTMLElement | null) => {
      if (element === null) rows.current.delete(at);
      else rows.current.set(at, element);
    },
    [],
  );
  return {
    index,
    isChosen,
    choose,
    move(by) {
      const next = isChosen ? Math.max(0, Math.min(ids.length - 1, index + by)) : index;
      choose(next);
      focus(next);
    },
    rowRef,
    answered() {
      isMine.current = true;
    },
    isSettled: () => performance.now() - changedAt.current > STARTLE_MS,
  };
}
