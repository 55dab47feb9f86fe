/*
 * What is served beside the contract's routes: the web app and `/openapi.json`.
 *
 * Files under /assets carry a hash of their content in their name and never change; everything
 * else is the app's one page, which is asked for anew each time.
 */
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyInstance, FastifyReply } from "fastify";

/** No inline scripts, nothing from elsewhere. Styles: component libraries set style attributes. */
const contentSecurityPolicy = (frameSource: string, gateway: readonly string[]): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    // Sockets go to the gateway where that is another process.
    ["connect-src 'self'", ...gateway].join(" "),
    "manifest-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    // Previews of what runs in sandboxes, each on a host name of its own.
    `frame-src ${frameSource}`,
  ].join("; ");

export interface WebOptions {
  /** `apps/web/dist`. */
  readonly directory: string;
  readonly openApi: string;
  /** What the app may show in a frame; asked at each answer, since the port is known once the server listens. */
  readonly frameSource: () => string;
  /** Of a split installation: where its gateway is reached. */
  readonly gatewayUrl?: string | undefined;
}

export async function serveWeb(app: FastifyInstance, { directory, openApi, frameSource, gatewayUrl }: WebOptions): Promise<void> {
  const gateway = gatewayUrl === undefined ? [] : [new URL(gatewayUrl).origin, new URL(gatewayUrl).origin.replace(/^http/, "ws")];
  app.get("/openapi.json", { config: { operation: "openapi" } }, async (_request, reply) => {
    const text = await readFile(openApi, "utf8");
    return reply.header("content-type", "application/json; charset=utf-8").header("cache-control", "no-cache").send(text);
  });

  const index = path.join(directory, "index.html");
  if (!(await isFile(index))) {
    app.get("/", async (_request, reply) =>
      reply
        .status(503)
        .header("content-type", "text/plain; charset=utf-8")
        .send("The web app has not been built. Run `npm start`, which builds it, and reload.\n"),
    );
    return;
  }
  await app.register(async (web) => {
    web.addHook("onRequest", async ({ headers }) => {
      headers["accept-encoding"] = encodingFor(headers["accept-encoding"]);
    });
    await web.register(fastifyStatic, {
      root: directory,
      index: false,
      wildcard: false,
      // The build puts them beside their files: they are sent instead of those, and are none themselves.
      preCompressed: true,
      globIgnore: ["**/*.{br,gz}"],
      decorateReply: true,
      cacheControl: false,
      setHeaders(reply, file) {
        const hashed = file.startsWith(path.join(directory, "assets") + path.sep);
        reply.header("cache-control", hashed ? "public, max-age=31536000, immutable" : "no-cache");
        reply.header("content-security-policy", contentSecurityPolicy(frameSource(), gateway));
      },
    });
    const page = (reply: FastifyReply) => reply.sendFile("index.html");
    web.get("/", { config: { operation: "web" } }, (_request, reply) => page(reply));
    // Every other address without a dot is a place in the app; the API's own unknown ones stay 404.
    web.get("/*", { config: { operation: "web" } }, (request, reply) => {
      const { pathname } = new URL(request.url, "http://signalbox.invalid");
      if (/^\/(v1|llm|internal)(\/|$)/.test(pathname) || /\.[a-z0-9]+$/i.test(pathname)) return reply.callNotFound();
      return page(reply);
    });
  });
}

/**
 * The one encoding that `accept-encoding` likes best, of those that there are; between equals the smaller. The plugin's
 * own reading takes `*` for gzip also where gzip is excluded, and never prefers what is not encoded.
 */
function encodingFor(accepted = ""): "br" | "gzip" | "identity" {
  const weights = new Map(
    accepted
      .toLowerCase()
      .split(",")
      .map((each) => {
        const [name = "", ...parameters] = each.split(";").map((part) => part.trim());
        const weight = parameters.find((one) => one.startsWith("q="));
        return [name, weight === undefined ? 1 : Number(weight.slice(2)) || 0] as const;
      }),
  );
  const weightOf = (name: string): number => weights.get(name) ?? weights.get("*") ?? 0;
  const [br, gzip, identity] = [weightOf("br"), weightOf("gzip"), weights.get("identity") ?? 0];
  const best = Math.max(br, gzip, identity);
  if (best === 0) return "identity";
  return br === best ? "br" : gzip === best ? "gzip" : "identity";
}

async function isFile(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile();
  } catch {
    return false; // Not there is an answer, not a failure.
  }
}
