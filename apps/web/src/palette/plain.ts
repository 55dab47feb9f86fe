/** What is found is shown in one line: without the marks of Markdown, which say nothing there. */
export const plain = (text: string): string =>
  text
    .replace(/```[a-z0-9-]*/gi, " ")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/(\*\*|__|`)(?=\S)([^]*?\S)\1/g, "$2")
    .replace(/\s+/g, " ")
    .trim();
