/**
 * A standalone license server: its description, which clients have too and which holds no secret, and its own
 * upstream.toml with `mode = "standalone"`.
 */
import { dirname, resolve } from "node:path";
import { z } from "zod";
import type { OrderingLimits } from "../engine/types.js";
import { checkDocument, valueAt } from "./document.js";
import { Faults } from "./faults.js";
import { address, base64url, type LogLevel, line, log, path, table } from "./fields.js";
import { deepFreeze } from "./freeze.js";
import { loadUpstreamKeys, type UpstreamKeys } from "./key-files.js";
import { checkRelations, type SessionTimeouts, servingRelations, session, standaloneLimits } from "./serving.js";
import { type FirmEntry, firmTables, loadSystem, namedPath } from "./system.js";
import { readToml } from "./toml-file.js";
import { type TrackingConfig, tracking, trackingOf } from "./tracking.js";
import { storing } from "./upstream.js";

/** The description of a standalone license server, frozen. */
export interface Standalone {
  /** absolute path of the file it was read from */
  readonly file: string;
  readonly name: string;
  /** base64url of 16 random bytes */
  readonly id: string;
  /** `host:port` where clients connect */
  readonly address: string;
  /** X25519 public key, 32 bytes */
  readonly key: Buffer;
  /** Ed25519 public key: its containers are issued to it, 32 bytes */
  readonly signingKey: Buffer;
  /** X25519 public key that its licenses are encrypted to, 32 bytes; left out: its containers are signed alone */
  readonly sealingKey?: Buffer | undefined;
  readonly firms: readonly FirmEntry[];
}

/** A loaded upstream.toml of a standalone license server, frozen; paths are absolute. */
export interface StandaloneConfig {
  /** absolute path of upstream.toml */
  readonly file: string;
  /** as in the description */
  readonly name: string;
  /** folder of the store */
  readonly state: string;
  /** folder of the container files */
  readonly containers: string;
  /** `host:port` */
  readonly listen: string;
  readonly store: { readonly durable: boolean };
  readonly session: SessionTimeouts;
  readonly limits: Omit<OrderingLimits, "maxBatchesInFlight" | "retainedBatches">;
  readonly log: { readonly level: LogLevel };
  /** null: no such table */
  readonly tracking: TrackingConfig | null;
  readonly keys: UpstreamKeys;
  readonly standalone: Standalone;
}

/** Where clients find whoever serves them: a TMR system or a standalone license server. */
export interface Service {
  readonly kind: "tmr" | "standalone";
  readonly name: string;
  /** X25519 public key that every server of it shows to clients, 32 bytes */
  readonly clientKey: Buffer;
  readonly servers: readonly { readonly name: string; readonly clients: string }[];
  /** what a client dials, in this order: the virtual address where there is one, then the servers' own */
  readonly addresses: readonly string[];
}

const mode = z.literal("standalone", { error: '"standalone"' });
const descriptionSchema = table({
  mode,
  name: line(64),
  id: base64url(16),
  address,
  key: base64url(32),
  signingKey: base64url(32),
  sealingKey: base64url(32).optional(),
  firm: firmTables,
});
const configSchema = table({
  upstream: table({ mode, state: path, containers: path, key: path, system: path, listen: address.optional() }),
  store: storing,
  session,
  limits: standaloneLimits,
  log,
  tracking,
});
const defaults = { session: session.parse({}), limits: standaloneLimits.parse({}) };

/**
 * Reads the description of a standalone license server. Throws ERR_TMR_CONFIG with every fault ({@link FaultsError}) or
 * ERR_TMR_FILE when it cannot be read.
 */
export function loadStandalone(file: string): Standalone {
  const faults = new Faults();
  const standalone = readStandalone(file, faults);
  faults.throwIfAny("ERR_TMR_CONFIG");
  return standalone as Standalone;
}

function readStandalone(file: string, faults: Faults): Standalone | undefined {
  const raw = readToml(file, faults);
  const parsed = raw === undefined ? undefined : checkDocument(descriptionSchema, raw, file, faults);
  if (parsed === undefined) return undefined;
  const { firm, id, mode: _, ...rest } = parsed;
  firm.forEach(({ firmCode }, i) => {
    const first = firm.findIndex((other) => other.firmCode === firmCode);
    if (first < i)
      faults.add(file, `firm[${i}].firmCode`, "a Firm Code of its own", `the same as firm[${first}].firmCode`);
  });
  return deepFreeze({ file: resolve(file), ...rest, id: id.toString("base64url"), firms: firm });
}

/**
 * Reads upstream.toml of a standalone license server, the description that it names and the keys. Throws ERR_TMR_CONFIG
 * with every fault of both files, ERR_TMR_KEY for the key file, ERR_TMR_FILE when `file` cannot be read.
 */
export function loadStandaloneConfig(file: string): StandaloneConfig {
  const faults = new Faults();
  const raw = readToml(file, faults);
  const parsed = raw === undefined ? undefined : checkDocument(configSchema, raw, file, faults);
  checkRelations(raw, defaults, servingRelations, file, faults);
  const named = namedPath(raw, "upstream");
  const standalone = named === undefined ? undefined : readNamed(file, named, faults);
  faults.throwIfAny("ERR_TMR_CONFIG");
  const { upstream, ...tables } = parsed as z.output<typeof configSchema>;
  const described = standalone as Standalone;
  const from = dirname(file);
  return deepFreeze({
    file: resolve(file),
    name: described.name,
    state: resolve(from, upstream.state),
    containers: resolve(from, upstream.containers),
    listen: upstream.listen ?? described.address,
    ...tables,
    tracking: trackingOf(tables.tracking, resolve(from, upstream.state)),
    keys: loadUpstreamKeys(
      resolve(from, upstream.key),
      { publicKey: described.key, where: `"key" in ${named}` },
      { publicKey: described.signingKey, where: `"signingKey" in ${named}` },
      described.sealingKey && { publicKey: described.sealingKey, where: `"sealingKey" in ${named}` },
    ),
    standalone: described,
  });
}

function readNamed(file: string, named: string, faults: Faults): Standalone | undefined {
  try {
    return readStandalone(resolve(dirname(file), named), faults);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    faults.add(file, "upstream.system", "a readable description of a standalone license server", reason);
    return undefined;
  }
}

/** Whether this upstream.toml is of a standalone license server. Says nothing of what else is in it. */
export function isStandaloneConfig(file: string): boolean {
  return valueAt(readToml(file, new Faults()), ["upstream", "mode"]) === "standalone";
}

/** Whether this is the description of a standalone license server, rather than of a TMR system. */
export function isStandalone(file: string): boolean {
  return valueAt(readToml(file, new Faults()), ["mode"]) === "standalone";
}

/** Reads system.toml or the description of a standalone license server, for a client. Throws as {@link loadSystem}. */
export function loadService(file: string): Service {
  if (isStandalone(file)) {
    const { name, key, address: clients } = loadStandalone(file);
    return { kind: "standalone", name, clientKey: key, servers: [{ name, clients }], addresses: [clients] };
  }
  const { name, clientKey, servers, virtualAddress } = loadSystem(file);
  const own = servers.map(({ clients }) => clients);
  const addresses = virtualAddress === undefined ? own : [virtualAddress, ...own];
  return { kind: "tmr", name, clientKey, servers, addresses };
}

/** What makes the genesis of a standalone license server; contracts of ts/license name the same shape. */
export function standaloneGenesisOf({ id, signingKey }: Standalone): {
  readonly id: string;
  readonly upstreams: readonly [string];
} {
  return { id, upstreams: [signingKey.toString("base64url")] };
}
