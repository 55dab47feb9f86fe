import { useLayoutEffect, useRef } from "react";

/** For a row that scrolls sideways: what `selector` names in it is brought into the middle whenever `when` or its width changes. */
export function useScrolledTo<Row extends HTMLElement>(selector: string, when: unknown) {
  const row = useRef<Row>(null);
  useLayoutEffect(() => {
    const here = row.current;
    if (here === null) return;
    const scroll = (): void => {
      const chosen = here.querySelector(selector);
      if (chosen === null) return;
      const [around, inside] = [here.getBoundingClientRect(), chosen.getBoundingClientRect()];
      // Not scrollIntoView: that also moves whatever the row stands in.
      here.scrollLeft += inside.left + inside.width / 2 - (around.left + around.width / 2);
    };
    scroll();
    // A phone that is turned has another row.
    let width = here.clientWidth;
    const watching = new ResizeObserver(() => {
      if (here.clientWidth === width) return;
      width = here.clientWidth;
      scroll();
    });
    watching.observe(here);
    return () => watching.disconnect();
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- `when` is what the selector looks at
  }, [selector, when]);
  return row;
}
