/*
 * A push service and the browser behind it: takes notes as RFC 8030 says, checks who sent them (RFC 8292)
 * and opens them with the browser's keys (RFC 8291, RFC 8188).
 */
import { createDecipheriv, createECDH, createPublicKey, hkdfSync, randomBytes, verify } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface ReceivedNote {
  readonly payload: {
    title: string;
    body: string;
    url: string;
    tag: string;
    kind: string;
    approval_id?: string;
    actions: { action: string }[];
  };
  readonly ttl: number;
  readonly urgency: string | undefined;
  readonly topic: string | undefined;
  readonly claims: { aud: string; exp: number; sub: string };
}
export interface PushService {
  readonly origin: string;
  /** What the next posts are answered with, first come first; then 201. */
  readonly answers: number[];
  readonly notes: ReceivedNote[];
  /** Posts that came, whatever was answered. */
  readonly posts: number;
  /** A new browser, as its `PushSubscription.toJSON()` says. */
  subscribe(): { endpoint: string; keys: { p256dh: string; auth: string } };
  close(): Promise<void>;
}

/** `publicKey`: the only server key that it takes notes from. */
export async function startPushService(publicKey: () => string): Promise<PushService> {
  const browsers = new Map<string, { open(body: Buffer): Buffer }>();
  const answers: number[] = [];
  const notes: ReceivedNote[] = [];
  let posts = 0;

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      posts++;
      const status = answers.shift() ?? 201;
      if (status >= 300) return void response.writeHead(status).end();
      const browser = browsers.get(request.url ?? "");
      if (browser === undefined) return void response.writeHead(404).end();
      const claims = vapidClaims(request.headers.authorization ?? "", publicKey(), origin);
      if (claims === null) return void response.writeHead(403).end();
      const { ttl, urgency, topic } = request.headers;
      notes.push({
        payload: JSON.parse(browser.open(Buffer.concat(chunks)).toString("utf8")) as ReceivedNote["payload"],
        ttl: Number(ttl),
        urgency: urgency as string | undefined,
        topic: topic as string | undefined,
        claims,
      });
      response.writeHead(201).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    origin,
    answers,
    notes,
    get posts() {
      return posts;
    },
    subscribe() {
      const ecdh = createECDH("prime256v1");
      const own = ecdh.generateKeys();
      const auth = randomBytes(16);
      const path = `/push/${randomBytes(12).toString("hex")}`;
      browsers.set(path, { open: (body) => opened(body, ecdh, own, auth) });
      return { endpoint: `${origin}${path}`, keys: { p256dh: own.toString("base64url"), auth: auth.toString("base64url") } };
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function opened(body: Buffer, ecdh: ReturnType<typeof createECDH>, own: Buffer, auth: Buffer): Buffer {
  const salt = body.subarray(0, 16);
  const idLength = body.readUInt8(20);
  const theirs = body.subarray(21, 21 + idLength);
  const sealed = body.subarray(21 + idLength);
  const derived = (key: Buffer, use: Buffer, info: Buffer, length: number): Buffer =>
    Buffer.from(hkdfSync("sha256", key, use, info, length));
  const shared = derived(ecdh.computeSecret(theirs), auth, Buffer.concat([Buffer.from("WebPush: info\0"), own, theirs]), 32);
  const key = derived(shared, salt, Buffer.from("Content-Encoding: aes128gcm\0"), 16);
  const nonce = derived(shared, salt, Buffer.from("Content-Encoding: nonce\0"), 12);
  const decipher = createDecipheriv("aes-128-gcm", key, nonce).setAuthTag(sealed.subarray(-16));
  const plain = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
  // The last record ends with a 2 and then padding.
  return plain.subarray(0, plain.lastIndexOf(2));
}

/** Null: not signed by that key, for another service, or over. */
function vapidClaims(header: string, publicKey: string, origin: string): ReceivedNote["claims"] | null {
  const [, token = "", key = ""] = /^vapid t=([\w.-]+), ?k=([\w-]+)$/.exec(header) ?? [];
  const [head = "", claims = "", signature = ""] = token.split(".");
  if (key !== publicKey) return null;
  const point = Buffer.from(key, "base64url");
  const jwk = { kty: "EC", crv: "P-256", x: point.subarray(1, 33).toString("base64url"), y: point.subarray(33).toString("base64url") };
  const isSigned = verify(
    "sha256",
    Buffer.from(`${head}.${claims}`),
    { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" },
    Buffer.from(signature, "base64url"),
  );
  if (!isSigned) return null;
  const said = JSON.parse(Buffer.from(claims, "base64url").toString("utf8")) as ReceivedNote["claims"];
  return said.aud === origin && said.exp > Date.now() / 1000 && said.exp < Date.now() / 1000 + 24 * 3600 + 60 ? said : null;
}
