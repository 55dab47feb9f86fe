/*
 * How often something that changes all the time is drawn.
 *
 *   changed ──► draw ──► drawn ──► rest for `restMs` ──► changed meanwhile? ──► draw …
 *
 * The rest begins when it was drawn, not when it was asked for: on a slow machine, or while a person types and React
 * lets that go first, it is drawn less often, and keys and scrolling always have the time between. The newest arrives.
 */
export interface Pace {
  changed(): void;
  /** What `draw` asked for is on the page. */
  drawn(): void;
  end(): void;
}

export function createPace(restMs: number, draw: () => void): Pace {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isDrawing = false;
  let isDue = false;

  function changed(): void {
    if (isDrawing || timer !== undefined) {
      isDue = true;
      return;
    }
    isDue = false;
    isDrawing = true;
    draw();
  }
  return {
    changed,
    drawn() {
      if (!isDrawing) return;
      isDrawing = false;
      timer = setTimeout(() => {
        timer = undefined;
        if (isDue) changed();
      }, restMs);
    },
    end: () => clearTimeout(timer),
  };
}
