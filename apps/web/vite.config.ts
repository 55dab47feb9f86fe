import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { defineConfig, type Plugin } from "vite";

/** In development the API is the server's own (`npm start`, port 4400), so cookies and the socket behave as in the build. */
const server = { target: "http://127.0.0.1:4400", changeOrigin: true };

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), tailwindcss(), serviceWorker()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2024",
    manifest: true,
    // Inlined fonts or icons would need `data:` in the Content-Security-Policy.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: { host: "127.0.0.1", proxy: { "/v1": { ...server, ws: true } } },
});

/** Beyond this a part is kept when it is first used: a terminal or a highlighter is not what an app needs to open. */
const SHELL_PART_BYTES = 120_000;
const BESIDE = ["/", "/theme.js", "/icon.svg", "/icon-lit.svg", "/icon-192.png", "/manifest.webmanifest"];

/** Writes /sw.js with the names of this build: the entry and what it needs at once, whatever its size, and every small part. */
function serviceWorker(): Plugin {
  return {
    name: "signalbox:service-worker",
    apply: "build",
    async generateBundle(_options, bundle) {
      const parts = Object.values(bundle);
      const chunks = new Map(parts.flatMap((part) => (part.type === "chunk" ? [[part.fileName, part]] : [])));
      const first = new Set<string>();
      const need = (name: string): void => {
        const chunk = chunks.get(name);
        if (chunk === undefined || first.has(name)) return;
        first.add(name);
        chunk.imports.forEach(need);
      };
      for (const chunk of chunks.values()) if (chunk.isEntry) need(chunk.fileName);
      const kept = parts
        .filter((part) => part.fileName.startsWith("assets/"))
        .filter((part) => {
          if (part.type === "chunk") return first.has(part.fileName) || part.code.length <= SHELL_PART_BYTES;
          return /\.(css|woff2)$/.test(part.fileName);
        })
        .map((part) => `/${part.fileName}`)
        .sort();
      const shell = [...BESIDE, ...kept];
      const source = await readFile(join(import.meta.dirname, "src/push/service-worker.js"), "utf8");
      const build = createHash("sha256").update(shell.join("\n")).update(source).digest("hex").slice(0, 12);
      this.emitFile({
        type: "asset",
        fileName: "sw.js",
        source: source.replaceAll("__SHELL__", JSON.stringify(shell)).replaceAll("__BUILD__", JSON.stringify(build)),
      });
    },
  };
}
