/* What a menu holds, as data, so that the one under a button and the one under the right hand show the same. */
import { Check } from "lucide-react";
import type { ContextMenu, DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import { KeyHint } from "./key-hint.tsx";
import { floatingLook } from "./layer.tsx";

export type MenuEntry =
  | {
      readonly kind?: "item";
      readonly label: string;
      readonly icon?: ReactNode;
      /** The key that does the same. */
      readonly keys?: string;
      readonly hint?: string;
      readonly tone?: "plain" | "danger";
      readonly disabled?: boolean;
      onSelect(): void;
    }
  | {
      readonly kind: "check";
      readonly label: string;
      readonly checked: boolean;
      readonly disabled?: boolean;
      onChange(checked: boolean): void;
    }
  | { readonly kind: "heading"; readonly label: string }
  | { readonly kind: "separator" };

export const menuLook = `${floatingLook} min-w-48 max-w-80 overflow-y-auto p-1 text-sm`;
const itemLook =
  "flex min-h-8 cursor-pointer items-center gap-2.5 rounded-sm px-2.5 py-1 outline-none data-[disabled]:cursor-not-allowed data-[disabled]:opacity-50 data-[highlighted]:bg-chosen";

export function MenuEntries({ entries, of }: { entries: readonly MenuEntry[]; of: typeof DropdownMenu | typeof ContextMenu }) {
  return entries.map((entry, i) => {
    switch (entry.kind) {
      case "separator":
        return <of.Separator key={i} className="my-1 h-px bg-line" />;
      case "heading":
        return (
          <of.Label key={i} className="plate px-2.5 pt-2 pb-1">
            {entry.label}
          </of.Label>
        );
      case "check":
        return (
          <of.CheckboxItem
            key={i}
            checked={entry.checked}
            onCheckedChange={entry.onChange}
            disabled={entry.disabled === true}
            className={itemLook}
          >
            <span className="flex size-4 items-center">
              <of.ItemIndicator>
                <Check size={16} />
              </of.ItemIndicator>
            </span>
            {entry.label}
          </of.CheckboxItem>
        );
      default:
        return (
          <of.Item
            key={i}
            onSelect={entry.onSelect}
            disabled={entry.disabled === true}
            className={`${itemLook} ${entry.tone === "danger" ? "text-danger-ink data-[highlighted]:bg-danger-wash" : ""}`}
          >
            {entry.icon !== undefined && (
              <span aria-hidden className="flex size-4 shrink-0 items-center justify-center">
                {entry.icon}
              </span>
            )}
            <span className="min-w-0 flex-1">
              <span className="block">{entry.label}</span>
              {entry.hint !== undefined && <span className="block text-ink-3">{entry.hint}</span>}
            </span>
            {entry.keys !== undefined && <KeyHint keys={entry.keys} />}
          </of.Item>
        );
    }
  });
}
