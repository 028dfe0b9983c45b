/**
 * A second implementation of the packets, written from the Noise specification (revision 34) on node:crypto, as an
 * oracle for the native one: slow, plain, and sharing no code with it.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  randomBytes,
} from "node:crypto";
import type { HandshakeOptions } from "../../ts/engine/types.js";

const EMPTY = Buffer.alloc(0);
const TAG_BYTES = 16;
export const MAX_FRAGMENT = 65_535 - 1 - TAG_BYTES;
export const FRAMES_PER_KEY = 2n ** 20n;

/** The public key of an X25519 private key. */
export function oraclePublicKey(privateKey: Uint8Array): Buffer {
  return createPublicKey(privateKeyObject(privateKey)).export({ format: "der", type: "spki" }).subarray(-32);
}

function privateKeyObject(key: Uint8Array) {
  const der = Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), key]);
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

/** Throws when the shared secret is all zero: OpenSSL refuses it. */
function dh(privateKey: Uint8Array, publicKey: Uint8Array): Buffer {
  const der = Buffer.concat([Buffer.from("302a300506032b656e032100", "hex"), publicKey]);
  return diffieHellman({
    privateKey: privateKeyObject(privateKey),
    publicKey: createPublicKey({ key: der, format: "der", type: "spki" }),
  });
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

function noiseHkdf(chainingKey: Uint8Array, input: Uint8Array): [Buffer, Buffer] {
  const temporary = hmac(chainingKey, input);
  const first = hmac(temporary, Buffer.of(1));
  return [first, hmac(temporary, first, Buffer.of(2))];
}

function nonceOf(counter: bigint): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(counter, 4);
  return nonce;
}

/** A CipherState of the specification. */
export class OracleCipher {
  constructor(
    public key: Buffer,
    public counter = 0n,
  ) {}

  encrypt(associated: Uint8Array, text: Uint8Array): Buffer {
    return this.#encryptAt(this.counter++, associated, text);
  }

  /** Throws when it is not genuine. */
  decrypt(associated: Uint8Array, sealed: Uint8Array): Buffer {
    const text = sealed.subarray(0, sealed.length - TAG_BYTES);
    const cipher = createDecipheriv("aes-256-gcm", this.key, nonceOf(this.counter), { authTagLength: TAG_BYTES });
    cipher.setAAD(associated).setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    const opened = Buffer.concat([cipher.update(text), cipher.final()]);
    this.counter++;
    return opened;
  }

  rekey(): void {
    this.key = this.#encryptAt(2n ** 64n - 1n, EMPTY, Buffer.alloc(32)).subarray(0, 32);
  }

  #encryptAt(counter: bigint, associated: Uint8Array, text: Uint8Array): Buffer {
    const cipher = createCipheriv("aes-256-gcm", this.key, nonceOf(counter), { authTagLength: TAG_BYTES });
    cipher.setAAD(associated);
    return Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()]);
  }
}

const patterns = {
  NK: [
    ["e", "es"],
    ["e", "ee"],
  ],
  IK: [
    ["e", "es", "s", "ss"],
    ["e", "ee", "se"],
  ],
} as const;

/** One side of a handshake; every method throws when the peer's bytes are not genuine. */
export class OracleHandshake {
  readonly #options: HandshakeOptions;
  readonly #ephemeral: Uint8Array;
  #remoteStatic: Uint8Array | null;
  #remoteEphemeral: Uint8Array = EMPTY;
  #hash: Buffer;
  #chainingKey: Buffer;
  #cipher: OracleCipher | null = null;
  #messages = 0;

  constructor(options: HandshakeOptions) {
    this.#options = options;
    this.#ephemeral = options.ephemeralKey ?? randomBytes(32);
    this.#remoteStatic = options.remoteStaticKey ?? null;
    this.#hash = Buffer.alloc(32);
    this.#hash.write(`Noise_${options.pattern}_25519_AESGCM_SHA256`);
    this.#chainingKey = this.#hash;
    this.#mixHash(options.prologue);
    this.#mixHash(options.remoteStaticKey ?? oraclePublicKey(this.#ownStatic()));
  }

  write(payload: Uint8Array = EMPTY): Buffer {
    const out: Buffer[] = [];
    for (const token of this.#nextTokens()) {
      if (token === "e") {
        const publicKey = oraclePublicKey(this.#ephemeral);
        this.#mixHash(publicKey);
        out.push(publicKey);
      } else if (token === "s") out.push(this.#encryptAndHash(oraclePublicKey(this.#ownStatic())));
      else this.#mixShared(token);
    }
    out.push(this.#encryptAndHash(payload));
    return Buffer.concat(out);
  }

  read(message: Uint8Array): Buffer {
    let rest = message;
    const take = (count: number): Uint8Array => {
      if (rest.length < count) throw new Error("short");
      const taken = rest.subarray(0, count);
      rest = rest.subarray(count);
      return taken;
    };
    for (const token of this.#nextTokens()) {
      if (token === "e") {
        this.#remoteEphemeral = take(32);
        this.#mixHash(this.#remoteEphemeral);
      } else if (token === "s") this.#remoteStatic = this.#decryptAndHash(take(32 + TAG_BYTES));
      else this.#mixShared(token);
    }
    if (rest.length < TAG_BYTES) throw new Error("short");
    return this.#decryptAndHash(rest);
  }

  remoteStaticKey(): Uint8Array | null {
    return this.#remoteStatic;
  }

  handshakeHash(): Buffer {
    return this.#hash;
  }

  /** The two directions as this side uses them. */
  split(): { send: OracleCipher; receive: OracleCipher } {
    const [forth, back] = noiseHkdf(this.#chainingKey, EMPTY);
    const initiates = this.#options.role === "initiator";
    return {
      send: new OracleCipher(initiates ? forth : back),
      receive: new OracleCipher(initiates ? back : forth),
    };
  }

  #nextTokens(): readonly string[] {
    const tokens = patterns[this.#options.pattern][this.#messages++];
    if (tokens === undefined) throw new Error("the handshake is over");
    return tokens;
  }

  #ownStatic(): Uint8Array {
    if (this.#options.staticKey === undefined) throw new Error("no static key");
    return this.#options.staticKey;
  }

  #mixHash(data: Uint8Array): void {
    this.#hash = sha256(this.#hash, data);
  }

  #mixShared(token: string): void {
    const [initiatorKey, responderKey] = token;
    const initiates = this.#options.role === "initiator";
    const own = (initiates ? initiatorKey : responderKey) === "s" ? this.#ownStatic() : this.#ephemeral;
    const remote = (initiates ? responderKey : initiatorKey) === "s" ? this.#remoteStatic : this.#remoteEphemeral;
    const [chainingKey, key] = noiseHkdf(this.#chainingKey, dh(own, remote ?? EMPTY));
    this.#chainingKey = chainingKey;
    this.#cipher = new OracleCipher(key);
  }

  #encryptAndHash(text: Uint8Array): Buffer {
    const sealed = this.#cipher === null ? Buffer.from(text) : this.#cipher.encrypt(this.#hash, text);
    this.#mixHash(sealed);
    return sealed;
  }

  #decryptAndHash(sealed: Uint8Array): Buffer {
    const text = this.#cipher === null ? Buffer.from(sealed) : this.#cipher.decrypt(this.#hash, sealed);
    this.#mixHash(sealed);
    return text;
  }
}

/** A frame around any plaintext, also around one that the protocol forbids. */
export function rawFrame(cipher: OracleCipher, plaintext: Uint8Array): Buffer {
  if (cipher.counter > 0n && cipher.counter % FRAMES_PER_KEY === 0n) cipher.rekey();
  const body = cipher.encrypt(EMPTY, plaintext);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.length);
  return Buffer.concat([length, body]);
}

/** The frames of one message, cut into fragments of at most `fragmentBytes`. */
export function oracleSeal(cipher: OracleCipher, message: Uint8Array, fragmentBytes = MAX_FRAGMENT): Buffer {
  const frames: Buffer[] = [];
  let at = 0;
  do {
    const fragment = message.subarray(at, at + fragmentBytes);
    at += fragment.length;
    frames.push(rawFrame(cipher, Buffer.concat([Buffer.of(at < message.length ? 1 : 0), fragment])));
  } while (at < message.length);
  return Buffer.concat(frames);
}

/** The messages in whole frames; throws when a frame is not genuine or cut off. */
export function oracleOpen(cipher: OracleCipher, frames: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  let message = EMPTY;
  for (let at = 0; at < frames.length; ) {
    if (cipher.counter > 0n && cipher.counter % FRAMES_PER_KEY === 0n) cipher.rekey();
    const end = at + 2 + frames.readUInt16BE(at);
    if (end > frames.length) throw new Error("the last frame is cut off");
    const plaintext = cipher.decrypt(EMPTY, frames.subarray(at + 2, end));
    message = Buffer.concat([message, plaintext.subarray(1)]);
    if (plaintext[0] === 0) {
      messages.push(message);
      message = EMPTY;
    }
    at = end;
  }
  return messages;
}
