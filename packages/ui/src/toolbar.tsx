import { Toolbar as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { buttonLook } from "./button.tsx";

/** Deeds in a row, one stop of the Tab key; arrow keys move inside. Holds ToolbarButton, and ToolbarGap between groups. */
export function Toolbar({ label, className = "", children }: { label: string; className?: string; children: ReactNode }) {
  return (
    <Radix.Root aria-label={label} className={`flex flex-wrap items-center gap-1 ${className}`}>
      {children}
    </Radix.Root>
  );
}

export function ToolbarButton({
  label,
  icon,
  pressed,
  disabled = false,
  showLabel = false,
  onClick,
}: {
  label: string;
  icon: ReactNode;
  /** Given: it is a switch, and this is its position. */
  pressed?: boolean;
  disabled?: boolean;
  showLabel?: boolean;
  onClick(): void;
}) {
  return (
    <Radix.Button
      type="button"
      aria-label={showLabel ? undefined : label}
      title={showLabel ? undefined : label}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={onClick}
      className={`${buttonLook({ look: "quiet", size: showLabel ? "sm" : "icon-sm" })} aria-pressed:bg-chosen aria-pressed:text-ink`}
    >
      {icon}
      {showLabel && label}
    </Radix.Button>
  );
}

export const ToolbarGap = () => <Radix.Separator className="mx-1 h-5 w-px bg-line" />;
