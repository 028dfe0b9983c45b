/**
 * A standalone license server process: sockets, files and clocks around the {@link Sequencer}. Sockets give their bytes to
 * the engine; at the end of the turn what has arrived is ordered, made durable and executed, then every answer is written,
 * once per socket.
 */
import { hkdfSync, randomBytes, sign } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import { type SessionTimeouts, type StandaloneConfig, standaloneGenesisOf } from "../config/index.js";
import { ed25519PrivateKey } from "../config/key-files.js";
import { standaloneTrust } from "../container/index.js";
import { Arrived, type Engine, type Gateway, type Sockets } from "../engine/types.js";
import { TmrError } from "../errors.js";
import { genesisDigest } from "../license/genesis.js";
import { ClientListener, clientBounds } from "../server/client-listener.js";
import { SqliteStore } from "../store/sqlite-store.js";
import { StoreDamageError } from "../store/store.js";
import { attesterOf } from "../upstream/attest.js";
import { HeldContainers } from "../upstream/held-containers.js";
import { licensePorts, licenseStates } from "../upstream/license-ports.js";
import { MAX_RESULT_BLOB_BYTES } from "../wire/result.js";
import type { StandaloneStatus } from "../wire/server-status.js";
import type { SystemAnswer, SystemRecord } from "../wire/system-record.js";
import { Sequencer } from "./sequencer.js";
import { StandaloneSigner } from "./signer.js";

export interface StandaloneDependencies {
  readonly engine: Engine;
  readonly log: Logger;
  readonly version: string;
  /** A durable write failed: the process must end with this error rather than answer. */
  fatal(error: unknown): void;
}

/** A standalone license server that was started by {@link runStandalone}. */
export interface RunningStandalone {
  /** `host:port` where clients are served */
  readonly address: string;
  status(): StandaloneStatus;
  /** Reads the containers folder again and states what changed; a change in the folder does it too. */
  reload(): Promise<void>;
  /** Has a record ordered and resolves to its result; rejects with ERR_TMR_STATE when it is not known to have been. */
  propose(record: SystemRecord): Promise<SystemAnswer>;
  /** Other time-outs, for sessions that are opened from now on. */
  setSession(session: SessionTimeouts): void;
  /** Answers what is under way, then closes every connection and the store. */
  stop(): Promise<void>;
}

/** The store in the state folder of a standalone license server. */
export const STANDALONE_STORE_NAME = "standalone.sqlite";
const TICK_MS = 50;
const HANDSHAKE_TIMEOUT_MS = 5_000;
/** Batches that one durable write takes. */
const BATCHES_PER_WRITE = 8;

/** Starts a standalone license server. Throws ERR_TMR_STORE, ERR_TMR_FILE, ERR_TMR_LISTEN or ERR_TMR_STORE_WRITE. */
export async function runStandalone(
  config: StandaloneConfig,
  dependencies: StandaloneDependencies,
): Promise<RunningStandalone> {
  const server = new StandaloneServer(config, dependencies);
  await server.start();
  return server;
}

class StandaloneServer implements RunningStandalone {
  readonly #config: StandaloneConfig;
  readonly #dependencies: StandaloneDependencies;
  readonly #log: Logger;
  readonly #store: SqliteStore;
  readonly #gateway: Gateway;
  readonly #sockets: Sockets;
  readonly #sequencer: Sequencer;
  readonly #containers: HeldContainers;
  readonly #clients: ClientListener;
  readonly #startedAtMs = performance.now();
  #address = "";
  #missing = 0;
  #pumpQueued = false;
  #stopped = false;
  #ticker: NodeJS.Timeout | null = null;

  constructor(config: StandaloneConfig, dependencies: StandaloneDependencies) {
    const { engine, log } = dependencies;
    const { folder, trust } = { folder: config.containers, trust: standaloneTrust(config.standalone) };
    this.#config = config;
    this.#dependencies = dependencies;
    this.#log = log;
    const ports = licensePorts(engine);
    const genesis = standaloneGenesisOf(config.standalone);
    this.#store = openStore(config, genesisDigest(genesis, ports.sha256));
    const key = ed25519PrivateKey(config.keys.signing);
    const signer = new StandaloneSigner(key);
    this.#gateway = makeGateway(config, engine);
    this.#sockets = engine.createSockets(this.#gateway, {
      ...clientBounds(config.limits, config.session),
      // It has none.
      maxUpstreamBytes: 1,
      turn: (arrived) => this.#turn(arrived),
    });
    this.#sequencer = new Sequencer({
      ordering: this.#gateway,
      store: this.#store,
      states: licenseStates(genesis, ports),
      sha256: ports.sha256,
      statement: (version) => signer.make(version),
      attest: attesterOf(
        () => this.#containers.sound(),
        (message) => sign(null, message, key),
      ),
      minTimeoutMs: config.session.minTimeoutMs,
      ports: {
        statusDocument: () => this.#statusDocument(),
        missing: (position) => this.#sayMissing(position),
      },
    });
    this.#containers = new HeldContainers({ folder, trust }, signer, log, () => {
      this.#sequencer.containersChanged();
      this.#schedulePump();
    });
    this.#clients = new ClientListener({
      engine,
      gateway: this.#gateway,
      sockets: this.#sockets,
      staticKey: config.keys.noise,
      maxClients: config.limits.maxClients,
      handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
      joined: () => this.#schedulePump(),
    });
  }

  get address(): string {
    return this.#address;
  }

  async start(): Promise<void> {
    try {
      await this.#containers.reload();
      // Before the first client is heard, so that nobody is refused a license whose statement is still to come.
      this.#sequencer.pump(performance.now(), Date.now());
      this.#containers.watch();
      this.#address = await this.#clients.listen(this.#config.listen);
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#ticker = setInterval(() => this.#pump(), TICK_MS);
    if (!this.#config.store.durable) {
      this.#log.error(
        { file: this.#config.file },
        "NOT DURABLE: [store] durable = false, this server answers what is not on its disk yet; a power failure can lose sessions and seats that clients were told of. Never run a server that has to keep its licenses like this",
      );
    }
    const { epoch, position } = this.#sequencer;
    this.#log.info({ address: this.#address, epoch, position }, "standalone license server started");
  }

  reload(): Promise<void> {
    return this.#containers.reload();
  }

  propose(record: SystemRecord): Promise<SystemAnswer> {
    return new Promise((resolve, reject) => {
      this.#sequencer.command(record, (outcome) => {
        if (typeof outcome !== "string") resolve(outcome);
        else reject(new TmrError("ERR_TMR_STATE", `${this.#config.name} is stopping`));
      });
      this.#schedulePump();
    });
  }

  setSession({ minTimeoutMs, timeoutMs, maxTimeoutMs }: SessionTimeouts): void {
    this.#gateway.setSessionTimeouts(minTimeoutMs, timeoutMs, maxTimeoutMs);
    this.#sequencer.minTimeout(minTimeoutMs);
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    // What has arrived is answered; what comes now is told to ask again later.
    if (this.#ticker !== null) this.#pump();
    this.#stopped = true;
    if (this.#ticker !== null) clearInterval(this.#ticker);
    this.#containers.close();
    this.#sequencer.stop();
    await this.#clients.close();
    this.#sockets.close();
    this.#gateway.close();
    this.#store.close();
    this.#log.info("stopped");
  }

  status(): StandaloneStatus {
    const { epoch, position, digest, stateDigest, calendarMs, writes } = this.#sequencer;
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
    return {
      mode: "standalone",
      name: this.#config.name,
      role: this.#stopped ? "stopping" : "active",
      phase: this.#stopped ? "stopped" : "active",
      quorum: !this.#stopped,
      epoch,
      position,
      carried: this.#stopped ? position : this.#gateway.carried,
      digest: hex(digest),
      stateDigest: hex(stateDigest),
      calendarMs,
      durable: this.#config.store.durable,
      clients: this.#clients.clients,
      containers: this.#containers.status(),
      upstreams: [],
      counters: {
        ...(this.#stopped ? {} : { pending: this.#gateway.pending, ...this.#gateway.counters() }),
        ...this.#clients.counters,
        writes,
        missing: this.#missing,
      },
      version: this.#dependencies.version,
      wallMs: Date.now(),
      pid: process.pid,
      uptimeMs: Math.round(performance.now() - this.#startedAtMs),
    };
  }

  // ---- one turn --------------------------------------------------------------------------------------------------

  /** The engine has taken bytes of clients, or some are gone. */
  #turn(arrived: number): void {
    if ((arrived & Arrived.closed) !== 0) {
      for (let closed = this.#sockets.takeClosed(); closed !== null; closed = this.#sockets.takeClosed()) {
        this.#clients.closed(closed);
      }
    }
    this.#pump();
  }

  /** For what happens outside {@link #turn}: in this turn of the event loop, or the next. */
  #schedulePump(): void {
    if (this.#pumpQueued) return;
    this.#pumpQueued = true;
    setImmediate(() => {
      if (this.#pumpQueued) this.#pump();
    });
  }

  #pump(): void {
    this.#pumpQueued = false;
    if (this.#stopped) return;
    try {
      this.#sequencer.pump(performance.now(), Date.now());
    } catch (error) {
      this.#log.fatal({ err: String(error) }, "the license server cannot go on");
      // Nothing that was not made durable may be answered: the clients are cut off, not told goodbye.
      this.#dependencies.fatal(error);
      return;
    }
    this.#sockets.flush();
    // What did not fit into one write waits for the next turn, and the sockets are read before.
    if (this.#gateway.pending > 0) this.#schedulePump();
  }

  // ---- what is said ----------------------------------------------------------------------------------------------

  /** A list of containers too long for one result is left out: `containers` gives it in parts. */
  #statusDocument(): Uint8Array {
    const status = this.status();
    const whole = Buffer.from(JSON.stringify(status));
    return whole.length <= MAX_RESULT_BLOB_BYTES ? whole : Buffer.from(JSON.stringify({ ...status, containers: [] }));
  }

  #sayMissing(position: number): void {
    this.#missing++;
    this.#log.error(
      { position, own: this.#sequencer.position },
      "a client was answered from a position that is not in the log: the store is an old copy, and what was granted since then is forgotten",
    );
  }
}

function openStore(config: StandaloneConfig, digest: Uint8Array): SqliteStore {
  try {
    mkdirSync(config.state, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new TmrError("ERR_TMR_FILE", `the folder ${config.state} cannot be made: ${String(cause)}`, { cause });
  }
  const file = join(config.state, STANDALONE_STORE_NAME);
  try {
    return new SqliteStore({
      upstream: 1,
      genesisDigest: digest,
      file,
      newIncarnation: randomBytes(16),
      durable: config.store.durable,
    });
  } catch (error) {
    if (!(error instanceof StoreDamageError)) throw error;
    // Nobody else has a copy to heal it from, so it is left as it is, for a person to decide.
    const advice = "restore it from a backup, or move it away to begin anew without sessions, units and first uses";
    throw new StoreDamageError(`${error.message}; ${advice}`, { cause: error });
  }
}

function makeGateway(config: StandaloneConfig, engine: Engine): Gateway {
  const { session, limits, keys } = config;
  return engine.createGateway({
    quorum: 1,
    limits: { ...limits, maxBatchesInFlight: BATCHES_PER_WRITE, retainedBatches: BATCHES_PER_WRITE },
    // Proofs of marks outlive the process: they are made with what only this server has.
    twinKey: Buffer.from(hkdfSync("sha256", keys.signing, Buffer.alloc(0), "tmr standalone marks", 32)),
    sessionTimeoutMs: { min: session.minTimeoutMs, default: session.timeoutMs, max: session.maxTimeoutMs },
  });
}
