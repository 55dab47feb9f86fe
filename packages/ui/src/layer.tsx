/*
 * Where floating parts are put. A modal dialog is in the browser's top layer and everything outside it
 * is inert, so a menu or a tooltip that belongs to something in a dialog has to be inside that dialog.
 */
import { createContext, useContext } from "react";

export const Layer = createContext<HTMLElement | null>(null);

/** The `container` of a Radix portal: the dialog around, else the page. */
export const useLayer = (): HTMLElement | null => useContext(Layer);

/** How everything that floats looks. */
export const floatingLook = "soft-shadow appearing z-40 rounded-md border border-line bg-raised text-ink";
