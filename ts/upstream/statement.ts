/**
 * Makes the holding statements of one upstream (protocol.md rule 9): what its sound containers hold for the TMR
 * system, as canonical JSON, behind an Ed25519 signature over "tmr-statement/1\n" and that JSON.
 */
import { createHash, type KeyObject, sign } from "node:crypto";
import { compareKeys, type JoinKey, type Terms } from "../license/terms.js";
import { canonicalJson } from "../wire/canonical.js";
import type { SignedStatement } from "./holding.js";
import type { UpstreamNumber } from "./types.js";

/** One item of a container, as far as stating it needs to know; with TMR-ID 0 it is not stated. */
export type HeldItem = JoinKey & Partial<Terms>;

/** A sound container. */
export interface HeldContainer {
  /** `130-serial` */
  readonly container: string;
  readonly actId: number;
  readonly items: readonly HeldItem[];
}

/** Names no container: what an upstream states that holds nothing any more. */
const NO_CONTAINER = "130-0";

export class StatementSigner {
  /** The sound containers, in the order of their files. */
  containers: readonly HeldContainer[] = [];
  readonly #upstream: UpstreamNumber;
  readonly #key: KeyObject;

  /** `key`: Ed25519 private key. */
  constructor(upstream: UpstreamNumber, key: KeyObject) {
    this.#upstream = upstream;
    this.#key = key;
  }

  /** Whether a container is part of the statement: a statement has one actId, that of the first with TMR items. */
  states(container: HeldContainer): boolean {
    return isForTmr(container) && container.actId === this.containers.find(isForTmr)?.actId;
  }

  /** The statement under `version`. Null under version 0 when nothing is held: nothing was stated, so nothing is taken back. */
  make(version: number): SignedStatement | null {
    const stated = this.containers.filter((container) => this.states(container));
    const [first] = stated;
    if (first === undefined && version === 0) return null;
    const items = stated.flatMap((container) => container.items.filter(isTmrItem)).toSorted(compareKeys);
    const { container, actId } = first ?? { container: NO_CONTAINER, actId: 0 };
    const payload = Buffer.from(canonicalJson({ actId, container, items, upstream: this.#upstream, version }));
    const signature = sign(null, Buffer.concat([Buffer.from("tmr-statement/1\n"), payload]), this.#key);
    return {
      bytes: Buffer.concat([signature, payload]),
      payloadDigest: createHash("sha256").update(payload).digest(),
    };
  }
}

function isTmrItem(item: HeldItem): boolean {
  return item.tmrId !== 0;
}

function isForTmr(container: HeldContainer): boolean {
  return container.items.some(isTmrItem);
}
