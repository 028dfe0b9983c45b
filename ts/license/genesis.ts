/** What a system is from its first moment on, and what the state machine needs from outside. */
import { TmrError } from "../errors.js";
import { canonicalJson } from "../wire/canonical.js";

/** What the state machine is given; the computations are functions of their arguments. */
export interface LicensePorts {
  /** 32 bytes */
  readonly sha256: (bytes: Uint8Array) => Uint8Array;
  /** The engine's merge: sorted 48-byte entries per upstream (null: no statement) to 64-byte entries. */
  readonly mergeContainers: (a: Uint8Array | null, b: Uint8Array | null, c: Uint8Array | null) => Uint8Array;
  readonly verifyEd25519: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;
  /** u32, random in production: nobody outside knows where an index keeps a session. It decides nothing but speed. */
  readonly indexSeed?: number;
}

/** Equal on all five servers of a TMR system; its digest is digest(0) of the log. Two of three upstreams decide. */
export interface Genesis {
  /** base64url of 16 random bytes */
  readonly id: string;
  /** `mask-serial` of the virtual container */
  readonly virtualContainer: string;
  /** base64url Ed25519 public keys of the upstreams 1, 2, 3 */
  readonly upstreams: readonly [string, string, string];
}

/**
 * A license server that serves alone: one of one decides, and it shows its containers as they are, by their own numbers.
 */
export interface StandaloneGenesis {
  /** base64url of 16 random bytes */
  readonly id: string;
  /** base64url Ed25519 public key of the server */
  readonly upstreams: readonly [string];
}

export type AnyGenesis = Genesis | StandaloneGenesis;

export function isStandalone(genesis: AnyGenesis): genesis is StandaloneGenesis {
  return genesis.upstreams.length === 1;
}

/** A container's number as two integers. */
export interface ContainerNumber {
  readonly mask: number;
  readonly serial: number;
}

/** SHA-256 of "tmr genesis/1\n", or "tmr standalone genesis/1\n", and the canonical JSON of the genesis. */
export function genesisDigest(genesis: AnyGenesis, sha256: LicensePorts["sha256"]): Uint8Array {
  if (isStandalone(genesis)) {
    const own = canonicalJson({ id: genesis.id, upstreams: genesis.upstreams });
    return sha256(Buffer.from(`tmr standalone genesis/1\n${own}`));
  }
  const { id, virtualContainer, upstreams } = genesis;
  return sha256(Buffer.from(`tmr genesis/1\n${canonicalJson({ id, virtualContainer, upstreams })}`));
}

/** Reads `mask-serial` (u8 and u32, decimal without leading zeros), or null. */
export function parseContainerNumber(text: string): ContainerNumber | null {
  const match = /^(0|[1-9]\d{0,2})-(0|[1-9]\d{0,9})$/.exec(text);
  const mask = Number(match?.[1]);
  const serial = Number(match?.[2]);
  return match !== null && mask <= 0xff && serial <= 0xffff_ffff ? { mask, serial } : null;
}

/** The name of a container: `mask-serial`. */
export function containerName({ mask, serial }: ContainerNumber): string {
  return `${mask}-${serial}`;
}

/** The number of the virtual container. Throws ERR_TMR_ARGUMENT when it is none. */
export function virtualNumberOf({ virtualContainer }: Genesis): ContainerNumber {
  const number = parseContainerNumber(virtualContainer);
  if (number !== null) return number;
  throw new TmrError(
    "ERR_TMR_ARGUMENT",
    `genesis: virtualContainer: expected mask-serial, received ${virtualContainer}`,
  );
}

/** The raw Ed25519 keys of the upstreams, in order. Throws ERR_TMR_ARGUMENT when one is none. */
export function signingKeysOf(genesis: AnyGenesis): readonly Buffer[] {
  return genesis.upstreams.map((text, i) => {
    const key = Buffer.from(text, "base64url");
    if (key.length === 32) return key;
    throw new TmrError("ERR_TMR_ARGUMENT", `genesis: signing key of upstream ${i + 1}: expected 32 bytes of base64url`);
  });
}
