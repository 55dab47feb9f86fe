import { cva, type VariantProps } from "class-variance-authority";
import type { ButtonHTMLAttributes, ReactNode } from "react";

export const buttonLook = cva(
  "inline-flex items-center justify-center gap-1.5 whitespace-nowrap rounded-md border font-medium transition-colors disabled:opacity-50 select-none",
  {
    variants: {
      look: {
        plain: "border-line-strong bg-raised text-ink hover:bg-chosen",
        solid: "border-ink bg-ink text-on-ink hover:opacity-90",
        quiet: "border-transparent bg-transparent text-ink-2 hover:bg-chosen hover:text-ink",
        approve: "border-signal bg-signal text-on-signal hover:brightness-105",
        danger: "border-danger-line bg-transparent text-danger-ink hover:bg-danger-wash",
        alarm: "border-danger bg-danger text-on-danger hover:brightness-110",
      },
      size: { sm: "h-7 px-2 text-sm", md: "h-9 px-3.5 text-sm", lg: "h-11 px-5 text-base", icon: "size-9 p-0", "icon-sm": "size-7 p-0" },
    },
    defaultVariants: { look: "plain", size: "md" },
  },
);

type ButtonProps = ButtonHTMLAttributes<HTMLButtonElement> &
  VariantProps<typeof buttonLook> & { busy?: boolean | undefined; children?: ReactNode };

/** `busy` keeps its place and refuses a second press while the first is under way. */
export function Button({ look, size, busy = false, className = "", disabled, type = "button", ...rest }: ButtonProps) {
  return (
    <button
      type={type}
      className={`${buttonLook({ look, size })} ${className}`}
      disabled={disabled === true || busy}
      aria-busy={busy || undefined}
      {...rest}
    />
  );
}
