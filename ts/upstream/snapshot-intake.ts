/** Collects the parts of a snapshot that a leader sends. Kept in memory: after a crash the transfer starts again. */

import { asBuffer, isZero } from "../wire/bytes.js";
import type { LinkMessageOf } from "../wire/link.js";
import type { Sha256 } from "./types.js";

/** The largest snapshot taken in. */
export const MAX_SNAPSHOT_BYTES = 512 * 1024 * 1024;

/**
 * `whole`: all parts are here. `part`: so many bytes are; a repeated part changes nothing. `unfit`: the part does not
 * continue what is here.
 */
export type IntakeOutcome =
  | { readonly type: "whole"; readonly bytes: Buffer }
  | { readonly type: "part"; readonly offset: number }
  | { readonly type: "unfit" };

export class SnapshotIntake {
  readonly #sha256: Sha256;
  #key = "";
  #parts: Buffer[] = [];
  #received = 0;

  clear(): void {
    this.#key = "";
    this.#parts = [];
    this.#received = 0;
  }

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  /** A whole that has not the hash which two upstreams voted is `unfit`; a hash of zero says that none is known. */
  take(part: LinkMessageOf<"install">): IntakeOutcome {
    const { epoch, position, digest, stateHash, totalBytes, offset, bytes } = part;
    const sized = totalBytes > 0 && totalBytes <= MAX_SNAPSHOT_BYTES && offset + bytes.length <= totalBytes;
    if (!sized) return { type: "unfit" };
    const key = `${epoch}:${position}:${totalBytes}:${asBuffer(digest).toString("hex")}`;
    if (offset === 0 && key !== this.#key) {
      this.clear();
      this.#key = key;
    }
    if (key !== this.#key || offset > this.#received) return { type: "unfit" };
    if (offset === this.#received && bytes.length > 0) {
      this.#parts.push(Buffer.from(bytes));
      this.#received += bytes.length;
    }
    if (this.#received < totalBytes) return { type: "part", offset: this.#received };
    const whole = Buffer.concat(this.#parts);
    this.clear();
    const known = !isZero(asBuffer(stateHash), 0, stateHash.length);
    if (known && !asBuffer(stateHash).equals(this.#sha256(whole))) return { type: "unfit" };
    return { type: "whole", bytes: whole };
  }
}
