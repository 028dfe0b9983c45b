/** Borrowing as a test tells it: keys by name, and the requests that are made with them. */
import { createHash, sign } from "node:crypto";
import { ed25519PrivateKey, ed25519PublicKey } from "../../ts/config/key-files.js";
import { type BorrowDocument, returnMessage } from "../../ts/wire/borrow.js";
import { Kind } from "../../ts/wire/kinds.js";
import type { Asked, LicenseKit, Told } from "./license-kit.js";

/** The Ed25519 seed of a name. */
export function seedOf(name: string): Buffer {
  return createHash("sha256").update(name).digest();
}

/** Has a session borrow with the key of a name. */
export function borrowAs(kit: LicenseKit, session: string, key: string, fields: Partial<Asked> = {}): Told {
  return kit.access(session, { kind: Kind.borrow, blob: ed25519PublicKey(seedOf(key)), ...fields });
}

/** The document that a borrowing was answered with. */
export function documentIn({ text }: Pick<Told, "text">): BorrowDocument {
  return JSON.parse(text) as BorrowDocument;
}

/** What gives a borrowing back, signed with the key of a name. */
export function returnOf({ text, handle }: Pick<Told, "text" | "handle">, key: string): Partial<Asked> {
  const signature = sign(null, returnMessage(Buffer.from(text)), ed25519PrivateKey(seedOf(key)));
  return { kind: Kind.returnBorrow, handle, blob: signature };
}

/** Has a session give back what was borrowed. */
export function returnAs(kit: LicenseKit, session: string, borrowed: Told, key: string): Told {
  return kit.ask(session, Kind.returnBorrow, returnOf(borrowed, key));
}
