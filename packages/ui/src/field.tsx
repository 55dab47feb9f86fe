import { useId, type ComponentProps, type ReactNode } from "react";

export const inputLook =
  "w-full rounded-md border border-line-strong bg-raised px-3 py-2 text-base text-ink placeholder:text-ink-3 focus-visible:outline-offset-0 aria-invalid:border-danger disabled:opacity-60";

/** Label, control, and one line below: the error if there is one, else the hint. */
export function Field({
  label,
  hint,
  error,
  children,
}: {
  label: string;
  hint?: ReactNode;
  error?: string | undefined;
  children(props: { id: string; "aria-describedby": string; "aria-invalid": boolean }): ReactNode;
}) {
  const id = useId();
  const note = error ?? hint;
  return (
    <div className="flex flex-col gap-1.5">
      <label htmlFor={id} className="block text-sm font-semibold">
        {label}
      </label>
      {children({ id, "aria-describedby": `${id}-note`, "aria-invalid": error !== undefined })}
      <p
        id={`${id}-note`}
        className={`text-sm empty:hidden ${error === undefined ? "text-ink-3" : "text-danger-ink"}`}
        role={error === undefined ? undefined : "alert"}
      >
        {note}
      </p>
    </div>
  );
}

/** One line of text. */
export function Input({ className = "", ...rest }: ComponentProps<"input">) {
  return <input className={`${inputLook} ${className}`} {...rest} />;
}

/** Several lines; grows with what is written, up to a third of the window. */
export function Textarea({ className = "", rows = 3, ...rest }: ComponentProps<"textarea">) {
  return <textarea rows={rows} className={`${inputLook} field-sizing-content max-h-[33dvh] resize-y ${className}`} {...rest} />;
}
