import { SearchInput } from "@signalbox/ui/search-input";
import { useRef, type ComponentProps } from "react";
import { useShortcuts } from "./shortcuts.ts";

/** What the page in front is searched by: `/` leads there. */
export function PageSearch(props: Omit<ComponentProps<typeof SearchInput>, "ref" | "keys">) {
  const input = useRef<HTMLInputElement>(null);
  useShortcuts([{ keys: "/", label: props.label, run: () => input.current?.focus() }]);
  return <SearchInput {...props} ref={input} keys="/" />;
}
