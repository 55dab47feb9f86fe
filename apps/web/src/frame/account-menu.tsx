import { useNavigate } from "@tanstack/react-router";
import { Keyboard, LogOut, OctagonX, Palette, SlidersHorizontal } from "lucide-react";
import type { ReactElement } from "react";
import { signOut } from "../offline/sign-out.ts";
import { DropdownMenu } from "@signalbox/ui/dropdown-menu";

export function AccountMenu({ trigger, onHelp }: { trigger: ReactElement; onHelp(): void }) {
  const navigate = useNavigate();
  return (
    <DropdownMenu
      defaultOpen
      trigger={trigger}
      entries={[
        { label: "Settings", icon: <SlidersHorizontal size={16} />, keys: "g ,", onSelect: () => void navigate({ to: "/settings" }) },
        { label: "Appearance", icon: <Palette size={16} />, onSelect: () => void navigate({ to: "/settings/appearance" }) },
        { label: "Keyboard", icon: <Keyboard size={16} />, keys: "?", onSelect: onHelp },
        { label: "Kill switch", icon: <OctagonX size={16} />, onSelect: () => void navigate({ to: "/settings" }) },
        { kind: "separator" },
        { label: "Sign out", icon: <LogOut size={16} />, onSelect: () => void signOut() },
      ]}
    />
  );
}
