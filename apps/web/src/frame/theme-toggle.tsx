import { Monitor, Moon, Sun } from "lucide-react";
import { Button } from "@signalbox/ui/button";
import { setTheme, useTheme, type Theme } from "./theme.ts";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const ICON = { system: Monitor, light: Sun, dark: Moon };
const NAME: Record<Theme, string> = { system: "as the system", light: "light", dark: "dark" };

export function ThemeToggle() {
  const theme = useTheme();
  const Icon = ICON[theme];
  return (
    <Button
      look="quiet"
      size="icon-sm"
      aria-label={`Theme: ${NAME[theme]}`}
      title={`Theme: ${NAME[theme]}`}
      onClick={() => setTheme(NEXT[theme])}
    >
      <Icon size={16} />
    </Button>
  );
}
