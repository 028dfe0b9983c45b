/** What a borrower signs. */
import { sign } from "node:crypto";
import { ed25519PrivateKey } from "../../ts/config/key-files.js";
import { returnMessage } from "../../ts/wire/borrow.js";

/** Gives back what a document says, by the key of a seed. */
export function returnSignature(document: Uint8Array, seed: Uint8Array): Buffer {
  return sign(null, returnMessage(document), ed25519PrivateKey(seed));
}
