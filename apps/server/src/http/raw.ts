import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";

/** Hands everything below a path to a handler of plain `http` messages, body unread; host and rate checks stay in front. */
export async function serveRaw(
  app: FastifyInstance,
  prefix: string,
  operation: string,
  handler: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<void> {
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
    scope.all(`${prefix}/*`, { config: { operation } }, async (request, reply) => {
      reply.hijack();
      await handler(request.raw, reply.raw);
      return reply;
    });
  });
}
