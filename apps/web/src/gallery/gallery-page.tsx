/* Every component in its states. The browser tests photograph each section, and so should whoever changes one. */
import { Toasts } from "@signalbox/ui/toasts";
import { LiveRegion } from "@signalbox/ui/live-region";
import { useEffect, type ComponentType } from "react";
import { Mark } from "../frame/mark.tsx";
import { ThemeToggle } from "../frame/theme-toggle.tsx";
import { Actions } from "./actions.tsx";
import { Figures } from "./figures.tsx";
import { Inputs } from "./inputs.tsx";
import { Lists } from "./lists.tsx";
import { Overlays } from "./overlays.tsx";
import { Panes } from "./panes.tsx";
import { States } from "./states.tsx";
import { Texts } from "./texts.tsx";
import { Tokens } from "./tokens.tsx";

const SECTIONS: readonly { id: string; name: string; Content: ComponentType }[] = [
  { id: "tokens", name: "Colour and type", Content: Tokens },
  { id: "actions", name: "Actions", Content: Actions },
  { id: "inputs", name: "Inputs", Content: Inputs },
  { id: "overlays", name: "What comes in front", Content: Overlays },
  { id: "states", name: "States", Content: States },
  { id: "lists", name: "Lists and tables", Content: Lists },
  { id: "texts", name: "Text, code and output", Content: Texts },
  { id: "figures", name: "Figures", Content: Figures },
  { id: "panes", name: "Panes and tabs", Content: Panes },
];

export function GalleryPage() {
  useEffect(() => {
    document.title = "Gallery · Signalbox";
  }, []);
  return (
    <main className="mx-auto max-w-6xl px-4 py-8 sm:px-8">
      <header className="mb-8 flex flex-wrap items-center gap-4">
        <Mark size={28} lit />
        <h1 className="flex-1 text-2xl font-semibold">Gallery</h1>
        <ThemeToggle />
        <nav aria-label="Sections" className="flex w-full flex-wrap gap-x-4 gap-y-1">
          {SECTIONS.map(({ id, name }) => (
            <a key={id} href={`#${id}`} className="py-0.5 text-sm text-moving-ink underline underline-offset-2">
              {name}
            </a>
          ))}
        </nav>
      </header>
      <div className="space-y-12">
        {SECTIONS.map(({ id, name, Content }) => (
          <section key={id} id={id} data-section={id} aria-labelledby={`${id}-name`} className="space-y-6">
            <h2 id={`${id}-name`} className="border-b border-line pb-1 text-xl font-semibold">
              {name}
            </h2>
            <Content />
          </section>
        ))}
      </div>
      <Toasts />
      <LiveRegion />
    </main>
  );
}
