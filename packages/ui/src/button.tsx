import { cva, type VariantProps } from "class-variance-authority";
import { LoaderCircle } from "lucide-react";
import type { ComponentProps } from "react";

export const buttonLook = cva(
  "relative inline-flex shrink-0 items-center justify-center gap-1.5 whitespace-nowrap rounded-md border font-medium no-underline transition-colors duration-(--quick) select-none disabled:opacity-50 aria-disabled:opacity-50",
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

type ButtonProps = ComponentProps<"button"> & VariantProps<typeof buttonLook> & { busy?: boolean | undefined };

/** A press that does something here. `busy` keeps its place and refuses a second press while the first is under way. */
export function Button({ look, size, busy = false, className = "", disabled, type = "button", children, ...rest }: ButtonProps) {
  return (
    <button
      type={type}
      className={`${buttonLook({ look, size })} ${className}`}
      disabled={disabled === true || busy}
      aria-busy={busy || undefined}
      {...rest}
    >
      {busy ? (
        <>
          <span className="inline-flex items-center gap-1.5 opacity-0">{children}</span>
          <LoaderCircle size={16} aria-hidden className="turning absolute" />
        </>
      ) : (
        children
      )}
    </button>
  );
}

/** A button that is only an icon: `label` is its name, for a screen reader and on hover. */
export function IconButton({ label, size = "icon-sm", look = "quiet", ...rest }: ButtonProps & { label: string }) {
  return <Button look={look} size={size} aria-label={label} title={label} {...rest} />;
}

/** A link that looks like a button; for places of the app use the router's Link with `buttonLook`. */
export function LinkButton({ look, size, className = "", children, ...rest }: ComponentProps<"a"> & VariantProps<typeof buttonLook>) {
  return (
    <a className={`${buttonLook({ look, size })} ${className}`} {...rest}>
      {children}
    </a>
  );
}
