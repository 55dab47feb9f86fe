import { RadioGroup } from "@signalbox/ui/radio-group";
import { Switch } from "@signalbox/ui/switch";
import { setSingleKeys, useSingleKeys } from "./shortcuts.ts";
import { setTheme, useTheme, type Theme } from "./theme.ts";

const THEMES: readonly { value: Theme; label: string; hint?: string }[] = [
  { value: "system", label: "As the system", hint: "Changes when it does." },
  { value: "light", label: "Light" },
  { value: "dark", label: "Dark" },
];

/** How the box looks and answers, in this browser. */
export function AppearanceSettings() {
  return (
    <div className="max-w-xl space-y-6">
      <RadioGroup legend="Theme" choices={THEMES} value={useTheme()} onChange={setTheme} />
      <Switch
        label="Single-key shortcuts"
        hint="Keys like a, d and g s. Off: only chords with Ctrl or ⌘, such as the command palette, and the usual keys remain."
        checked={useSingleKeys()}
        onChange={setSingleKeys}
      />
    </div>
  );
}
