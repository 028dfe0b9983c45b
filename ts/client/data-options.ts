/** What a program says when it reads data of a license or computes with it, checked and as the wire has it. */
import { TmrError } from "../errors.js";
import { CryptMethod, DataKind } from "../wire/data-kinds.js";
import { bytesFor, integer, U32_MAX } from "./arguments.js";
import type { CallFields } from "./types.js";

/** Pieces of data of one sort are numbered from 0 to this. */
const LAST_INDEX = 127;
/** Of one piece, and of what is computed with. */
const MAX_BYTES = 256;

/** Which data of a license. */
export type DataName = keyof typeof DataKind;

export interface DataOptions {
  /** which piece of `extendedProtectedData` or `hiddenData`, default 0 */
  readonly index?: number;
  /** for `hiddenData` alone, which needs it */
  readonly accessCode?: number;
}

export interface CryptOptions {
  /** which secret data, default 0 */
  readonly index?: number;
  /** "hmac" (default): 32 bytes; "hkdf": `length` of them */
  readonly method?: keyof typeof CryptMethod;
  /** for "hkdf" alone: 1 to 256, default 32 */
  readonly length?: number;
}

function nameIn<Names extends object>(what: string, value: unknown, names: Names): keyof Names {
  if (typeof value === "string" && Object.hasOwn(names, value)) return value as keyof Names;
  const known = Object.keys(names).join(", ");
  throw new TmrError("ERR_TMR_ARGUMENT", `${what}: expected one of ${known}, received ${JSON.stringify(value)}`);
}

/** The fields of a readData; throws ERR_TMR_ARGUMENT. */
export function checkDataOptions(which: DataName, options: DataOptions): Partial<CallFields> {
  const sort = DataKind[nameIn("which", which, DataKind)];
  const fields = { featureMap: sort, cursor: integer("index", options.index ?? 0, 0, LAST_INDEX) };
  if (sort !== DataKind.hiddenData) return fields;
  const blob = Buffer.alloc(4);
  blob.writeUInt32LE(integer("accessCode", options.accessCode, 0, U32_MAX));
  return { ...fields, blob };
}

/** The fields of a crypt; throws ERR_TMR_ARGUMENT. */
export function checkCryptOptions(input: unknown, options: CryptOptions): Partial<CallFields> {
  const mode = CryptMethod[nameIn("method", options.method ?? "hmac", CryptMethod)];
  return {
    mode,
    cursor: integer("index", options.index ?? 0, 0, LAST_INDEX),
    ...(mode === CryptMethod.hkdf ? { quantity: integer("length", options.length ?? 32, 1, MAX_BYTES) } : {}),
    blob: bytesFor("input", input, MAX_BYTES),
  };
}

/** The fields of a writeUserData; throws ERR_TMR_ARGUMENT. */
export function checkUserData(data: unknown): Partial<CallFields> {
  return { blob: bytesFor("data", data, MAX_BYTES) };
}
