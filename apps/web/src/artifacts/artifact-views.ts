/* In which ways an artifact can be shown, the best first. Pure. */

export type ArtifactView = "image" | "report" | "patch" | "json" | "markdown" | "text";

interface Shown {
  readonly name: string;
  readonly media_type: string;
  readonly text: string | null;
}

/** What the server sends as an image to look at; SVG is not among them, because it can do more than be looked at. */
const PICTURE = /^image\/(png|jpeg|gif|webp|avif)$/;

export function viewsOf({ name, media_type: type, text }: Shown, isReport: boolean): readonly ArtifactView[] {
  if (PICTURE.test(type)) return ["image"];
  const views: ArtifactView[] = isReport ? ["report"] : [];
  if (text === null) return views;
  if (/\.(patch|diff)$/i.test(name) || /\bx-(patch|diff)\b/.test(type)) views.push("patch");
  else if (/\bjson\b/.test(type) || /\.json$/i.test(name)) views.push("json");
  else if (/\bmarkdown\b/.test(type) || /\.(md|markdown)$/i.test(name)) views.push("markdown");
  return [...views, "text"];
}

export const languageOf = (name: string): string | undefined => /\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase();
