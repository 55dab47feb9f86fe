/*
 * The way of a request below /api/auth that is no route of the contract: counted, and handed to
 * better-auth if its path is open. Its answers are passed on as they are, except those that would tell
 * a stranger whether an address has an account.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { errorBody } from "../../http/refusal.ts";
import { LIMITS } from "./attempts.ts";
import { isOpen } from "./auth.ts";
import { normalEmail } from "./email.ts";
import type { AccountParts } from "./public.ts";

const PREFIX = "/api/auth";

export async function serveAccounts(app: FastifyInstance, parts: AccountParts): Promise<void> {
  app.route({
    method: ["GET", "POST"],
    url: `${PREFIX}/*`,
    config: { operation: "auth.gateway" },
    handler: (request, reply) => pass(parts, request, reply),
  });
}

async function pass(parts: AccountParts, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const url = new URL(request.url, parts.publicUrl());
  const path = url.pathname.slice(PREFIX.length);
  const refuse = (status: number, code: string, message: string, fix: string): FastifyReply =>
    reply.status(status).send(errorBody(code, message, request.id, { fix }));
  if (!parts.isOn || !isOpen(request.method, path))
    return refuse(404, "not_found", `There is no ${request.method} ${url.pathname}.`, "GET /openapi.json lists what there is.");
  if (!(await parts.attempts.take(LIMITS.address, request.ip))) return refuse(429, "rate_limited", "Too many tries.", "Wait a minute.");

  const body = isObject(request.body) ? { ...request.body } : undefined;
  if (typeof body?.["email"] === "string") {
    const email = normalEmail(body["email"]);
    if (email === null)
      return refuse(422, "email_invalid", "That is not an e-mail address that is accepted here.", "Write it like name@example.com.");
    const limit = path === "/sign-in/email" ? LIMITS.password : LIMITS.sendCode;
    if (!(await parts.attempts.take(limit, `${path} ${email}`))) return refuse(429, "rate_limited", "Too many tries.", "Wait a minute.");
    body["email"] = email;
  }
  const auth = await parts.auth();
  if (path === "/sign-up/email") return signUp(parts, body ?? {}, request, reply);
  const response = await auth.handler(webRequest(url, request, body));
  return answer(reply, response);
}

/** One answer for an address that may sign up, one that may not, and one that has. What happens is in the mail. */
async function signUp(parts: AccountParts, body: Record<string, unknown>, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const { email, password, name } = body;
  if (typeof email !== "string" || typeof password !== "string" || password.length < 12 || password.length > 200)
    return reply.status(422).send(
      errorBody("invalid_request", "An address and a password of 12 to 200 characters are needed.", request.id, {
        fix: "Choose a longer one.",
      }),
    );
  const auth = await parts.auth();
  if (await parts.mayRegister(email)) {
    const url = new URL(`${PREFIX}/sign-up/email`, parts.publicUrl());
    await auth.handler(webRequest(url, request, { email, password, name: typeof name === "string" ? name : "", callbackURL: "/" }));
  } else {
    // As much work as for one that may.
    await (await auth.$context).password.hash(password);
  }
  return reply.status(200).send({ ok: true, status: "check-your-mail" });
}

function webRequest(url: URL, request: FastifyRequest, body: Record<string, unknown> | undefined): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined && name !== "content-length" && name !== "x-signalbox-peer")
      headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  headers.set("x-signalbox-peer", request.ip);
  return new Request(url, {
    method: request.method,
    headers,
    ...(request.method === "POST" ? { body: JSON.stringify(body ?? {}) } : {}),
  });
}

async function answer(reply: FastifyReply, response: Response): Promise<unknown> {
  reply.status(response.status);
  for (const [name, value] of response.headers) if (name !== "set-cookie") reply.header(name, value);
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) reply.header("set-cookie", cookies);
  reply.header("cache-control", "no-store");
  return reply.send(Buffer.from(await response.arrayBuffer()));
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
