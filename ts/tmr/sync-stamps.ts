/**
 * What makes the claims of a promise believable: with Sync an upstream gets a stamp that only the twins can make, over
 * the epoch, the upstream and the members; with a promise it gives the stamp back. So no upstream can claim to have been
 * synced by a later leader than it was, nor other members (protocol.md rule 3).
 */
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { putU64 } from "../wire/bytes.js";
import type { LinkMessageOf } from "../wire/link.js";
import type { UpstreamId } from "./choose.js";

export class SyncStamps {
  readonly #key: Buffer;

  /** `twinKey`: 32 bytes that only the twins hold. */
  constructor(twinKey: Uint8Array) {
    this.#key = Buffer.from(hkdfSync("sha256", twinKey, new Uint8Array(0), "tmr sync stamp", 32));
  }

  /** 32 bytes: HMAC-SHA-256 of u64 epoch, u8 upstream, 48 bytes of members. */
  make(epoch: number, upstream: UpstreamId, members: Uint8Array): Buffer {
    const claim = Buffer.alloc(9);
    putU64(claim, 0, epoch);
    claim[8] = upstream;
    return createHmac("sha256", this.#key).update(claim).update(members).digest();
  }

  /** A log that was never synced has no stamp; it claims the lowest logEpoch there is, and gains nothing by it. */
  fits(promise: LinkMessageOf<"promise">, upstream: UpstreamId): boolean {
    const { logEpoch, members, stamp } = promise;
    return logEpoch === 0 || timingSafeEqual(this.make(logEpoch, upstream, members), stamp);
  }
}
