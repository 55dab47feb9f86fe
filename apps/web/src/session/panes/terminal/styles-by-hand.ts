/*
 * xterm writes <style> elements and style attributes, which our Content-Security-Policy refuses. It is given a document
 * of its own: the page's, whose `createElement("style")` makes a stand-in that puts the same rules into a constructed
 * style sheet. A style attribute (colours that are no palette's) goes through the style object instead: the part that
 * sets it takes the window's document whatever it is given, so while a terminal is open spans do it for everybody.
 * Both ways are allowed, because no text of a page becomes a style.
 */

/** The page's document as a terminal sees it. Rules go into sheets of `root`'s until `dispose`. */
export function documentForTerminals(page: Document): { readonly document: Document; dispose(): void } {
  const sheets = new Set<CSSStyleSheet>();
  const drop = (sheet: CSSStyleSheet): void => {
    sheets.delete(sheet);
    page.adoptedStyleSheets = page.adoptedStyleSheets.filter((each) => each !== sheet);
  };

  function styleElement(): HTMLElement {
    const sheet = new CSSStyleSheet();
    sheets.add(sheet);
    page.adoptedStyleSheets.push(sheet);
    const element = page.createElement("span");
    element.hidden = true;
    let text = "";
    Object.defineProperty(element, "textContent", {
      get: () => text,
      set(css: string) {
        text = css;
        sheet.replaceSync(css);
      },
    });
    element.remove = () => {
      drop(sheet);
      HTMLElement.prototype.remove.call(element);
    };
    return element;
  }

  const createElement = (name: string, options?: ElementCreationOptions): HTMLElement =>
    name === "style" ? styleElement() : page.createElement(name, options);

  const document = new Proxy(page, {
    get(target, name) {
      if (name === "createElement") return createElement;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
  const endAttributes = styleAttributesByHand();
  return {
    document,
    dispose: () => {
      endAttributes();
      for (const sheet of sheets) drop(sheet);
    },
  };
}

let terminals = 0;
function styleAttributesByHand(): () => void {
  if (terminals++ === 0) {
    HTMLSpanElement.prototype.setAttribute = function (this: HTMLSpanElement, name: string, value: string) {
      if (name === "style") this.style.cssText = value;
      else Element.prototype.setAttribute.call(this, name, value);
    };
  }
  return () => {
    if (--terminals === 0) Reflect.deleteProperty(HTMLSpanElement.prototype, "setAttribute");
  };
}

/**
 * Runs `open` while the page's own `createElement` makes the stand-ins too: one part of xterm (its viewport) asks the
 * window for the document. Synchronous, so nothing else of the page runs meanwhile.
 */
export function withStandIns(page: Document, standIn: Document, open: () => void): void {
  const make = standIn.createElement;
  // `make` itself asks the page, which has the real one on its prototype.
  let isInside = false;
  Object.defineProperty(page, "createElement", {
    configurable: true,
    value: (name: string, options?: ElementCreationOptions) => {
      if (isInside || name !== "style") return Document.prototype.createElement.call(page, name, options);
      isInside = true;
      try {
        return make(name, options);
      } finally {
        isInside = false;
      }
    },
  });
  try {
    open();
  } finally {
    Reflect.deleteProperty(page, "createElement");
  }
}
