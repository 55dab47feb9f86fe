import type { RefObject } from "react";

/** The browser's own choice of one file, opened by a button that says so (`ref.current.click()`); not seen itself. */
export function FileChooser({
  ref,
  accept,
  label,
  onFile,
}: {
  readonly ref: RefObject<HTMLInputElement | null>;
  /** As of `<input accept>`. */
  readonly accept: string;
  /** What the file is: "A proof". */
  readonly label: string;
  /** Undefined when nothing was chosen. */
  readonly onFile: (file: File | undefined) => void;
}) {
  return (
    <input
      ref={ref}
      type="file"
      accept={accept}
      aria-label={label}
      className="sr-only"
      tabIndex={-1}
      onChange={(event) => {
        onFile(event.target.files?.[0]);
        // The same file, mended, may be chosen again.
        event.target.value = "";
      }}
    />
  );
}
