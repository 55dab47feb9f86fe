/** A semaphore with its lamp: the name of the place. The lamp is lit when something waits. */
export function Mark({ lit = false, size = 22 }: { lit?: boolean; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 22 22" aria-hidden className="shrink-0">
      <path d="M5 20V3" stroke="currentColor" strokeWidth="2" strokeLinecap="round" />
      <rect x="5" y="3.5" width="14" height="5" rx="1.2" fill="currentColor" />
      <circle cx="10" cy="15.5" r="2.6" className={lit ? "fill-signal" : "fill-none stroke-current"} strokeWidth="1.6" />
    </svg>
  );
}
