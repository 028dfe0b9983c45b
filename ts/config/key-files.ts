/**
 * Key files: JSON, readable by their owner only. Messages name the file and what is wrong with it and never any byte
 * of a key; the loaded objects show nothing when they are printed or logged.
 */
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { inspect } from "node:util";
import { z } from "zod";
import { checkDocument } from "./document.js";
import { Faults } from "./faults.js";
import { base64url, decodeBase64url, table } from "./fields.js";

/** Private keys of an upstream. */
export interface UpstreamKeys {
  /** X25519, 32 bytes */
  readonly noise: Buffer;
  /** Ed25519 seed, 32 bytes */
  readonly signing: Buffer;
  /** X25519, 32 bytes: what is encrypted to this server; old files have none */
  readonly sealing?: Buffer | undefined;
}

/** Private keys of a TMR server; `client` and `twinKey` are the same on both twins. */
export interface ServerKeys {
  /** X25519 toward upstreams and twin, 32 bytes */
  readonly noise: Buffer;
  /** X25519 toward clients, 32 bytes */
  readonly client: Buffer;
  /** secret of the twins: MACs of batches, proofs of marks; 32 bytes */
  readonly twinKey: Buffer;
}

class Hidden {
  toJSON(): string {
    return "[keys]";
  }
  [inspect.custom](): string {
    return "[keys]";
  }
}

class HiddenUpstreamKeys extends Hidden implements UpstreamKeys {
  constructor(
    readonly noise: Buffer,
    readonly signing: Buffer,
    readonly sealing?: Buffer,
  ) {
    super();
  }
}

class HiddenServerKeys extends Hidden implements ServerKeys {
  constructor(
    readonly noise: Buffer,
    readonly client: Buffer,
    readonly twinKey: Buffer,
  ) {
    super();
  }
}

const upstreamKeySchema = table({
  kind: z.literal("upstream", { error: '"upstream"' }),
  noise: base64url(32),
  signing: base64url(32),
  sealing: base64url(32).optional(),
});
const serverKeySchema = table({
  kind: z.literal("server", { error: '"server"' }),
  noise: base64url(32),
  client: base64url(32),
  twinKey: base64url(32),
});

/** Public keys that a private key file must belong to, with the place in system.toml that says so. */
export interface ExpectedKey {
  readonly publicKey: Uint8Array;
  readonly where: string;
}

/** Reads the keys of an upstream. Throws ERR_TMR_KEY with every fault. */
export function loadUpstreamKeys(
  file: string,
  noise: ExpectedKey,
  signing: ExpectedKey,
  sealing?: ExpectedKey,
): UpstreamKeys {
  const faults = new Faults();
  const keys = readKeyFile(file, upstreamKeySchema, faults);
  if (keys !== undefined) {
    checkBelongs(file, "noise", x25519PublicKey(keys.noise), noise, faults);
    checkBelongs(file, "signing", ed25519PublicKey(keys.signing), signing, faults);
    if (sealing !== undefined) {
      if (keys.sealing === undefined) faults.add(file, "sealing", `the private half of ${sealing.where}`, "nothing");
      else checkBelongs(file, "sealing", x25519PublicKey(keys.sealing), sealing, faults);
    }
  }
  faults.throwIfAny("ERR_TMR_KEY");
  const { noise: noiseKey, signing: signingKey, sealing: sealingKey } = keys as UpstreamKeys;
  return Object.freeze(new HiddenUpstreamKeys(noiseKey, signingKey, sealingKey));
}

/** Reads the keys of a TMR server. Throws ERR_TMR_KEY with every fault. */
export function loadServerKeys(file: string, noise: ExpectedKey, client: ExpectedKey): ServerKeys {
  const faults = new Faults();
  const keys = readKeyFile(file, serverKeySchema, faults);
  if (keys !== undefined) {
    checkBelongs(file, "noise", x25519PublicKey(keys.noise), noise, faults);
    checkBelongs(file, "client", x25519PublicKey(keys.client), client, faults);
  }
  faults.throwIfAny("ERR_TMR_KEY");
  const { noise: noiseKey, client: clientKey, twinKey } = keys as ServerKeys;
  return Object.freeze(new HiddenServerKeys(noiseKey, clientKey, twinKey));
}

/** Reads a JSON key file that must be readable by its owner only, and checks its shape. */
export function readKeyFile<S extends z.ZodType>(file: string, schema: S, faults: Faults): z.output<S> | undefined {
  const text = readPrivateText(file, faults);
  if (text === undefined) return undefined;
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, so it is neither repeated nor kept as the cause.
    faults.add(file, "", "a JSON key file", "something else");
    return undefined;
  }
  return checkDocument(schema, raw, file, faults);
}

function readPrivateText(file: string, faults: Faults): string | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "an unknown error";
    faults.add(shownPath(file), "", "a readable key file", code === "ENOENT" ? "no such file" : code);
    return undefined;
  }
  try {
    // The open file is asked, not the path, so that nothing can change in between.
    const mode = fstatSync(descriptor).mode & 0o777;
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      const shown = mode.toString(8).padStart(4, "0");
      faults.add(file, "", "mode 0600 (readable by its owner only; chmod 600)", `mode ${shown}`);
      return undefined;
    }
    return readFileSync(descriptor, "utf8");
  } catch (error) {
    faults.add(file, "", "a readable key file", (error as NodeJS.ErrnoException).code ?? "an unknown error");
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** A key pasted where its file belongs would end up in an error message as a path. */
function shownPath(file: string): string {
  const name = file.split(/[/\\]/).at(-1) ?? "";
  return decodeBase64url(name, 32) === null ? file : "the key file (its path looks like a key itself)";
}

function checkBelongs(file: string, key: string, own: Uint8Array, expected: ExpectedKey, faults: Faults): void {
  if (Buffer.compare(own, expected.publicKey) !== 0) {
    faults.add(file, key, `the private half of ${expected.where}`, "another key");
  }
}

// PKCS #8 wrappings of RFC 8410: what comes before the 32 bytes of the key.
const PKCS8_X25519 = Buffer.from("302e020100300506032b656e04220420", "hex");
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");

function privateKey(prefix: Buffer, raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([prefix, raw]), format: "der", type: "pkcs8" });
}

function publicBytes(key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
}

/** The X25519 public key (32 bytes) of a private key (32 bytes). */
export function x25519PublicKey(raw: Uint8Array): Buffer {
  return Buffer.from(publicBytes(privateKey(PKCS8_X25519, raw)));
}

/** The Ed25519 public key (32 bytes) of a private seed (32 bytes). */
export function ed25519PublicKey(seed: Uint8Array): Buffer {
  return Buffer.from(publicBytes(ed25519PrivateKey(seed)));
}

/** A private seed as node:crypto wants it. */
export function ed25519PrivateKey(seed: Uint8Array): KeyObject {
  return privateKey(PKCS8_ED25519, seed);
}

/** A raw Ed25519 public key (32 bytes) as node:crypto wants it. */
export function ed25519PublicKeyObject(raw: Uint8Array): KeyObject {
  const x = Buffer.from(raw).toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
}

/** Fresh random keys for an upstream. */
export function newUpstreamKeys(): UpstreamKeys {
  return new HiddenUpstreamKeys(randomBytes(32), randomBytes(32), randomBytes(32));
}

/** Fresh random keys for a TMR server; the second twin is given the shared ones of the first. */
export function newServerKeys(shared?: Pick<ServerKeys, "client" | "twinKey">): ServerKeys {
  return new HiddenServerKeys(randomBytes(32), shared?.client ?? randomBytes(32), shared?.twinKey ?? randomBytes(32));
}

/** The text of an upstream's key file. Secret: write it with mode 0600. */
export function upstreamKeyText(keys: UpstreamKeys): string {
  const sealing = keys.sealing === undefined ? {} : { sealing: text(keys.sealing) };
  return keyText({ kind: "upstream", noise: text(keys.noise), signing: text(keys.signing), ...sealing });
}

/** The text of a TMR server's key file. Secret: write it with mode 0600. */
export function serverKeyText(keys: ServerKeys): string {
  return keyText({ kind: "server", noise: text(keys.noise), client: text(keys.client), twinKey: text(keys.twinKey) });
}

function text(key: Buffer): string {
  return key.toString("base64url");
}

function keyText(value: Readonly<Record<string, string>>): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
