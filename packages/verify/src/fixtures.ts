/* A small log written by hand with node:crypto alone, so that the verifier is not judged by itself. */
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { keyId, checkpointText, signedNote, type VerifierKey } from "./note.ts";
import { nodePrimitives } from "./node.ts";
import { rootOf, type StreamHead } from "./merkle.ts";

const sha256 = (...parts: (Buffer | string)[]): Buffer => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();

export const ORGANIZATION = "ws_dev";

export interface Signer {
  readonly key: VerifierKey;
  readonly privateKey: KeyObject;
}

export async function newSigner(name = `signalbox/${ORGANIZATION}`): Promise<Signer> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = new Uint8Array(publicKey.export({ format: "der", type: "spki" }).subarray(-32));
  return { privateKey, key: { name, id: await keyId(nodePrimitives, name, raw), publicKey: raw } };
}

export class LogBuilder {
  readonly lines: string[] = [
    JSON.stringify({ kind: "header", format: "signalbox-export/1", organization_id: ORGANIZATION, complete: true }),
  ];
  readonly heads = new Map<string, { seq: number; hash: Buffer }>();
  private readonly versions = new Map<string, number>();
  private events = 0;
  private checkpoints = 0;

  /** `other`: what its header says instead of what is so. */
  append(stream: string, type: string, data: object, subject = "thing:1", other: object = {}): string {
    const [streamType = "", streamId = ""] = stream.split(":");
    const head = this.heads.get(stream) ?? { seq: 0, hash: Buffer.alloc(32) };
    const seq = head.seq + 1;
    const version = (this.versions.get(subject) ?? 0) + 1;
    this.versions.set(subject, version);
    const salt = randomBytes(32);
    const text = JSON.stringify(data);
    const event_id = `00000000-0000-7000-8000-${String(this.events).padStart(12, "0")}`;
    // In the order of RFC 8785, as the log writes it.
    const header = JSON.stringify({
      correlation_id: "cor_1",
      data_hash: `sha256:${sha256(salt, text).toString("hex")}`,
      event_id,
      ...(this.events % 2 === 0 ? { idempotency_key: "key 1" } : {}),
      occurred_at: "2030-01-01T12:00:00.000Z",
      organization_id: ORGANIZATION,
      principal: { id: "usr_owner", type: "user" },
      redaction: "none",
      ...(streamType === "room" ? { room_id: streamId } : {}),
      stream: { id: streamId, type: streamType },
      subject,
      subject_version: version,
      type,
      version: 1,
      zone: "supervised",
      ...other,
    });
    const place = Buffer.alloc(8);
    place.writeBigUInt64BE(BigInt(seq));
    const hash = sha256(Buffer.of(1), head.hash, place, sha256(Buffer.of(0), header));
    this.events++;
    this.lines.push(
      JSON.stringify({
        kind: "event",
        position: this.events,
        stream: { type: streamType, id: streamId },
        seq,
        recorded_at: "2030-01-01T12:00:00.000Z",
        header,
        data: text,
        salt: salt.toString("base64"),
        prev_hash: `sha256:${head.hash.toString("hex")}`,
        hash: `sha256:${hash.toString("hex")}`,
      }),
    );
    this.heads.set(stream, { seq, hash });
    return event_id;
  }

  async checkpoint(signer: Signer): Promise<void> {
    const heads: StreamHead[] = [...this.heads].map(([stream, { seq, hash }]) => ({ stream, seq, hash: `sha256:${hash.toString("hex")}` }));
    const text = checkpointText({
      origin: `signalbox/${ORGANIZATION}`,
      streams: heads.length,
      rootHash: await rootOf(nodePrimitives, heads),
      position: this.events,
      time: "2030-01-01T12:00:00.000Z",
    });
    this.lines.push(
      JSON.stringify({ kind: "checkpoint", note: signedNote(text, signer.key, sign(null, Buffer.from(text), signer.privateKey)), heads }),
    );
    this.checkpoints++;
  }

  end(): string[] {
    return [...this.lines, JSON.stringify({ kind: "end", events: this.events, checkpoints: this.checkpoints })];
  }
}
