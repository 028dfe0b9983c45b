/** A firm at its Central: a folder with the firm's signing key (JWK, readable by its owner only) and the ledger. */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { join, resolve } from "node:path";
import { z } from "zod";
import { checkDocument, SECRET } from "../config/document.js";
import { Faults } from "../config/faults.js";
import { decodeBase64url, integer, line, table, U32_MAX, UNIVERSAL_FIRM_CODE_MIN } from "../config/fields.js";
import { ed25519PublicKey, readKeyFile } from "../config/key-files.js";
import type { FirmEntry } from "../config/system.js";
import { makeFolder, refuseExisting, writeFileDurably } from "../config/write-file.js";
import { firmKeyId } from "../container/firm-item.js";
import { Ledger } from "./ledger.js";

/** A firm with its private key. It shows nothing of the key when it is printed: a KeyObject never does. */
export interface Firm extends FirmEntry {
  readonly privateKey: KeyObject;
}

const KEY_FILE = "firm-key.json";

const firmSchema = table({ firmCode: integer(UNIVERSAL_FIRM_CODE_MIN, U32_MAX), name: line(128) });

const keyError = `${SECRET}a 32-byte key as base64url`;
const keyPart = z.string({ error: keyError }).refine((text) => decodeBase64url(text, 32) !== null, { error: keyError });
const keyFileSchema = table({
  ...firmSchema.shape,
  kind: z.literal("firm", { error: '"firm"' }),
  jwk: table({
    kty: z.literal("OKP", { error: '"OKP"' }),
    crv: z.literal("Ed25519", { error: '"Ed25519"' }),
    alg: z.literal("Ed25519", { error: '"Ed25519"' }),
    kid: z.string({ error: "a key id" }),
    x: keyPart,
    d: keyPart,
  }),
});

/**
 * Makes the folder of a new firm: an empty ledger and a fresh key. Returns the public part, as system.toml names it.
 * Throws ERR_TMR_CONFIG for a wrong firm code or name, ERR_TMR_FILE when the folder has a firm already.
 */
export function createFirm(dir: string, firm: { readonly firmCode: number; readonly name: string }): FirmEntry {
  const { firmCode, name } = firm;
  checkFirm({ firmCode, name });
  const file = join(resolve(dir), KEY_FILE);
  refuseExisting(file, "a firm is made once; choose another folder");
  makeFolder(resolve(dir), 0o700);
  // The key is written last: a folder with a key always has a ledger, so a missing ledger is a lost one.
  Ledger.create(dir);
  const { d, x } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const key = Buffer.from(x as string, "base64url");
  const jwk = { kty: "OKP", crv: "Ed25519", alg: "Ed25519", kid: firmKeyId(key), x, d };
  writeFileDurably(file, `${JSON.stringify({ kind: "firm", firmCode, name, jwk }, null, 2)}\n`, { mode: 0o600 });
  return { firmCode, name, key };
}

function checkFirm(firm: { readonly firmCode: number; readonly name: string }): void {
  const faults = new Faults();
  checkDocument(firmSchema, firm, "the new firm", faults);
  faults.throwIfAny("ERR_TMR_CONFIG");
}

/** Reads the firm of a folder that {@link createFirm} made. Throws ERR_TMR_KEY. */
export function loadFirm(dir: string): Firm {
  const file = join(resolve(dir), KEY_FILE);
  const faults = new Faults();
  const parsed = readKeyFile(file, keyFileSchema, faults);
  faults.throwIfAny("ERR_TMR_KEY");
  const { firmCode, name, jwk } = parsed as z.output<typeof keyFileSchema>;
  const key = Buffer.from(jwk.x, "base64url");
  if (!ed25519PublicKey(Buffer.from(jwk.d, "base64url")).equals(key)) {
    faults.add(file, "jwk.x", "the public key of its private part", "another key");
    faults.throwIfAny("ERR_TMR_KEY");
  }
  const { kty, crv, x, d } = jwk;
  return { firmCode, name, key, privateKey: createPrivateKey({ key: { kty, crv, x, d }, format: "jwk" }) };
}
