/* What a preview says itself, when nothing behind it answers. Plain pages: no script but the one that looks again. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

/** On the preview's own host name; the program behind never sees it asked. */
export const PROBE_PATH = "/.well-known/signalbox-preview";

export type Page =
  | { readonly kind: "unknown" }
  | { readonly kind: "gone"; readonly why: "revoked" | "expired" | "session_ended" }
  | { readonly kind: "sleeping" }
  | { readonly kind: "waiting"; readonly port: number }
  | { readonly kind: "broken"; readonly port: number }
  | { readonly kind: "busy" };

interface Words {
  readonly status: number;
  readonly title: string;
  readonly text: string;
  /** Looks again by itself. */
  readonly again: boolean;
}

function wordsOf(page: Page): Words {
  switch (page.kind) {
    case "unknown":
      return { status: 404, title: "There is no such preview", text: "Open the session in Signalbox and make a new one.", again: false };
    case "gone":
      return {
        status: 410,
        title: { revoked: "This preview was closed", expired: "This preview has expired", session_ended: "The session has ended" }[
          page.why
        ],
        text: {
          revoked: "Whoever has the session can open another.",
          expired: "Make a new one in the session: addresses are good for a few hours.",
          session_ended: "Its sandbox is gone, and the preview with it. Resume the session to start it again.",
        }[page.why],
        again: false,
      };
    case "sleeping":
      return {
        status: 503,
        title: "The sandbox is not running",
        text: "This page opens when it is: resume the session, or send it a message.",
        again: true,
      };
    case "waiting":
      return {
        status: 503,
        title: `Nothing listens on port ${page.port}`,
        text: "Start the program inside the sandbox. This page opens as soon as it answers.",
        again: true,
      };
    case "broken":
      return {
        status: 502,
        title: `Port ${page.port} gave no answer`,
        text: "Something listens there, but closed the connection without an HTTP answer. Is it a web server?",
        again: false,
      };
    case "busy":
      return {
        status: 503,
        title: "Too many connections",
        text: "This preview has as many open connections as it may. Close some and reload.",
        again: false,
      };
  }
}

/** The colours of docs/design.md: these pages load nothing of the application's. */
const STYLE = `:root{color-scheme:light dark}*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px;font:15px/1.5 system-ui,sans-serif;background:#f2f0ea;color:#1d1c19}main{max-width:30rem}h1{font-size:1.25rem;line-height:1.3;margin:0 0 .5rem;font-weight:600}p{margin:0;color:#4f4c45}p+p{margin-top:1.25rem;font-size:13px;display:flex;gap:.5rem;align-items:center}i{width:8px;height:8px;border-radius:50%;background:#3a74a8;animation:b 1.6s ease-in-out infinite}@keyframes b{50%{opacity:.25}}@media(prefers-color-scheme:dark){body{background:#141413;color:#eceae4}p{color:#b9b5ab}i{background:#6ea8da}}@media(prefers-reduced-motion:reduce){i{animation:none}}`;
const LOOK_AGAIN = `const look=async()=>{try{const r=await fetch(${JSON.stringify(PROBE_PATH)},{cache:"no-store"});if(r.status!==503)return location.reload()}catch{}setTimeout(look,1000)};setTimeout(look,1000)`;

export function sendPage(request: IncomingMessage, response: ServerResponse, page: Page, frameAncestors: readonly string[]): void {
  const words = wordsOf(page);
  const html = (request.headers.accept ?? "").includes("text/html");
  const nonce = randomBytes(12).toString("base64");
  const body = html ? document(words, nonce) : `${words.title}. ${words.text}\n`;
  response.writeHead(words.status, {
    "content-type": `${html ? "text/html" : "text/plain"}; charset=utf-8`,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "content-security-policy": `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors ${frameAncestors.join(" ")}`,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
    ...(words.again ? { "retry-after": "1" } : {}),
    // Its body was not read.
    connection: "close",
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

export const statusOf = (page: Page): number => wordsOf(page).status;

const document = ({ title, text, again }: Words, nonce: string): string =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">` +
  `${again ? '<noscript><meta http-equiv="refresh" content="3"></noscript>' : ""}<title>${title}</title><style nonce="${nonce}">${STYLE}</style></head>` +
  `<body><main role="status"><h1>${title}</h1><p>${text}</p>${again ? "<p><i></i>Looking every second</p>" : ""}</main>` +
  `${again ? `<script nonce="${nonce}">${LOOK_AGAIN}</script>` : ""}</body></html>\n`;
