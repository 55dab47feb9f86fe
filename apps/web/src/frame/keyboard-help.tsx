/* What the keys do here and now, from the registry, in groups. */
import { Link } from "@tanstack/react-router";
import { Dialog } from "@signalbox/ui/dialog";
import { KeyHint } from "@signalbox/ui/key-hint";
import { useAllShortcuts, useSingleKeys, type Shortcut } from "./shortcuts.ts";

const ALWAYS: readonly Pick<Shortcut, "keys" | "label">[] = [
  { keys: "Mod+Enter", label: "Send what you wrote" },
  { keys: "Escape", label: "Close what is in front" },
  { keys: "Tab", label: "Next thing that can be pressed or filled" },
];

export function KeyboardHelp({ onClose }: { onClose(): void }) {
  const all = useAllShortcuts();
  const isOn = useSingleKeys();
  const groups = [
    { name: "On this page", keys: all.filter(({ group }) => group === undefined) },
    { name: "Go to", keys: all.filter(({ group }) => group === "Go to") },
    { name: "Anywhere", keys: [...all.filter(({ group }) => group === "Anywhere"), ...ALWAYS] },
  ].filter(({ keys }) => keys.length > 0);
  return (
    <Dialog
      title="Keyboard"
      wide
      description={
        <>
          {isOn ? "What the keys do here. Letters do nothing while you type. " : "Single keys are switched off; chords still work. "}
          <Link to="/settings/appearance" onClick={onClose} className="text-moving-ink underline underline-offset-2">
            {isOn ? "Switch single keys off" : "Switch them on"}
          </Link>
        </>
      }
      onClose={onClose}
    >
      <div className="gap-x-8 sm:columns-2">
        {groups.map(({ name, keys }) => (
          <section key={name} className="mb-5 break-inside-avoid" aria-label={name}>
            <h3 className="plate mb-1">{name}</h3>
            <dl>
              {keys.map(({ keys, label }) => (
                <div key={keys} className="flex items-center justify-between gap-4 border-b border-line py-1.5 text-sm">
                  <dt>{label}</dt>
                  <dd>
                    <KeyHint keys={keys} />
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
