/**
 * Computing with the secret data of a license that is held. Only a server that has the license can do it, so a program
 * that knows what must come out, from a table made when it was built or because it decrypts a part of itself with it,
 * does not depend on a single yes or no. A function of terms and request: the servers vote on it like on anything else.
 */
import { CryptMethod } from "../wire/data-kinds.js";
import { Status } from "../wire/kinds.js";
import type { Call } from "./call.js";
import { decoded, pieceOf } from "./data.js";
import { hkdfSha256, hmacSha256 } from "./hmac.js";
import { licenseText } from "./in-use.js";
import { blobOf } from "./open-session.js";
import type { Item } from "./pool.js";
import { MAX_DATA_BYTES } from "./term-rules.js";
import { RequestWord } from "./words.js";

/** Executes a crypt of an open session. */
export function crypt(call: Call, _slot: number, item: Item): void {
  const { state, out, words, at } = call;
  const method = ((words[at + RequestWord.kind] as number) >>> 8) & 0xff;
  const length = words[at + RequestWord.quantity] as number;
  const index = words[at + RequestWord.cursor] as number;
  const input = blobOf(call);
  if (method !== CryptMethod.hmac && method !== CryptMethod.hkdf) {
    out.refuse(Status["bad-request"], `Method ${method} is not known here: use HMAC (1) or HKDF (2).`);
    return;
  }
  if (input.length > MAX_DATA_BYTES) {
    out.refuse(Status["bad-request"], `At most ${MAX_DATA_BYTES} bytes are computed with; these are ${input.length}.`);
    return;
  }
  if (method === CryptMethod.hkdf && (length === 0 || length > MAX_DATA_BYTES)) {
    out.refuse(Status["bad-request"], `HKDF gives 1 to ${MAX_DATA_BYTES} bytes here; ${length} asked for.`);
    return;
  }
  const piece = pieceOf(item.terms.secretData, index);
  if (piece === undefined) {
    out.refuse(Status["not-found"], `${licenseText(call, item)} has no secret data ${index}.`);
    return;
  }
  const secret = decoded(piece.data);
  out.bytes(
    method === CryptMethod.hmac
      ? hmacSha256(state.sha256, secret, input)
      : hkdfSha256(state.sha256, secret, input, length),
  );
}
