/**
 * A borrowed license on its machine: the file itself (what was borrowed, and who signed it), beside it the private key of
 * who borrowed it and the record of the time that was seen. All three are readable by their owner only.
 */
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { z } from "zod";
import { Faults } from "../config/faults.js";
import { base64url, table } from "../config/fields.js";
import { readKeyFile } from "../config/key-files.js";
import { TmrError } from "../errors.js";
import { type BorrowProof, faultInProof } from "../wire/borrow.js";
import { canonicalJson } from "../wire/canonical.js";

const FORMAT = "tmr-borrow-file/1";
const SEED_BYTES = 32;

/** Where the private key of a borrowed license lies. */
export function keyFileOf(file: string): string {
  return `${file}.key`;
}

/** Where the time that was seen is kept. */
export function clockFileOf(file: string): string {
  return `${file}.clock`;
}

/** The error for a borrowed license that does not count. */
export function borrowError(file: string, why: string, cause?: unknown): TmrError {
  return new TmrError("ERR_TMR_BORROW", `${file}: ${why}`, { cause });
}

/** Writes a file whole, readable by its owner only. Throws ERR_TMR_FILE. */
export function writeOwn(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.new`;
  try {
    const descriptor = openSync(temporary, "w", 0o600);
    try {
      writeSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new TmrError("ERR_TMR_FILE", `cannot write ${file}: ${String(cause)}`, { cause });
  }
}

/** Writes the borrow file. Throws ERR_TMR_FILE. */
export function writeBorrowFile(file: string, proof: BorrowProof): void {
  writeOwn(file, `${canonicalJson({ format: FORMAT, ...proof })}\n`);
}

/** Reads a borrow file; nothing is verified yet. Throws ERR_TMR_FILE, or ERR_TMR_BORROW for anything but one. */
export function readBorrowFile(file: string): BorrowProof {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new TmrError("ERR_TMR_FILE", `cannot read ${file}: ${String(cause)}`, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw borrowError(file, "not a borrow file, or truncated or damaged");
  }
  const members: Readonly<Record<string, unknown>> = typeof value === "object" ? { ...value } : {};
  const { format, ...proof } = members;
  const fault = format === FORMAT ? faultInProof(proof) : `its format is not "${FORMAT}"`;
  if (fault !== null) throw borrowError(file, `altered or damaged: ${fault}`);
  // One spelling only: so every altered byte is found, also those that mean nothing.
  if (`${canonicalJson(value)}\n` !== text) throw borrowError(file, "altered or damaged: not in canonical form");
  return proof as unknown as BorrowProof;
}

const keySchema = table({ kind: z.literal("borrow", { error: '"borrow"' }), seed: base64url(SEED_BYTES) });

/** The private key of a borrowed license: an Ed25519 seed. Throws ERR_TMR_KEY. */
export function readBorrowKey(file: string): Buffer {
  const faults = new Faults();
  const key = readKeyFile(keyFileOf(file), keySchema, faults);
  faults.throwIfAny("ERR_TMR_KEY");
  return (key as { seed: Buffer }).seed;
}

/** The key that lies beside a file that is not there yet, or a new one, which is written first. */
export function borrowKeyFor(file: string): Buffer {
  if (existsSync(keyFileOf(file))) return readBorrowKey(file);
  const seed = randomBytes(SEED_BYTES);
  writeOwn(keyFileOf(file), `${canonicalJson({ kind: "borrow", seed: seed.toString("base64url") })}\n`);
  return seed;
}

/** Removes what was borrowed; what is not there is no fault. */
export function removeBorrow(file: string): void {
  for (const path of [file, clockFileOf(file), keyFileOf(file)]) rmSync(path, { force: true });
}
