/** upstream.toml: the configuration of one upstream license server. */
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { checkDocument } from "./document.js";
import { Faults } from "./faults.js";
import { address, type LogLevel, log, path, table } from "./fields.js";
import { deepFreeze } from "./freeze.js";
import { loadUpstreamKeys, type UpstreamKeys } from "./key-files.js";
import { namedPath, readNamedSystem, type System, type UpstreamEntry, type UpstreamId } from "./system.js";
import { readToml } from "./toml-file.js";

/** A loaded upstream.toml, frozen; paths are absolute. */
export interface UpstreamConfig {
  /** absolute path of upstream.toml */
  readonly file: string;
  readonly id: UpstreamId;
  /** as in system.toml */
  readonly name: string;
  /** folder of the store */
  readonly state: string;
  /** folder of the container files */
  readonly containers: string;
  /** `host:port` */
  readonly listen: string;
  readonly store: {
    /**
     * false: what this upstream acknowledges may not be on its disk yet, and a power failure can lose it, promises
     * included. For measuring and for systems that need not keep anything; said loudly in log and status.
     */
    readonly durable: boolean;
  };
  readonly log: { readonly level: LogLevel };
  readonly keys: UpstreamKeys;
  readonly system: System;
}

/** The `[store]` table. */
export const storing = table({ durable: z.boolean({ error: "true or false" }).default(true) }).prefault({});

const schema = table({
  upstream: table({
    // A standalone license server has a schema of its own: standalone.ts.
    mode: z.literal("tmr", { error: '"tmr" or "standalone"' }).optional(),
    id: z.literal([1, 2, 3], { error: "1, 2 or 3" }),
    state: path,
    containers: path,
    key: path,
    system: path,
    listen: address.optional(),
  }),
  store: storing,
  log,
});

/**
 * Reads upstream.toml, the system.toml that it names and the keys. Throws ERR_TMR_CONFIG with every fault of both
 * files, ERR_TMR_KEY for the key file, ERR_TMR_FILE when `file` cannot be read.
 */
export function loadUpstreamConfig(file: string): UpstreamConfig {
  const faults = new Faults();
  const raw = readToml(file, faults);
  const parsed = raw === undefined ? undefined : checkDocument(schema, raw, file, faults);
  const named = namedPath(raw, "upstream");
  const system = named === undefined ? undefined : readNamedSystem(file, "upstream.system", named, faults);
  faults.throwIfAny("ERR_TMR_CONFIG");
  const { upstream, store, log: logging } = parsed as z.output<typeof schema>;
  const entry = (system as System).upstreams[upstream.id - 1] as UpstreamEntry;
  const from = dirname(file);
  const where = `upstream ${entry.id} in ${named}`;
  return deepFreeze({
    file: resolve(file),
    id: upstream.id,
    name: entry.name,
    state: resolve(from, upstream.state),
    containers: resolve(from, upstream.containers),
    listen: upstream.listen ?? entry.address,
    store,
    log: logging,
    keys: loadUpstreamKeys(
      resolve(from, upstream.key),
      { publicKey: entry.key, where: `"key" of ${where}` },
      { publicKey: entry.signingKey, where: `"signingKey" of ${where}` },
      entry.sealingKey && { publicKey: entry.sealingKey, where: `"sealingKey" of ${where}` },
    ),
    system: system as System,
  });
}
