import type { ReactNode } from "react";
import { CopyButton } from "@signalbox/ui/copy-button";
import { Threshold } from "./threshold.tsx";

const COMMANDS = [
  { command: "npm start", says: "starts Signalbox from a checkout and prints a link" },
  { command: "signalbox up", says: "the same, where it is installed" },
];

/** Nobody is signed in here, and what to do about it. */
export function SignedOut({ title = "You are signed out", children }: { title?: string; children?: ReactNode }) {
  return (
    <Threshold title={title}>
      {children ?? (
        <p className="text-ink-2">This box has one door: the login link that it prints when it starts. There is no password to remember.</p>
      )}
      <p className="text-ink-2">On the machine where it runs, print a new link:</p>
      <ul className="space-y-2">
        {COMMANDS.map(({ command, says }) => (
          <li key={command} className="rounded-md border border-line bg-sunken py-1.5 pr-1.5 pl-3">
            <div className="flex items-center justify-between">
              <code>{command}</code>
              <CopyButton text={command} label={`Copy ${command}`} />
            </div>
            <p className="text-sm text-ink-3">{says}</p>
          </li>
        ))}
      </ul>
    </Threshold>
  );
}
