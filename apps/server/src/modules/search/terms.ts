/** Words of a query as the index has them: letters and digits; at most eight, as nobody means more. */
export function termsOf(q: string): string[] {
  return (q.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []).slice(0, 8);
}

const LENGTH = 160;

/** Plain text around the first word that matches. */
export function snippetOf(body: string, terms: readonly string[]): string {
  const text = body.replaceAll(/\s+/g, " ").trim();
  const lower = text.toLowerCase();
  const at = Math.min(...terms.map((term) => lower.indexOf(term)).filter((found) => found >= 0), Number.POSITIVE_INFINITY);
  const from = Number.isFinite(at) ? Math.max(0, at - 40) : 0;
  const cut = text.slice(from, from + LENGTH);
  return `${from > 0 ? "…" : ""}${cut}${from + LENGTH < text.length ? "…" : ""}`;
}
