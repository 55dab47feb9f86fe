import { toast } from "@signalbox/ui/toasts";

/** Puts `text` on the clipboard and says what was copied. */
export function copy(text: string, what: string): void {
  void navigator.clipboard.writeText(text).then(
    () => toast(`Copied ${what}`),
    () => toast("The browser does not let this page copy", "danger"),
  );
}
