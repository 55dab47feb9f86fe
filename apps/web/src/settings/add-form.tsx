import { Button } from "@signalbox/ui/button";
import { Input } from "@signalbox/ui/field";
import type { ReactNode } from "react";

/** One line that adds to a list: what, perhaps in which way (`children`), and the deed. */
export function AddForm({
  label,
  placeholder,
  deed,
  value,
  onChange,
  onAdd,
  busy,
  type = "text",
  maxLength = 200,
  children,
}: {
  label: string;
  placeholder: string;
  /** What its button says. */
  deed: string;
  value: string;
  onChange(value: string): void;
  onAdd(): void;
  busy: boolean;
  type?: "text" | "email";
  maxLength?: number;
  children?: ReactNode;
}) {
  return (
    <form
      className="flex flex-wrap gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        onAdd();
      }}
    >
      <Input
        type={type}
        required
        aria-label={label}
        placeholder={placeholder}
        maxLength={maxLength}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        className="!w-auto min-w-0 flex-1 basis-56"
      />
      {children}
      <Button type="submit" busy={busy} disabled={value.trim() === ""} className="!h-auto">
        {deed}
      </Button>
    </form>
  );
}
