import { Tooltip as Radix } from "radix-ui";
import type { ReactElement } from "react";
import { KeyHint } from "./key-hint.tsx";
import { floatingLook, useLayer } from "./layer.tsx";

/** A few words about what the pointer or the focus is on. Never the only place that says them. */
export function Tooltip({ text, keys, children }: { text: string; keys?: string; children: ReactElement }) {
  const layer = useLayer();
  return (
    <Radix.Provider delayDuration={400}>
      <Radix.Root>
        <Radix.Trigger asChild>{children}</Radix.Trigger>
        <Radix.Portal container={layer}>
          <Radix.Content
            sideOffset={6}
            collisionPadding={8}
            className={`${floatingLook} flex max-w-72 items-center gap-2 px-2.5 py-1.5 text-sm`}
          >
            {text}
            {keys !== undefined && <KeyHint keys={keys} />}
          </Radix.Content>
        </Radix.Portal>
      </Radix.Root>
    </Radix.Provider>
  );
}
