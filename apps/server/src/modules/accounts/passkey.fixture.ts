/* A security key in software: makes what a browser would hand over of one (WebAuthn, ES256, attestation "none"). */
import { createHash, createSign, generateKeyPairSync, randomBytes } from "node:crypto";

export interface SecurityKey {
  /** Answers to what the server asks; both are sent as JSON. */
  register(challenge: string): object;
  sign(challenge: string): object;
}

const USER_PRESENT_AND_VERIFIED = 0x05;
const WITH_KEY = 0x40;

export function newSecurityKey(origin: string): SecurityKey {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x, y } = publicKey.export({ format: "jwk" });
  const id = randomBytes(16);
  const rpIdHash = createHash("sha256").update(new URL(origin).hostname).digest();
  let uses = 0;
  const clientDataJSON = (type: string, challenge: string): Buffer =>
    Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false }));
  const counted = (flags: number, rest: Buffer = Buffer.alloc(0)): Buffer => {
    const head = Buffer.alloc(5);
    head.writeUInt8(flags, 0);
    head.writeUInt32BE(++uses, 1);
    return Buffer.concat([rpIdHash, head, rest]);
  };
  const answer = (response: object): object => ({
    id: id.toString("base64url"),
    rawId: id.toString("base64url"),
    type: "public-key",
    clientExtensionResults: {},
    response,
  });
  const text = (bytes: Buffer): string => bytes.toString("base64url");

  return {
    register(challenge) {
      // COSE: {1: EC2, 3: ES256, -1: P-256, -2: x, -3: y}
      const cose = Buffer.concat([
        Buffer.from("a5010203262001215820", "hex"),
        Buffer.from(x!, "base64url"),
        Buffer.from("225820", "hex"),
        Buffer.from(y!, "base64url"),
      ]);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(id.length);
      const authData = counted(USER_PRESENT_AND_VERIFIED | WITH_KEY, Buffer.concat([Buffer.alloc(16), length, id, cose]));
      // CBOR: {"fmt": "none", "attStmt": {}, "authData": bytes of up to 255}
      const attestation = Buffer.concat([
        Buffer.from("a363666d74646e6f6e656761747453746d74a068617574684461746158", "hex"),
        Buffer.from([authData.length]),
        authData,
      ]);
      return answer({
        clientDataJSON: text(clientDataJSON("webauthn.create", challenge)),
        attestationObject: text(attestation),
        transports: [],
      });
    },
    sign(challenge) {
      const clientData = clientDataJSON("webauthn.get", challenge);
      const authData = counted(USER_PRESENT_AND_VERIFIED);
      const signature = createSign("sha256")
        .update(Buffer.concat([authData, createHash("sha256").update(clientData).digest()]))
        .sign(privateKey);
      return answer({ clientDataJSON: text(clientData), authenticatorData: text(authData), signature: text(signature) });
    },
  };
}
