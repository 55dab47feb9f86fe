import { ContextMenu as Radix } from "radix-ui";
import type { ReactElement } from "react";
import { useLayer } from "./layer.tsx";
import { MenuEntries, menuLook, type MenuEntry } from "./menu.tsx";

/** The same deeds under the right button (or a long press, or Shift F10). Never the only way to them. */
export function ContextMenu({ entries, children }: { entries: readonly MenuEntry[]; children: ReactElement }) {
  const layer = useLayer();
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{children}</Radix.Trigger>
      <Radix.Portal container={layer}>
        <Radix.Content collisionPadding={8} className={`${menuLook} max-h-(--radix-context-menu-content-available-height)`}>
          <MenuEntries entries={entries} of={Radix} />
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
