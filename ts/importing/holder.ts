/** A license server as the holder of containers: its keys, its folders, and whose signatures count there. */
import { ed25519PublicKey, x25519PublicKey } from "../config/key-files.js";
import type { StandaloneConfig } from "../config/standalone.js";
import type { UpstreamConfig } from "../config/upstream.js";
import { ACTIVATION_MASK, type ContainerTrust, standaloneTrust, trustOf } from "../container/container-file.js";
import { TmrError } from "../errors.js";

/** What contexts are made from and updates are imported into. */
export interface Holder {
  readonly name: string;
  /** folder of the container files */
  readonly containers: string;
  /** folder of what is the server's own */
  readonly state: string;
  readonly kind: "activation" | "dongle" | "cloud";
  /** mask byte of the containers that it can have */
  readonly mask: number;
  /** Ed25519 seed, 32 bytes */
  readonly signing: Uint8Array;
  /** X25519 private key, 32 bytes */
  readonly sealing: Uint8Array;
  /** base64url public halves */
  readonly holder: string;
  readonly sealingKey: string;
  readonly trust: ContainerTrust;
}

/** An upstream of a TMR system. Throws ERR_TMR_KEY when it has no sealing key. */
export function upstreamHolder(config: UpstreamConfig): Holder {
  return holderOf(config, trustOf(config.system, config.id));
}

/** A standalone license server. Throws ERR_TMR_KEY when it has no sealing key. */
export function standaloneHolder(config: StandaloneConfig): Holder {
  return holderOf(config, standaloneTrust(config.standalone));
}

function holderOf(config: UpstreamConfig | StandaloneConfig, trust: ContainerTrust): Holder {
  const { name, containers, state, keys } = config;
  const { signing, sealing } = keys;
  if (sealing === undefined) {
    const advice =
      "licenses are activated only where they can be encrypted to the server: docs/activation.md, Old keys";
    throw new TmrError("ERR_TMR_KEY", `the key file of ${name} has no sealing key; ${advice}`);
  }
  const holder = ed25519PublicKey(signing).toString("base64url");
  const sealingKey = x25519PublicKey(sealing).toString("base64url");
  const kind = { kind: "activation", mask: ACTIVATION_MASK } as const;
  return { name, containers, state, ...kind, signing, sealing, holder, sealingKey, trust };
}
