/* One terminal on screen: xterm on a connection. Mounted = connected. */
import type { TerminalView } from "@signalbox/contract/workbench";
import { FitAddon } from "@xterm/addon-fit";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import "./terminal.css";
import { toast } from "@signalbox/ui/toasts";
import { useEffect, useImperativeHandle, useRef, useState, type Ref, type RefObject } from "react";
import { copy } from "../clipboard.ts";
import { connectTerminal, type TerminalConnection, type TerminalStatus } from "./connection.ts";
import { documentForTerminals, withStandIns } from "./styles-by-hand.ts";
import { findIn } from "./terminal-find.ts";
import { onThemeChange, terminalTheme } from "./terminal-theme.ts";

export interface TerminalHandle {
  focus(): void;
  find(words: string, direction: "up" | "down"): boolean;
  copySelection(): void;
  paste(): void;
  /** Whether it looks as if the shell waits for a command: nothing else is known from here. */
  isAtPrompt(): boolean;
}

const SCROLLBACK_LINES = 5_000;
const FIT_AFTER_MS = 60;

export function TerminalScreenView({
  terminal,
  isScreenReader,
  onStatus,
  onTitle,
  takesFocus,
  ref,
}: {
  terminal: Pick<TerminalView, "id" | "cols" | "rows">;
  isScreenReader: boolean;
  onStatus(status: TerminalStatus): void;
  onTitle(title: string): void;
  /** Whether somebody waits to type into it. */
  takesFocus: RefObject<boolean>;
  ref?: Ref<TerminalHandle>;
}) {
  const host = useRef<HTMLDivElement>(null);
  const xterm = useRef<Terminal | null>(null);
  const connection = useRef<TerminalConnection | null>(null);
  const [bell, setBell] = useState(false);
  const told = useRef({ onStatus, onTitle });
  useEffect(() => {
    told.current = { onStatus, onTitle };
  });
  useImperativeHandle(ref, () => ({
    focus() {
      if (xterm.current === null) return;
      takesFocus.current = false;
      xterm.current.focus();
    },
    find: (words, direction) => xterm.current !== null && findIn(xterm.current, words, direction),
    copySelection() {
      const text = xterm.current?.getSelection() ?? "";
      if (text === "") toast("Nothing is selected in the terminal");
      else copy(text, "what is selected");
    },
    isAtPrompt() {
      const buffer = xterm.current?.buffer.active;
      const line = buffer?.getLine(buffer.baseY + buffer.cursorY)?.translateToString(false, 0, buffer.cursorX) ?? "";
      return /[$#%>❯] ?$/.test(line);
    },
    paste() {
      void navigator.clipboard.readText().then(
        (text) => {
          xterm.current?.paste(text);
          xterm.current?.focus();
        },
        () => toast("The browser does not let this page read the clipboard: use its own way to paste", "danger"),
      );
    },
  }));

  const { id } = terminal;
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const standIn = documentForTerminals(document);
    const screen = new Terminal({
      documentOverride: standIn.document,
      cols: terminal.cols,
      rows: terminal.rows,
      scrollback: SCROLLBACK_LINES,
      fontFamily: getComputedStyle(element).fontFamily,
      fontSize: 13,
      lineHeight: 1.25,
      cursorBlink: !window.matchMedia("(prefers-reduced-motion: reduce)").matches,
      theme: terminalTheme(),
      screenReaderMode: isScreenReader,
      macOptionIsMeta: true,
      // What a program calls a link is opened only as what it says it is.
      linkHandler: null,
      minimumContrastRatio: 4.5,
    });
    const fit = new FitAddon();
    screen.loadAddon(fit);
    screen.loadAddon(
      new WebLinksAddon((_event, address) => {
        if (/^https?:\/\//.test(address)) window.open(address, "_blank", "noopener,noreferrer");
      }),
    );
    withStandIns(document, standIn.document, () => screen.open(element));
    xterm.current = screen;
    if (takesFocus.current) screen.focus();
    takesFocus.current = false;

    let resizedByOthers = false;
    const line = connectTerminal(
      id,
      {
        write: (bytes, done) => screen.write(bytes, done),
        reset: () => screen.reset(),
        resized(cols, rows) {
          if (cols === screen.cols && rows === screen.rows) return;
          resizedByOthers = true;
          screen.resize(cols, rows);
          resizedByOthers = false;
        },
      },
      (status) => {
        screen.options.disableStdin = status.isReadOnly || status.phase === "ended";
        told.current.onStatus(status);
      },
    );
    connection.current = line;
    screen.onData((text) => line.send(text));
    screen.onBinary((text) => line.send(text));
    screen.onTitleChange((title) => told.current.onTitle(title));
    screen.onBell(() => {
      setBell(true);
      setTimeout(() => setBell(false), 150);
    });
    screen.onResize(({ cols, rows }) => {
      if (!resizedByOthers) line.resize(cols, rows);
    });
    // The browser's own keys for copying and pasting, where a terminal has no other use for them.
    screen.attachCustomKeyEventHandler((event) => {
      if (event.type !== "keydown" || !event.ctrlKey || !event.shiftKey) return true;
      if (event.code === "KeyC") {
        event.preventDefault();
        if (screen.hasSelection()) copy(screen.getSelection(), "what is selected");
        return false;
      }
      return event.code !== "KeyV";
    });

    let timer: ReturnType<typeof setTimeout> | undefined;
    const refit = (): void => {
      const size = fit.proposeDimensions();
      if (size === undefined || !Number.isFinite(size.cols) || !Number.isFinite(size.rows)) return;
      const [cols, rows] = [Math.max(2, Math.min(500, size.cols)), Math.max(1, Math.min(300, size.rows))];
      screen.resize(cols, rows);
      line.resize(cols, rows);
    };
    const observer = new ResizeObserver(() => {
      clearTimeout(timer);
      timer = setTimeout(refit, FIT_AFTER_MS);
    });
    observer.observe(element);
    // Measured with the wrong font the letters would not fit their cells.
    void document.fonts.ready.then(refit);
    const endTheme = onThemeChange(() => (screen.options.theme = terminalTheme()));
    return () => {
      clearTimeout(timer);
      observer.disconnect();
      endTheme();
      line.close();
      screen.dispose();
      standIn.dispose();
      xterm.current = null;
      connection.current = null;
    };
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- a terminal is connected once; what else changes is applied to it below
  }, [id]);
  useEffect(() => {
    if (xterm.current !== null) xterm.current.options.screenReaderMode = isScreenReader;
  }, [isScreenReader]);
  return (
    <div className={`min-h-0 flex-1 overflow-hidden bg-sunken p-2 ${bell ? "outline-2 -outline-offset-2 outline-moving" : ""}`}>
      <div ref={host} data-takes-keys className="size-full font-mono" />
    </div>
  );
}
