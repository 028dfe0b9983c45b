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

/** License tracking of one server, as its configuration says: from its start on, and after a reload. */
export class Tracking {
  readonly #owner: TrackingOwner;
  readonly #server: TrackedServer;
  readonly #log: TrackingLog;
  #service: TrackingService | null = null;
  #running = "null";

  constructor(owner: TrackingOwner, server: TrackedServer, log: TrackingLog) {
    this.#owner = owner;
    this.#server = server;
    this.#log = log;
  }

  /** Null: there is no such table. */
  start(config: TrackingConfig | null): void {
    this.#running = JSON.stringify(config);
    this.#service = config === null ? null : startTracking(config, this.#owner, this.#server, this.#log);
  }

  /** Goes over to another configuration; events wait in the system meanwhile. */
  async change(config: TrackingConfig | null): Promise<void> {
    if (JSON.stringify(config) === this.#running) return;
    await this.stop();
    this.start(config);
  }

  /** Says in the files that this server stops. To be called while the server still stands. */
  async stop(): Promise<void> {
    await this.#service?.stop();
    this.#service = null;
  }
}

function startTracking(
  config: TrackingConfig,
  owner: TrackingOwner,
  server: TrackedServer,
  log: TrackingLog,
): TrackingService {
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
