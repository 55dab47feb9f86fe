import { useLayoutEffect, useRef } from "react";

/** For a row that scrolls sideways: what `selector` names in it is brought into the middle whenever `when` changes. */
export function useScrolledTo<Row extends HTMLElement>(selector: string, when: unknown) {
  const row = useRef<Row>(null);
  useLayoutEffect(() => {
    const chosen = row.current?.querySelector(selector);
    if (row.current === null || chosen == null) return;
    const [around, inside] = [row.current.getBoundingClientRect(), chosen.getBoundingClientRect()];
    // Not scrollIntoView: that also moves whatever the row stands in.
    row.current.scrollLeft += inside.left + inside.width / 2 - (around.left + around.width / 2);
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- `when` is what the selector looks at
  }, [selector, when]);
  return row;
}
