/* Walking a list with j and k. The selected row is the focused one, so Enter, a screen reader and the eye agree. */
import { useCallback, useRef, useState } from "react";

export function useSelection(length: number): {
  selected: number;
  setSelected(index: number): void;
  move(by: 1 | -1): void;
  rowRef(index: number): (element: HTMLElement | null) => void;
} {
  const [chosen, setSelected] = useState(-1);
  const rows = useRef(new Map<number, HTMLElement>());
  const selected = Math.min(chosen, length - 1);
  const move = (by: 1 | -1): void => {
    if (length === 0) return;
    const next = Math.max(0, Math.min(length - 1, selected + by));
    setSelected(next);
    const row = rows.current.get(next);
    row?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
  };
  const rowRef = useCallback(
    (index: number) => (element: HTMLElement | null) => {
      if (element === null) rows.current.delete(index);
      else rows.current.set(index, element);
    },
    [],
  );
  return { selected, setSelected, move, rowRef };
}
