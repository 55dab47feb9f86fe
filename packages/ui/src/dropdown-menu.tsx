import { DropdownMenu as Radix } from "radix-ui";
import type { ReactElement } from "react";
import { useLayer } from "./layer.tsx";
import { MenuEntries, menuLook, type MenuEntry } from "./menu.tsx";

/** A list of deeds under a button. Not modal: a modal one would lock scrolling with a <style> that the policy refuses. */
export function DropdownMenu({
  trigger,
  entries,
  align = "start",
  defaultOpen = false,
}: {
  trigger: ReactElement;
  entries: readonly MenuEntry[];
  align?: "start" | "end";
  defaultOpen?: boolean;
}) {
  const layer = useLayer();
  return (
    <Radix.Root modal={false} defaultOpen={defaultOpen}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal container={layer}>
        <Radix.Content
          align={align}
          sideOffset={4}
          collisionPadding={8}
          className={`${menuLook} max-h-(--radix-dropdown-menu-content-available-height)`}
        >
          <MenuEntries entries={entries} of={Radix} />
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
