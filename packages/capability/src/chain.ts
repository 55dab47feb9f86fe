/*
 * A capability's token: signed blocks, each by the key that the one before it names, and the key of the last.
 *
 *   sbcap_<root block>~<block>~…~<key>
 *
 *     root block   JWS, EdDSA, by a key of the installation (`kid`): organization, whom its bearer acts as, grant, end
 *     block        JWS, EdDSA, by the key in `cnf` of the block before; `prv` is that block's hash
 *     key          the private key that belongs to `cnf` of the last block: whoever has it may make a narrower one,
 *                  and nobody can leave the last block out, since they lack the key of the one before
 *     s.<seal>     instead of the key: a signature by it over all blocks. Good for use, not for handing on
 *
 * Nothing in a token says how it is to be checked: the algorithm is EdDSA, a header has no member but `alg`, `typ` and,
 * of the root, `kid`; whatever else is there (`jku`, `jwk`, `crit` …) makes it no token.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from "node:crypto";
import { CapabilityGrant, CapabilityKind, MAX_DELEGATION_DEPTH } from "@signalbox/contract/capabilities";
import { CapabilityId, OrganizationId, PrincipalId } from "@signalbox/contract/primitives";
import { CompactSign, compactVerify } from "jose";
import { z } from "zod";
import { covers } from "./grant.ts";

export const CAPABILITY_PREFIX = "sbcap_";
const AUDIENCE = "signalbox-capability";
const TYPE = "sbcap+jwt";
/** What is longer is not looked at. */
const MAX_CHARACTERS = 12_000;
/** One more than there may be, so that who tries is told so, and named. */
const MOST_BLOCKS = MAX_DELEGATION_DEPTH + 2;
/** Of a clock that is ahead of ours. An end is an end. */
export const CLOCK_SKEW_MS = 60_000;

const Key = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const Hash = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const RootHeader = z.strictObject({ alg: z.literal("EdDSA"), typ: z.literal(TYPE), kid: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/) });
const Header = z.strictObject({ alg: z.literal("EdDSA"), typ: z.literal(TYPE) });
const Confirmation = z.strictObject({ jwk: z.strictObject({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: Key }) });
const link = {
  jti: CapabilityId,
  name: z.string().min(1).max(200),
  grant: CapabilityGrant,
  iat: z.int().min(0),
  exp: z.int().min(0),
  cnf: Confirmation,
};
const Root = z.strictObject({
  ...link,
  iss: z.literal("signalbox"),
  aud: z.literal(AUDIENCE),
  org: OrganizationId,
  sub: PrincipalId,
  kind: CapabilityKind,
});
const Block = z.strictObject({ ...link, prv: Hash });

export interface Link {
  readonly id: CapabilityId;
  readonly name: string;
  readonly grant: CapabilityGrant;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}
export interface Chain {
  readonly organizationId: OrganizationId;
  readonly principalId: PrincipalId;
  readonly kind: CapabilityKind;
  /** From the root on; never empty. Each is covered by the one before, so the last is what counts. */
  readonly links: readonly Link[];
  /** Cannot be handed on. */
  readonly isSealed: boolean;
  /** The installation's key that the root is signed by: with it goes all of the chain. */
  readonly kid: string;
}

/** `malformed` and `bad_signature`: no token at all. The others: whoever made the last block had the right key, and not the right to it. */
export type Problem = "malformed" | "unknown_key" | "bad_signature" | "wider" | "outlives" | "too_deep" | "not_yet" | "expired";
export type Verified =
  | { readonly ok: true; readonly chain: Chain }
  /** `genuine`: the part of it that holds, with what was tried beyond it. */
  | { readonly ok: false; readonly problem: Problem; readonly genuine?: Chain; readonly tried?: Link };

/** Null: there is no such key, or not any more. */
export type KeyOf = (kid: string) => Promise<KeyObject | null>;

const encode = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const digest = (text: string): string => createHash("sha256").update(text).digest("base64url");

const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
export const privateKeyOf = (seed: string | Buffer): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([PKCS8, typeof seed === "string" ? Buffer.from(seed, "base64url") : seed]),
    format: "der",
    type: "pkcs8",
  });
export const publicKeyOf = (x: string): KeyObject => createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
export const publicPart = (key: KeyObject): string => createPublicKey(key).export({ format: "jwk" }).x!;
const freshKey = (): { readonly seed: string; readonly x: string } => {
  const { d, x } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  return { seed: d!, x: x! };
};

export interface Part {
  readonly id: CapabilityId;
  readonly name: string;
  readonly grant: CapabilityGrant;
  /** Seconds of the epoch, as in the token. */
  readonly iat: number;
  readonly exp: number;
}
const claimsOf = ({ id, name, grant, iat, exp }: Part, x: string) => ({
  jti: id,
  name,
  grant,
  iat,
  exp,
  cnf: { jwk: { kty: "OKP" as const, crv: "Ed25519" as const, x } },
});

export async function issue(
  by: { readonly kid: string; readonly key: KeyObject },
  of: Part & { readonly organizationId: OrganizationId; readonly principalId: PrincipalId; readonly kind: CapabilityKind },
): Promise<string> {
  const { seed, x } = freshKey();
  const claims: z.input<typeof Root> = {
    ...claimsOf(of, x),
    iss: "signalbox",
    aud: AUDIENCE,
    org: of.organizationId,
    sub: of.principalId,
    kind: of.kind,
  };
  const block = await new CompactSign(encode(claims)).setProtectedHeader({ alg: "EdDSA", typ: TYPE, kid: by.kid }).sign(by.key);
  return `${CAPABILITY_PREFIX}${block}~${seed}`;
}

/**
 * A narrower one of it, by whoever holds it: needs nobody else. It does not ask whether it is narrower: whoever checks
 * it does, and that is the check that counts. Null: sealed, or no token.
 */
export async function attenuate(token: string, part: Part): Promise<string | null> {
  const parts = split(token);
  if (parts === null || !Key.safeParse(parts.proof).success) return null;
  const { seed, x } = freshKey();
  const claims: z.input<typeof Block> = { ...claimsOf(part, x), prv: digest(parts.blocks.at(-1)!) };
  const block = await new CompactSign(encode(claims)).setProtectedHeader({ alg: "EdDSA", typ: TYPE }).sign(privateKeyOf(parts.proof));
  return `${CAPABILITY_PREFIX}${[...parts.blocks, block].join("~")}~${seed}`;
}

const sealed = (blocks: readonly string[]): Buffer => Buffer.from(`signalbox-capability-seal ${blocks.join("~")}`);

/** The same capability, for somebody who shall not hand it on. Null: sealed already, or no token. */
export function seal(token: string): string | null {
  const parts = split(token);
  if (parts === null || !Key.safeParse(parts.proof).success) return null;
  return `${CAPABILITY_PREFIX}${parts.blocks.join("~")}~s.${signBytes(null, sealed(parts.blocks), privateKeyOf(parts.proof)).toString("base64url")}`;
}

function split(token: string): { readonly blocks: readonly string[]; readonly proof: string } | null {
  if (!token.startsWith(CAPABILITY_PREFIX) || token.length > MAX_CHARACTERS) return null;
  const parts = token.slice(CAPABILITY_PREFIX.length).split("~");
  const proof = parts.pop()!;
  return parts.length === 0 || parts.length > MOST_BLOCKS ? null : { blocks: parts, proof };
}

function headerOf(block: string): unknown {
  try {
    return JSON.parse(Buffer.from(block.split(".")[0]!, "base64url").toString());
  } catch {
    return null; // Not JSON: no block of ours.
  }
}

/** Whether the bearer has what belongs to the last block: its key, or that key's seal over all of them. */
function isProven(blocks: readonly string[], proof: string, x: string): boolean {
  if (Key.safeParse(proof).success) return publicPart(privateKeyOf(proof)) === x;
  if (!/^s\.[A-Za-z0-9_-]{86}$/.test(proof)) return false;
  return verifyBytes(null, sealed(blocks), publicKeyOf(x), Buffer.from(proof.slice(2), "base64url"));
}

/** Checks everything that needs no database; whether one of it was revoked is asked elsewhere. */
export async function verify(token: string, { keyOf, nowMs }: { readonly keyOf: KeyOf; readonly nowMs: number }): Promise<Verified> {
  const parts = split(token);
  if (parts === null) return { ok: false, problem: "malformed" };
  const { blocks, proof } = parts;
  const rootHeader = RootHeader.safeParse(headerOf(blocks[0]!));
  if (!rootHeader.success) return { ok: false, problem: "malformed" };
  const rootKey = await keyOf(rootHeader.data.kid);
  if (rootKey === null) return { ok: false, problem: "unknown_key" };

  let key = rootKey;
  let x = "";
  let root: z.output<typeof Root> | undefined;
  const links: Link[] = [];
  const chain = (): Chain => ({
    organizationId: root!.org,
    principalId: root!.sub,
    kind: root!.kind,
    links: [...links],
    isSealed: proof.startsWith("s."),
    kid: rootHeader.data.kid,
  });
  let wrong: { readonly problem: Problem; readonly genuine: Chain; readonly tried: Link } | undefined;
  for (const [depth, block] of blocks.entries()) {
    if (depth > 0 && !Header.safeParse(headerOf(block)).success) return { ok: false, problem: "malformed" };
    let payload: unknown;
    try {
      payload = JSON.parse(
        new TextDecoder("utf-8", { fatal: true }).decode((await compactVerify(block, key, { algorithms: ["EdDSA"] })).payload),
      );
    } catch {
      return { ok: false, problem: "bad_signature" };
    }
    const claims = depth === 0 ? Root.safeParse(payload) : Block.safeParse(payload);
    if (!claims.success) return { ok: false, problem: "malformed" };
    const { jti, name, grant, iat, exp, cnf } = claims.data;
    if (depth === 0) root = claims.data as z.output<typeof Root>;
    else if ((claims.data as z.output<typeof Block>).prv !== digest(blocks[depth - 1]!)) return { ok: false, problem: "bad_signature" };
    if (links.some(({ id }) => id === jti)) return { ok: false, problem: "malformed" };
    const next: Link = { id: jti, name, grant, issuedAtMs: iat * 1000, expiresAtMs: exp * 1000 };
    // The first thing that is wrong, told only once it is known that the bearer holds all of it.
    const parent = links.at(-1);
    if (wrong === undefined && parent !== undefined) {
      const problem = denial(parent, next, depth);
      if (problem !== null) wrong = { problem, genuine: chain(), tried: next };
    }
    links.push(next);
    x = cnf.jwk.x;
    key = publicKeyOf(x);
  }
  if (!isProven(blocks, proof, x)) return { ok: false, problem: "bad_signature" };
  if (wrong !== undefined) return { ok: false, ...wrong };
  if (links.some(({ issuedAtMs }) => issuedAtMs > nowMs + CLOCK_SKEW_MS)) return { ok: false, problem: "not_yet" };
  if (links.some(({ expiresAtMs }) => expiresAtMs <= nowMs)) return { ok: false, problem: "expired", genuine: chain() };
  return { ok: true, chain: chain() };
}

/** Null: it may be made of its parent. */
export function denial(
  parent: Pick<Link, "grant" | "expiresAtMs">,
  child: Pick<Link, "grant" | "expiresAtMs">,
  depth: number,
): "too_deep" | "outlives" | "wider" | null {
  if (depth > MAX_DELEGATION_DEPTH) return "too_deep";
  if (child.expiresAtMs > parent.expiresAtMs) return "outlives";
  return covers(parent.grant, child.grant) ? null : "wider";
}
