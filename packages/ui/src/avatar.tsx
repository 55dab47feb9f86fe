import { Bot, Cog } from "lucide-react";

function initials(name: string): string {
  const words = name.split(/[\s._@-]+/).filter((word) => word !== "");
  const first = (word = "?"): string => String.fromCodePoint(word.codePointAt(0) ?? 63);
  return (first(words[0]) + (words.length > 1 ? first(words.at(-1)) : "")).toLocaleUpperCase();
}

/** Who it was: a person's initials, an agent or a service by its sign. Says nothing to a screen reader: the name beside it does. */
export function Avatar({
  name,
  kind = "person",
  size = "md",
}: {
  name: string;
  kind?: "person" | "agent" | "service";
  size?: "sm" | "md";
}) {
  return (
    <span
      aria-hidden
      title={name}
      className={`inline-flex shrink-0 items-center justify-center border border-line-strong bg-sunken text-plate font-bold text-ink-2 ${kind === "person" ? "rounded-full" : "rounded-md"} ${size === "sm" ? "size-6" : "size-8"}`}
    >
      {kind === "agent" ? (
        <Bot size={size === "sm" ? 14 : 16} />
      ) : kind === "service" ? (
        <Cog size={size === "sm" ? 14 : 16} />
      ) : (
        initials(name)
      )}
    </span>
  );
}
