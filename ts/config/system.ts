/** system.toml: what all five servers and the clients know about one TMR system. It holds no secret. */
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { checkDocument, valueAt } from "./document.js";
import { Faults } from "./faults.js";
import {
  address,
  base64url,
  integer,
  line,
  path,
  table,
  U32_MAX,
  UNIVERSAL_FIRM_CODE_MIN,
  virtualContainer,
} from "./fields.js";
import { deepFreeze } from "./freeze.js";
import { readToml } from "./toml-file.js";

export type Twin = 0 | 1;
export type UpstreamId = 1 | 2 | 3;

/** One of the two TMR servers; its index in {@link System.servers} is its twin number. */
export interface ServerEntry {
  readonly name: string;
  /** `host:port` where clients connect */
  readonly clients: string;
  /** `host:port` where the other twin connects */
  readonly twin: string;
  /** X25519 public key toward upstreams and twin, 32 bytes */
  readonly key: Buffer;
}

/** One of the three upstreams; upstream `id` is at index id - 1. */
export interface UpstreamEntry {
  readonly id: UpstreamId;
  readonly name: string;
  /** `host:port` where the TMR servers connect */
  readonly address: string;
  /** X25519 public key, 32 bytes */
  readonly key: Buffer;
  /** Ed25519 public key for holding statements, 32 bytes */
  readonly signingKey: Buffer;
  /** X25519 public key that its licenses are encrypted to, 32 bytes; left out: its containers are signed alone */
  readonly sealingKey?: Buffer | undefined;
  /** of a machine that has replaced another: the signing key that the system was founded with, for its genesis */
  readonly foundedWith?: Buffer | undefined;
}

/** A firm whose containers are trusted. */
export interface FirmEntry {
  readonly firmCode: number;
  readonly name: string;
  /** Ed25519 public key, 32 bytes */
  readonly key: Buffer;
}

/** The description of one TMR system, frozen. */
export interface System {
  /** absolute path of the file it was read from */
  readonly file: string;
  readonly name: string;
  /** base64url of 16 random bytes */
  readonly id: string;
  /** `131-serial` */
  readonly virtualContainer: string;
  /** X25519 public key that both TMR servers show to clients, 32 bytes */
  readonly clientKey: Buffer;
  /** `host:port` that belongs to whichever TMR server is active; clients dial it first */
  readonly virtualAddress?: string;
  readonly servers: readonly [ServerEntry, ServerEntry];
  readonly upstreams: readonly [UpstreamEntry, UpstreamEntry, UpstreamEntry];
  readonly firms: readonly FirmEntry[];
}

const serverSchema = table({ name: line(64), clients: address, twin: address, key: base64url(32) });
const upstreamSchema = table({
  id: z.literal([1, 2, 3], { error: "1, 2 or 3" }),
  name: line(64),
  address,
  key: base64url(32),
  signingKey: base64url(32),
  sealingKey: base64url(32).optional(),
  foundedWith: base64url(32).optional(),
});
/** One `[[firm]]` table. */
const firmSchema = table({
  firmCode: integer(UNIVERSAL_FIRM_CODE_MIN, U32_MAX),
  name: line(128),
  key: base64url(32),
});

/** The firms whose containers are trusted, as every description has them. */
export const firmTables = z.array(firmSchema, { error: "[[firm]] tables" }).default([]);

function exactly<S extends z.ZodType>(schema: S, count: number, what: string) {
  const error = `exactly ${count} [[${what}]] tables`;
  return z.array(schema, { error }).length(count, { error });
}

const systemSchema = table({
  name: line(64),
  id: base64url(16),
  virtualContainer,
  clientKey: base64url(32),
  virtualAddress: address.optional(),
  server: exactly(serverSchema, 2, "server"),
  upstream: exactly(upstreamSchema, 3, "upstream"),
  firm: firmTables,
});

/**
 * Reads and checks system.toml. Throws ERR_TMR_CONFIG with every fault ({@link FaultsError}) or ERR_TMR_FILE when it
 * cannot be read.
 */
export function loadSystem(file: string): System {
  const faults = new Faults();
  const system = readSystem(file, faults);
  faults.throwIfAny("ERR_TMR_CONFIG");
  return system as System;
}

/** Like {@link loadSystem}, but adds to the caller's faults; undefined when there was any in this file. */
export function readSystem(file: string, faults: Faults): System | undefined {
  const before = faults.count;
  const raw = readToml(file, faults);
  if (raw === undefined) return undefined;
  const parsed = checkDocument(systemSchema, raw, file, faults);
  checkUnique(raw, file, faults);
  if (parsed === undefined || faults.count > before) return undefined;
  const { server, upstream, firm, id, virtualAddress, ...rest } = parsed;
  return deepFreeze({
    file: resolve(file),
    ...rest,
    ...(virtualAddress === undefined ? {} : { virtualAddress }),
    id: id.toString("base64url"),
    servers: server as unknown as System["servers"],
    upstreams: upstream.toSorted((a, b) => a.id - b.id) as unknown as System["upstreams"],
    firms: firm,
  });
}

/** Groups of keys whose values must all differ, e.g. two servers cannot have one address. A key of no list is at top level. */
const distinct: readonly (readonly [what: string, keys: readonly (readonly [list: string, key: string])[]])[] = [
  ["an id", [["upstream", "id"]]],
  ["a Firm Code", [["firm", "firmCode"]]],
  [
    "a name",
    [
      ["server", "name"],
      ["upstream", "name"],
    ],
  ],
  [
    "an address",
    [
      ["", "virtualAddress"],
      ["server", "clients"],
      ["server", "twin"],
      ["upstream", "address"],
    ],
  ],
  [
    "a key",
    [
      ["server", "key"],
      ["upstream", "key"],
    ],
  ],
  ["a signing key", [["upstream", "signingKey"]]],
  ["a sealing key", [["upstream", "sealingKey"]]],
];

// Works on the raw document, so that these faults are found together with those of the schema.
function checkUnique(raw: unknown, file: string, faults: Faults): void {
  for (const [what, keys] of distinct) {
    const seen = new Map<unknown, string>();
    const take = (value: unknown, place: string): void => {
      if (value === undefined) return;
      const first = seen.get(value);
      if (first === undefined) seen.set(value, place);
      else faults.add(file, place, `${what} of its own`, `the same as ${first}`);
    };
    for (const [list, key] of keys) {
      const rows = list === "" ? undefined : valueAt(raw, [list]);
      if (list === "") take(valueAt(raw, [key]), key);
      if (!Array.isArray(rows)) continue;
      rows.forEach((row: unknown, i) => take(valueAt(row, [key]), `${list}[${i}].${key}`));
    }
  }
}

/** What makes the genesis of a system; contracts of ts/license name the same shape. */
export interface SystemGenesis {
  readonly id: string;
  readonly virtualContainer: string;
  /** base64url signing keys of upstreams 1, 2, 3 */
  readonly upstreams: readonly [string, string, string];
}

/** The part of the description that the license state machine starts from. */
export function genesisOf(system: System): SystemGenesis {
  const keys = system.upstreams.map(({ signingKey, foundedWith }) => (foundedWith ?? signingKey).toString("base64url"));
  return {
    id: system.id,
    virtualContainer: system.virtualContainer,
    upstreams: keys as unknown as SystemGenesis["upstreams"],
  };
}

/** The `system` path of a document whose other parts may be faulty, so that the faults of both files are found at once. */
export function namedPath(raw: unknown, section: string): string | undefined {
  const named = valueAt(raw, [section, "system"]);
  return path.safeParse(named).success ? (named as string) : undefined;
}

/**
 * Reads the system.toml that `file` names under `key`. A relative path starts at that file. A system file that cannot
 * be read is a fault of the file that names it.
 */
export function readNamedSystem(file: string, key: string, named: string, faults: Faults): System | undefined {
  const systemFile = resolve(dirname(file), named);
  try {
    return readSystem(systemFile, faults);
  } catch (error) {
    faults.add(file, key, "a readable system description", error instanceof Error ? error.message : String(error));
    return undefined;
  }
}
