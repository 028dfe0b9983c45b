/** The system that is simulated: its keys, its licenses, and the functions that production takes from node:crypto. */
import { createPrivateKey, createPublicKey, hash, type KeyObject, verify } from "node:crypto";
import type { SessionNames } from "../../ts/client/types.js";
import { loadEngine } from "../../ts/engine/index.js";
import type { Engine } from "../../ts/engine/types.js";
import { type Genesis, genesisDigest, type LicensePorts } from "../../ts/license/genesis.js";
import { LicenseMachine } from "../../ts/license/machine.js";
import type { Terms } from "../../ts/license/terms.js";
import type { LicenseState, LicenseStates } from "../../ts/upstream/license-state.js";
import type { HeldContainer } from "../../ts/upstream/statement.js";
import type { ProtocolRules } from "../../ts/wire/rules.js";

export type UpstreamId = 1 | 2 | 3;
export const upstreamIds: readonly UpstreamId[] = [1, 2, 3];

const pkcs8 = Buffer.from("302e020100300506032b657004220420", "hex");
const spki = Buffer.from("302a300506032b6570032100", "hex");

/** Key of each upstream: the same in every run, so that equal seeds give equal bytes. */
export const signingKeys: readonly KeyObject[] = upstreamIds.map((id) =>
  createPrivateKey({ key: Buffer.concat([pkcs8, Buffer.alloc(32, id)]), format: "der", type: "pkcs8" }),
);
const publicKeys = signingKeys.map((key) =>
  createPublicKey(key).export({ format: "der", type: "spki" }).subarray(spki.length),
);

export const genesis: Genesis = {
  id: Buffer.alloc(16, 7).toString("base64url"),
  virtualContainer: "131-729831162",
  upstreams: [base64(0), base64(1), base64(2)],
};

function base64(index: number): string {
  return (publicKeys[index] as Buffer).toString("base64url");
}

export const TWIN_KEY = Buffer.alloc(32, 0x5a);
export const FIRM = 6000010;
/** Where the three clocks begin. */
export const EPOCH_MS = Date.UTC(2026, 0, 1);

export function sha256(bytes: Uint8Array): Buffer {
  return hash("sha256", bytes, "buffer");
}

export const genesisHash: Uint8Array = genesisDigest(genesis, sha256);
export const engine: Engine = loadEngine();

const verified = new Map<string, boolean>();

/** Ed25519, remembering answers: three upstreams and the model ask the same. */
function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = Buffer.concat([publicKey, signature, message]).toString("latin1");
  let answer = verified.get(key);
  if (answer === undefined) {
    if (verified.size > 5_000) verified.clear();
    const object = createPublicKey({ key: Buffer.concat([spki, publicKey]), format: "der", type: "spki" });
    answer = verify(null, message, object, signature);
    verified.set(key, answer);
  }
  return answer;
}

export function checkStatementOf(upstream: number, message: Uint8Array, signature: Uint8Array): boolean {
  const key = publicKeys[upstream - 1];
  return key !== undefined && verifyEd25519(key, message, signature);
}

export const ports: LicensePorts = {
  sha256,
  mergeContainers: (a, b, c) => engine.mergeContainers(a, b, c),
  verifyEd25519,
};

export function licenseStates(rules: ProtocolRules): LicenseStates {
  return {
    create: (): LicenseState => LicenseMachine.create(genesis, ports, undefined, rules),
    restore: (bytes): LicenseState => LicenseMachine.restore(bytes, genesis, ports, undefined, rules),
  };
}

/** A product, and who holds it at first. */
export interface Product {
  readonly terms: Terms;
  readonly holders: readonly UpstreamId[];
  /** the upstream that holds it with other terms */
  readonly odd?: UpstreamId;
}

function product(productCode: number, some: Partial<Terms>, holders: readonly UpstreamId[] = upstreamIds): Product {
  const terms: Terms = {
    actId: 1,
    firmCode: FIRM,
    productCode,
    tmrId: productCode,
    text: `Product ${productCode}`,
    quantity: 1,
    featureMap: 0,
    ...some,
  };
  return { terms, holders };
}

/** Two licenses have a module of this Product Code. */
export const MODULE = 100;

function module(productCode: number, featureMap: number): NonNullable<Terms["modules"]>[number] {
  return { productCode, text: `Module of ${featureMap}`, featureMap };
}

/** Scarce ones first: those are where a mistake shows as over-allocation. */
export const products: readonly Product[] = [
  product(1, { quantity: 1 }),
  product(2, { quantity: 2 }),
  product(3, { quantity: 5, featureMap: 0b1011, unitCounter: 0xffff_ffff }),
  product(4, { quantity: 3 }, [1, 2]),
  product(5, { quantity: 2 }, [3]),
  { ...product(6, { quantity: 4 }), odd: 2 },
  product(7, { quantity: 3, unitCounter: 8, usagePeriodSeconds: 86_400, expirationMs: EPOCH_MS + 30 * 86_400_000 }),
  product(8, { quantity: 3, activationMs: EPOCH_MS + 30 * 86_400_000 }),
  product(9, { quantity: 2, lingerSeconds: 2, unitCounter: 0xffff_ffff, modules: [module(MODULE, 0b1)] }),
  product(10, { quantity: 2, borrowSeconds: 12, borrowRevocable: true, modules: [module(MODULE, 0b11)] }),
  product(11, { quantity: 1, borrowSeconds: 5, lingerSeconds: 1 }),
  product(12, { quantity: 2, namedUser: "", namedUserIntervalSeconds: 4, unitCounter: 6 }),
  product(13, { quantity: 2, usagePeriodSeconds: 15 }),
];
/** Item references of those that count units. */
export const counting: ReadonlySet<number> = new Set(
  products.flatMap(({ terms }) => (terms.unitCounter === undefined ? [] : [terms.tmrId])),
);
/** Those that may be borrowed. */
export const lendable: readonly Product[] = products.filter(({ terms }) => terms.borrowSeconds !== undefined);
export const NAMED_PRODUCT = 12;

/** Who a client is: two share a station, some share a user, some name none. */
export function namesOf(index: number): Omit<SessionNames, "program" | "runtimeVersion"> {
  const users = ["anna", "bert", "cleo", ""];
  return {
    host: `host${index >> 1}`,
    user: users[index % users.length] as string,
    station: index % 5 === 4 ? "s" : "",
  };
}

/** The container of an upstream as it is at first. */
export function firstContainer(upstream: UpstreamId): HeldContainer {
  const items = products
    .filter(({ holders }) => holders.includes(upstream))
    .map(({ terms, odd }) => (odd === upstream ? { ...terms, quantity: terms.quantity + 5 } : terms));
  return { container: `130-${upstream}`, actId: 1, items };
}
