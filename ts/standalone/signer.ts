/** Makes the statements of a standalone license server: what all its sound containers hold, signed by its own key. */
import { createHash, type KeyObject, sign } from "node:crypto";
import { type ContainerNumber, parseContainerNumber } from "../license/genesis.js";
import { compareNumbers, OWN_STATEMENT_DOMAIN } from "../license/own-statement.js";
import { compareKeys } from "../license/terms.js";
import type { SignedStatement } from "../upstream/holding.js";
import type { HeldContainer } from "../upstream/statement.js";
import { canonicalJson } from "../wire/canonical.js";

export class StandaloneSigner {
  /** The sound containers, in the order of their files. */
  containers: readonly HeldContainer[] = [];
  readonly #key: KeyObject;

  /** `key`: Ed25519 private key. */
  constructor(key: KeyObject) {
    this.#key = key;
  }

  /** Every sound container is served. */
  states(container: HeldContainer): boolean {
    return this.containers.includes(container);
  }

  /** The statement under `version`. Null under version 0 when nothing is held: nothing was stated, so nothing is taken back. */
  make(version: number): SignedStatement | null {
    if (this.containers.length === 0 && version === 0) return null;
    const containers = this.containers
      .map(({ container, actId, items }) => ({ actId, container, items: items.toSorted(compareKeys) }))
      .toSorted((a, b) => compareNumbers(numberOf(a.container), numberOf(b.container)));
    const payload = Buffer.from(canonicalJson({ containers, version }));
    return {
      bytes: Buffer.concat([sign(null, Buffer.concat([OWN_STATEMENT_DOMAIN, payload]), this.#key), payload]),
      payloadDigest: createHash("sha256").update(payload).digest(),
    };
  }
}

/** The number of a container whose file was found sound. */
function numberOf(name: string): ContainerNumber {
  return parseContainerNumber(name) ?? { mask: 0, serial: 0 };
}
