import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { defineConfig, type Plugin, type PluginOption } from "vite";
import { compressed } from "./build/compressed.ts";
import { parts } from "./build/parts.ts";

const CONTRACT = join(import.meta.dirname, "../../packages/contract/src/");

/** In development the API is the server's own (`npm start`, port 4400), so cookies and the socket behave as in the build. */
const server = { target: "http://127.0.0.1:4400", changeOrigin: true };

export default defineConfig({
  root: import.meta.dirname,
  plugins: [
    ...scripts(),
    tailwindcss(),
    parts(join(import.meta.dirname, "src/needs/needs-page.tsx"), scripts),
    serviceWorker(),
    compressed(),
  ],
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

/** What JavaScript is made with. */
function scripts(): PluginOption[] {
  return [react(), contractToCall()];
}

/**
 * The contract as far as the browser needs it. A client calls a route by its method and path and trusts its own
 * server's answer, so a route goes without its schemas, and a schema that nothing checks with goes altogether:
 * zod and the schemas of the first screen's routes were 30 KB of its compressed 205.
 */
function contractToCall(): Plugin {
  const needed = new Set(["id", "method", "path", "upload"]);
  return {
    name: "signalbox:contract-to-call",
    apply: "build",
    transform(code, id) {
      if (!id.startsWith(CONTRACT)) return null;
      const parts: { start: number; end: number; text: string }[] = [];
      for (const statement of this.parse(code).body) {
        const declared = statement.type === "ExportNamedDeclaration" ? statement.declaration : statement;
        if (declared?.type !== "VariableDeclaration") continue;
        for (const { init } of declared.declarations) {
          if (init?.type !== "CallExpression" && init?.type !== "ObjectExpression") continue;
          const { start, end } = init;
          const shape =
            init.type === "CallExpression" && init.callee.type === "Identifier" && init.callee.name === "route" && init.arguments[0];
          if (shape && shape.type === "ObjectExpression") {
            const kept = shape.properties.filter(
              (one) => one.type === "Property" && one.key.type === "Identifier" && needed.has(one.key.name),
            );
            parts.push({ start, end, text: `({ ${kept.map((one) => code.slice(one.start, one.end)).join(", ")} })` });
          } else parts.push({ start, end, text: `/* @__PURE__ */ (() => (${code.slice(start, end)}))()` });
        }
      }
      const reduced = parts.reduceRight((text, { start, end, text: by }) => text.slice(0, start) + by + text.slice(end), code);
      return { code: reduced, moduleSideEffects: false, map: null };
    },
  };
}

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
