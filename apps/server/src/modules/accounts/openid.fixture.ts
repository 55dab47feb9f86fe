/*
 * A real OpenID provider (oidc-provider) on a port, in which everybody is whom the test says, with a
 * thin layer before it that can spoil the identity token on its way out, as a hostile or broken one
 * would. And a name server that answers TXT questions over UDP.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { decode, encode } from "dns-packet";
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import { Provider } from "oidc-provider";

export interface Person {
  readonly sub: string;
  readonly [claim: string]: unknown;
}
export type Spoil = (token: {
  readonly header: Record<string, unknown>;
  readonly claims: Record<string, unknown>;
}) => Promise<string> | string;

export interface TestProvider {
  readonly issuer: string;
  /** Who sits before it. */
  who: Person;
  /** What becomes of the next identity tokens; null: they pass as they are. */
  spoil: Spoil | null;
  sign(claims: Record<string, unknown>, header?: { readonly kid?: string }): Promise<string>;
  /** A new signing key takes the old one's place. */
  rotate(): Promise<void>;
  close(): Promise<void>;
}

async function newKey(kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg: "RS256", use: "sig" };
}

export async function startProvider(client: {
  readonly id: string;
  readonly secret: string;
  readonly redirectUri: string;
}): Promise<TestProvider> {
  let key = await newKey("first");
  let answer: (request: IncomingMessage, response: ServerResponse) => unknown = () => undefined;
  const server: Server = createServer((request, response) => void serve(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  /** By their subject: somebody may come back for their tokens after another has signed in. */
  const cameBefore = new Map<string, Person>();
  const self: TestProvider = {
    issuer,
    who: { sub: "nobody" },
    spoil: null,
    sign: async (claims, { kid = key.kid! } = {}) =>
      new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid }).sign(await importJWK(key, "RS256")),
    async rotate() {
      key = await newKey(`key-${Date.now()}`);
      answer = providerWith(key);
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };

  function providerWith(signing: JWK): typeof answer {
    const provider = new Provider(issuer, {
      clients: [{ client_id: client.id, client_secret: client.secret, redirect_uris: [client.redirectUri] }],
      jwks: { keys: [signing] },
      claims: { email: ["email", "email_verified"], profile: ["name", "groups"] },
      features: { devInteractions: { enabled: false } },
      interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
      findAccount: (_context, sub) => ({
        accountId: sub,
        claims: async () => ({ ...(self.who.sub === sub ? self.who : (cameBefore.get(sub) ?? self.who)), sub }),
      }),
      async loadExistingGrant(context) {
        const grant = new context.oidc.provider.Grant({
          clientId: context.oidc.client!.clientId,
          accountId: context.oidc.session!.accountId!,
        });
        grant.addOIDCScope("openid email profile");
        await grant.save();
        return grant;
      },
    });
    const callback = provider.callback();
    return async (request, response) => {
      if (request.url?.startsWith("/interaction/") === true) {
        cameBefore.set(self.who.sub, self.who);
        await provider.interactionFinished(request, response, { login: { accountId: self.who.sub } });
      } else await callback(request, response);
    };
  }
  answer = providerWith(key);

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (self.spoil === null || request.url !== "/token") return void (await answer(request, response));
    const spoil = self.spoil;
    const end = response.end.bind(response);
    response.end = ((chunk: unknown) => {
      const body = JSON.parse(String(chunk)) as { id_token: string };
      const [header, claims] = body.id_token
        .split(".")
        .map((part, i) => (i < 2 ? (JSON.parse(Buffer.from(part, "base64url").toString()) as Record<string, unknown>) : {}));
      void Promise.resolve(spoil({ header: header!, claims: claims! })).then((id_token) => {
        const text = JSON.stringify({ ...body, id_token });
        response.setHeader("content-length", Buffer.byteLength(text));
        end(text);
      });
      return response;
    }) as never;
    await answer(request, response);
  }
  return self;
}

/** Goes where the browser is sent, keeping the provider's cookies, until it is sent back to us. */
export async function throughProvider(url: string, issuer: string): Promise<URL> {
  const jar = new Map<string, string>();
  let at = new URL(url);
  for (let step = 0; step < 10; step++) {
    if (at.origin !== issuer) return at;
    const answer = await fetch(at, {
      redirect: "manual",
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") },
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [name, value] = cookie.split(";")[0]!.split(/=(.*)/s);
      jar.set(name!, value!);
    }
    const next = answer.headers.get("location");
    if (next === null) throw new Error(`the provider stopped at ${at.pathname}: ${answer.status} ${(await answer.text()).slice(0, 300)}`);
    at = new URL(next, at);
  }
  throw new Error("the provider goes round in circles");
}

export interface NameServer {
  readonly address: string;
  readonly records: Map<string, readonly string[]>;
  close(): void;
}
export async function startNameServer(): Promise<NameServer> {
  const records = new Map<string, readonly string[]>();
  const socket: Socket = createSocket("udp4");
  socket.on("message", (message, from) => {
    const { id, questions } = decode(message);
    const name = questions?.[0]?.name ?? "";
    const found = records.get(name.toLowerCase());
    const answer = encode({
      type: "response",
      id: id ?? 0,
      flags: found === undefined ? 0x8400 | 3 : 0x8400,
      questions: questions ?? [],
      // In two parts, as long ones are sent.
      answers: (found ?? []).map((text) => ({ type: "TXT" as const, name, ttl: 0, data: [text.slice(0, 10), text.slice(10)] })),
    });
    socket.send(answer, from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { address: `127.0.0.1:${socket.address().port}`, records, close: () => socket.close() };
}
