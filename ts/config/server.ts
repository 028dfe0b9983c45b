/** tmr.toml: the configuration of one TMR server. */
import { dirname, resolve } from "node:path";
import { z } from "zod";
import type { OrderingLimits } from "../engine/types.js";
import { checkDocument, valueAt } from "./document.js";
import { describe, Faults } from "./faults.js";
import { address, integer, type LogLevel, line, log, path, table } from "./fields.js";
import { deepFreeze } from "./freeze.js";
import { loadServerKeys, type ServerKeys } from "./key-files.js";
import { checkRelations, limits, type Relation, type SessionTimeouts, servingRelations, session } from "./serving.js";
import { namedPath, readNamedSystem, type System, type Twin } from "./system.js";
import { readToml } from "./toml-file.js";
import { type TrackingConfig, tracking, trackingOf } from "./tracking.js";
import { type VirtualIpConfig, virtualIp, virtualIpOf } from "./virtual-ip.js";

/** A loaded tmr.toml, frozen; paths are absolute. */
export interface ServerConfig {
  /** absolute path of tmr.toml */
  readonly file: string;
  readonly twin: Twin;
  /** as in system.toml */
  readonly name: string;
  /** folder of the highest epoch ever used */
  readonly state: string;
  /** `host:port` for clients */
  readonly listen: string;
  /** `host:port` for the other twin */
  readonly twinListen: string;
  readonly timing: {
    readonly heartbeatMs: number;
    /** a peer that was silent this long is suspected */
    readonly suspectMs: number;
    /** how long a takeover waits for the third promise */
    readonly graceMs: number;
  };
  readonly session: SessionTimeouts;
  readonly limits: OrderingLimits;
  readonly log: { readonly level: LogLevel };
  /** null: no such table */
  readonly tracking: TrackingConfig | null;
  /** null: no such table; clients find the servers by their own addresses */
  readonly virtualIp: VirtualIpConfig | null;
  readonly keys: ServerKeys;
  readonly system: System;
}

const timing = table({
  heartbeatMs: integer(10, 60_000).default(200),
  suspectMs: integer(20, 600_000).default(600),
  graceMs: integer(0, 60_000).default(150),
}).prefault({});

const schema = table({
  server: table({
    name: line(64).optional(),
    twin: z.literal([0, 1], { error: "0 or 1" }).optional(),
    state: path,
    key: path,
    system: path,
    listen: address.optional(),
    twinListen: address.optional(),
  }),
  timing,
  session,
  limits,
  log,
  tracking,
  virtualIp,
});

/**
 * Reads tmr.toml, the system.toml that it names and the keys. Throws ERR_TMR_CONFIG with every fault of both files,
 * ERR_TMR_KEY for the key file, ERR_TMR_FILE when `file` cannot be read.
 */
export function loadServerConfig(file: string): ServerConfig {
  const faults = new Faults();
  const raw = readToml(file, faults);
  const parsed = raw === undefined ? undefined : checkDocument(schema, raw, file, faults);
  checkRelations(raw, defaults, relations, file, faults);
  const named = namedPath(raw, "server");
  const system = named === undefined ? undefined : readNamedSystem(file, "server.system", named, faults);
  const twin = whichTwin(raw, system, file, faults);
  const ownAddress =
    parsed === undefined || system === undefined || twin === undefined
      ? null
      : virtualIpOf(
          parsed.virtualIp,
          { file, state: resolve(dirname(file), parsed.server.state), system, twin },
          faults,
        );
  faults.throwIfAny("ERR_TMR_CONFIG");
  const { server, ...tables } = parsed as z.output<typeof schema>;
  const { clientKey, servers } = system as System;
  const entry = servers[twin as Twin];
  const from = dirname(file);
  return deepFreeze({
    file: resolve(file),
    twin: twin as Twin,
    name: entry.name,
    state: resolve(from, server.state),
    listen: server.listen ?? entry.clients,
    twinListen: server.twinListen ?? entry.twin,
    ...tables,
    tracking: trackingOf(parsed?.tracking, resolve(from, server.state)),
    virtualIp: ownAddress,
    keys: loadServerKeys(
      resolve(from, server.key),
      { publicKey: entry.key, where: `"key" of server "${entry.name}" in ${named}` },
      { publicKey: clientKey, where: `"clientKey" in ${named}` },
    ),
    system: system as System,
  });
}

/** `name` or `twin` says which of the two servers this is; with both, they must agree. */
function whichTwin(raw: unknown, system: System | undefined, file: string, faults: Faults): Twin | undefined {
  const name = valueAt(raw, ["server", "name"]);
  const twin = valueAt(raw, ["server", "twin"]);
  if (raw !== undefined && name === undefined && twin === undefined) {
    faults.add(file, "server", "name or twin, to say which of the two servers this is", "neither");
    return undefined;
  }
  if (system === undefined) return undefined;
  const names = system.servers.map((server) => server.name);
  const named = name === undefined ? twin : names.indexOf(name as string);
  if (named === -1) {
    const choices = names.map((choice) => JSON.stringify(choice)).join(" or ");
    faults.add(file, "server.name", `a server of the system: ${choices}`, describe(name));
    return undefined;
  }
  if (twin !== undefined && twin !== named) {
    faults.add(file, "server.twin", `${String(named)}, the place of ${describe(name)} in system.toml`, describe(twin));
  }
  return named as Twin | undefined;
}

const defaults = { timing: timing.parse({}), session: session.parse({}), limits: limits.parse({}) };

const relations: readonly Relation[] = [
  [["timing", "suspectMs"], ["timing", "heartbeatMs"], "or every heartbeat would be suspected", "more"],
  [["session", "minTimeoutMs"], ["timing", "suspectMs"], "or a takeover would end sessions", "more"],
  [["limits", "retainedBatches"], ["limits", "maxBatchesInFlight"], "or a batch under way could be forgotten"],
  ...servingRelations,
];
