import { getAdminStatus } from "@signalbox/contract/admin";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Keyboard, LogOut, OctagonX, Palette, ServerCog, SlidersHorizontal } from "lucide-react";
import type { ReactElement } from "react";
import { client } from "../data/api.ts";
import { signOut } from "../offline/sign-out.ts";
import { DropdownMenu } from "@signalbox/ui/dropdown-menu";

export function AccountMenu({ trigger, onHelp }: { trigger: ReactElement; onHelp(): void }) {
  const navigate = useNavigate();
  // Others are answered as if there were no such thing.
  const { isSuccess: isOperator } = useQuery({
    queryKey: ["admin-status"],
    queryFn: ({ signal }) => client.call(getAdminStatus, { signal }),
    retry: false,
    staleTime: 60_000,
  });
  return (
    <DropdownMenu
      defaultOpen
      trigger={trigger}
      entries={[
        { label: "Settings", icon: <SlidersHorizontal size={16} />, keys: "g ,", onSelect: () => void navigate({ to: "/settings" }) },
        { label: "Appearance", icon: <Palette size={16} />, onSelect: () => void navigate({ to: "/settings/appearance" }) },
        { label: "Keyboard", icon: <Keyboard size={16} />, keys: "?", onSelect: onHelp },
        { label: "Kill switch", icon: <OctagonX size={16} />, onSelect: () => void navigate({ to: "/settings" }) },
        ...(isOperator ? [{ label: "Installation", icon: <ServerCog size={16} />, onSelect: () => void navigate({ to: "/admin" }) }] : []),
        { kind: "separator" },
        { label: "Sign out", icon: <LogOut size={16} />, onSelect: () => void signOut() },
      ]}
    />
  );
}
