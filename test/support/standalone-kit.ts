/** A license machine of a standalone server, and what its own containers hold. */
import type { StandaloneGenesis } from "../../ts/license/genesis.js";
import { OWN_STATEMENT_DOMAIN } from "../../ts/license/own-statement.js";
import type { Terms } from "../../ts/license/terms.js";
import { canonicalJson } from "../../ts/wire/canonical.js";
import { LicenseKit, stating, type Told } from "./license-kit.js";
import { signAs, testGenesis } from "./license-ports.js";

export const standaloneGenesis: StandaloneGenesis = { id: testGenesis.id, upstreams: [testGenesis.upstreams[0]] };

/** An ordinary license. */
export function ordinary(itemRef: number, some: Partial<Terms> = {}): Terms {
  return {
    actId: 1,
    firmCode: 6000010,
    productCode: 13,
    tmrId: 0,
    itemRef,
    text: `Item ${itemRef}`,
    quantity: 1,
    featureMap: 0,
    ...some,
  };
}

export interface OwnContainer {
  readonly container: string;
  readonly actId?: number;
  readonly items: readonly unknown[];
}

/** The signed statement of a standalone server; `as`: who signs. */
export function ownStatement(
  version: unknown,
  containers: readonly unknown[],
  as = 1,
  domain = OWN_STATEMENT_DOMAIN,
): Buffer {
  const payload = Buffer.from(canonicalJson({ containers, version }));
  return Buffer.concat([signAs(as, Buffer.concat([domain, payload])), payload]);
}

export class StandaloneKit extends LicenseKit {
  #version = 0;

  constructor() {
    super(undefined, standaloneGenesis);
    this.reached = 1;
  }

  /** The server states its containers with the next version. */
  holdOwn(...containers: OwnContainer[]): Told {
    this.#version += 1;
    const stated = containers.map(({ container, actId = 1, items }) => ({ actId, container, items }));
    return this.one(stating(1, ownStatement(this.#version, stated)));
  }
}
