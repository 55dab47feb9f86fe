import { Dialog } from "@signalbox/ui/dialog";
import { Keys } from "@signalbox/ui/keys";
import { useAllShortcuts } from "./shortcuts.ts";

export function KeyboardHelp({ onClose }: { onClose(): void }) {
  const shown = useAllShortcuts();
  return (
    <Dialog title="Keyboard" description="What the keys do on this page." onClose={onClose}>
      <dl className="grid grid-cols-1 gap-x-8 sm:grid-cols-2">
        {[...shown, { keys: "Ctrl Enter", label: "Send what you wrote" }].map(({ keys, label }) => (
          <div key={keys} className="flex items-center justify-between gap-4 border-b border-line py-2 text-sm">
            <dt>{label}</dt>
            <dd>
              <Keys keys={keys} />
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
