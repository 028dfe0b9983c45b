/** Wires the license tracking of a server: its folder, its keys, its thread. */
import { hkdfSync } from "node:crypto";
import { join } from "node:path";
import type { TrackingConfig } from "../config/index.js";
import { type TrackedServer, type TrackingLog, TrackingService } from "../tracking/service.js";
import { WriterClient } from "../tracking/writer-client.js";

const PSEUDONYM_INFO = "tmr-tracking-pseudonym/1";
const KEY_FILE = "tracking-key.json";

/** What tracking says and uses of the server that it belongs to. */
export interface TrackingOwner {
  readonly name: string;
  readonly address: string;
  /** what is served: a virtual container, say */
  readonly system: string;
  readonly stateFolder: string;
  /** 32 bytes that both twins have: with them one name has one pseudonym */
  readonly secret: Uint8Array;
}

/** Starts what `[tracking]` says; null when there is no such table. */
export function startTracking(
  config: TrackingConfig | null,
  owner: TrackingOwner,
  server: TrackedServer,
  log: TrackingLog,
): TrackingService | null {
  if (config === null) return null;
  if (!config.enabled) return new TrackingService(server, null, log);
  const { folder, maxFileBytes, maxAgeDays, maxFirmBytes, pseudonymise, sign } = config;
  const writer = new WriterClient({
    folder,
    server: owner.name,
    address: owner.address,
    system: owner.system,
    keyFile: sign ? join(owner.stateFolder, KEY_FILE) : null,
    pseudonymKey: pseudonymise ? new Uint8Array(hkdfSync("sha256", owner.secret, "", PSEUDONYM_INFO, 32)) : null,
    maxFileBytes,
    maxAgeDays,
    maxSeriesBytes: maxFirmBytes,
  });
  log.info({ folder }, "license tracking is on");
  return new TrackingService(server, writer, log);
}
