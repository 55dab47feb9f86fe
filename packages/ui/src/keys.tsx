/** A key or a sequence, as engraved on the cap. */
export function Keys({ keys }: { keys: string }) {
  return (
    <span className="inline-flex gap-1">
      {keys.split(" ").map((key) => (
        <kbd
          key={key}
          className="inline-flex h-5 min-w-5 whitespace-nowrap items-center justify-center rounded-sm border border-line-strong bg-raised px-1 text-plate text-ink-2"
        >
          {key}
        </kbd>
      ))}
    </span>
  );
}
