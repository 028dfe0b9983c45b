/** What the license state machine is given in production: node:crypto and the engine's merge. */
import { hash, randomInt, verify } from "node:crypto";
import { ed25519PublicKeyObject } from "../config/key-files.js";
import type { Engine } from "../engine/types.js";
import type { AnyGenesis, LicensePorts } from "../license/genesis.js";
import { LicenseMachine } from "../license/machine.js";
import type { LicenseStates } from "./license-state.js";

/** Ports for {@link LicenseMachine}. */
export function licensePorts(engine: Pick<Engine, "mergeContainers">): LicensePorts {
  return {
    sha256: (bytes) => hash("sha256", bytes, "buffer"),
    mergeContainers: (a, b, c) => engine.mergeContainers(a, b, c),
    verifyEd25519: (publicKey, message, signature) =>
      verify(null, message, ed25519PublicKeyObject(publicKey), signature),
    indexSeed: randomInt(2 ** 32),
  };
}

/** The license states of one system. */
export function licenseStates(genesis: AnyGenesis, ports: LicensePorts): LicenseStates {
  return {
    create: () => LicenseMachine.create(genesis, ports),
    restore: (snapshot) => LicenseMachine.restore(snapshot, genesis, ports),
  };
}
