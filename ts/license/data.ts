/**
 * Data of a license that is held: what may be read of it, and the user data, which whoever holds it may write. Secret
 * data are in no answer.
 */
import { DataKind } from "../wire/data-kinds.js";
import { Status } from "../wire/kinds.js";
import type { Call } from "./call.js";
import { licenseText } from "./in-use.js";
import { blobOf } from "./open-session.js";
import type { Item } from "./pool.js";
import { MAX_DATA_BYTES } from "./term-rules.js";
import type { DataPiece, HiddenPiece } from "./terms.js";
import { RequestWord } from "./words.js";

const CODE_BYTES = 4;

/** Executes a readData of an open session. */
export function readData(call: Call, _slot: number, item: Item): void {
  const { out, words, at } = call;
  const kind = words[at + RequestWord.featureMap] as number;
  const index = words[at + RequestWord.cursor] as number;
  if (kind === DataKind.hiddenData) {
    readHidden(call, item, index);
    return;
  }
  const found = dataOf(item, kind, index);
  if (found === undefined) out.refuse(Status["bad-request"], `Data of sort ${kind} are not known here.`);
  else if (found === null) out.refuse(Status["not-found"], `${licenseText(call, item)} has no such data ${index}.`);
  else out.bytes(found);
}

/** Null: the item has none; undefined: there is no such sort. */
function dataOf({ terms, pool }: Item, kind: number, index: number): Buffer | null | undefined {
  const first = (data: Buffer | null): Buffer | null => (index === 0 ? data : null);
  switch (kind) {
    case DataKind.ownerInformation:
      return first(terms.ownerInformation === undefined ? null : Buffer.from(terms.ownerInformation));
    case DataKind.userData:
      if (terms.userData === undefined) return null;
      return first(pool.memory.userData ?? decoded(terms.userData === true ? "" : terms.userData));
    case DataKind.protectedData:
      return first(terms.protectedData === undefined ? null : decoded(terms.protectedData));
    case DataKind.extendedProtectedData: {
      const piece = pieceOf(terms.extendedProtectedData, index);
      return piece === undefined ? null : decoded(piece.data);
    }
    default:
      return undefined;
  }
}

/** One answer for a wrong code and for a wrong index, so that it does not tell which pieces there are. */
function readHidden(call: Call, item: Item, index: number): void {
  const code = blobOf(call);
  if (code.length !== CODE_BYTES) {
    call.out.refuse(Status["bad-request"], `An access code has ${CODE_BYTES} bytes, ${code.length} received.`);
    return;
  }
  const piece = pieceOf<HiddenPiece>(item.terms.hiddenData, index);
  // One comparison of 32 bits: how long it takes says nothing about how many of them are right.
  if (piece === undefined || (piece.accessCode ^ code.readUInt32LE(0)) >>> 0 !== 0) {
    call.out.refuse(
      Status["bad-request"],
      `${licenseText(call, item)} shows no hidden data ${index} for this access code.`,
    );
    return;
  }
  call.out.bytes(decoded(piece.data));
}

/** Executes a writeUserData of an open session. */
export function writeUserData(call: Call, _slot: number, item: Item): void {
  const data = blobOf(call);
  if (item.terms.userData === undefined) {
    call.out.refuse(Status["bad-request"], `${licenseText(call, item)} has no user data.`);
  } else if (data.length > MAX_DATA_BYTES) {
    call.out.refuse(
      Status["bad-request"],
      `User data have at most ${MAX_DATA_BYTES} bytes; these have ${data.length}.`,
    );
  } else {
    call.state.writeUserData(item.pool, data);
  }
}

/** The piece with this index. */
export function pieceOf<Piece extends DataPiece>(
  pieces: readonly Piece[] | undefined,
  index: number,
): Piece | undefined {
  return pieces?.find((piece) => piece.index === index);
}

/** The bytes of data as terms have them. */
export function decoded(data: string): Buffer {
  return Buffer.from(data, "base64url");
}
