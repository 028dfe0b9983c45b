/**
 * An upstream license server process: one listener, links of the two TMR servers into the {@link Replica}, direct
 * answers for everybody else. The only file of this folder that reads a clock.
 */
import { sign } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import type { Logger } from "pino";
import { genesisOf, type UpstreamConfig } from "../config/index.js";
import { ed25519PrivateKey } from "../config/key-files.js";
import { trustOf } from "../container/index.js";
import type { Engine } from "../engine/types.js";
import { TmrError } from "../errors.js";
import { upstreamHolder } from "../importing/holder.js";
import { genesisDigest } from "../license/genesis.js";
import { StoreDamageError } from "../store/store.js";
import { Connection } from "../transport/connection.js";
import { HalfOpen } from "../transport/half-open.js";
import { type Established, respond } from "../transport/handshake.js";
import { listen } from "../transport/listen.js";
import { Greeting, helloOf, type Versions, versionsOf } from "../wire/hello.js";
import { encodeLink } from "../wire/link.js";
import { MAX_LINK_MESSAGE_BYTES, MAX_PACKET_BYTES } from "../wire/message.js";
import { attesterOf } from "./attest.js";
import { DirectAnswers } from "./direct-answers.js";
import { HeldContainers } from "./held-containers.js";
import { Inbox } from "./inbox.js";
import { licensePorts, licenseStates } from "./license-ports.js";
import { type OpenReplica, type OpenReplicaOptions, openReplica, setAside } from "./open-replica.js";
import { StatementSigner } from "./statement.js";
import type { UpstreamStatus } from "./status.js";
import { answerUpdateRequest, isUpdateRequest } from "./update-requests.js";
import { vouchFor } from "./vouch.js";

export interface UpstreamDependencies {
  readonly engine: Engine;
  readonly log: Logger;
  readonly version: string;
  /** left out: what this build knows */
  readonly versions?: Versions;
  /** when a connection on which nothing is said is closed; default 120,000 */
  readonly idleMs?: number;
  /** A durable write failed or the store is gone: the process must end with this error rather than answer. */
  fatal(error: unknown): void;
}

/** An upstream that was started by {@link runUpstream}. */
export interface RunningUpstream {
  /** `host:port` it listens on */
  readonly address: string;
  status(): UpstreamStatus;
  /** Reads the containers folder again and states what changed; a change in the folder does it too. */
  reload(): Promise<void>;
  /** Answers what has arrived, then closes every connection and the store. */
  stop(): Promise<void>;
}

const HANDSHAKE_TIMEOUT_MS = 5_000;
/** Two TMR servers need a link each; a few more may be half-open after a network fault. */
const MAX_LINKS = 16;
const MAX_CLIENTS = 256;
const MAX_HALF_OPEN = 256;
/** Unsent bytes from which on a peer that does not read is closed; a link has room for several bursts. */
const MAX_CLIENT_UNSENT_BYTES = 1024 * 1024;
const MAX_LINK_UNSENT_BYTES = 8 * MAX_LINK_MESSAGE_BYTES;
/** Who says nothing for so long is closed. A TMR server asks at every heartbeat, at least once a minute. */
const IDLE_MS = 120_000;
/** A link whose peer vanished without a word is noticed by the system's own probes, unless something sent to it waits. */
const KEEP_ALIVE_MS = 10_000;

/**
 * Starts an upstream: store, recovery, containers, listener. Throws ERR_TMR_STORE, ERR_TMR_FILE, ERR_TMR_LISTEN or
 * ERR_TMR_STORE_WRITE when it cannot run.
 */
export async function runUpstream(
  config: UpstreamConfig,
  dependencies: UpstreamDependencies,
): Promise<RunningUpstream> {
  const upstream = new UpstreamServer(config, dependencies);
  await upstream.start();
  return upstream;
}

class UpstreamServer implements RunningUpstream {
  readonly #config: UpstreamConfig;
  readonly #dependencies: UpstreamDependencies;
  readonly #log: Logger;
  readonly #versions: Versions;
  readonly #signer: StatementSigner;
  readonly #containers: HeldContainers;
  readonly #replicaOptions: OpenReplicaOptions;
  readonly #server: Server;
  readonly #direct: DirectAnswers;
  readonly #links = new Map<number, { readonly connection: Connection; readonly server: string }>();
  readonly #clients = new Set<Connection>();
  readonly #inbox = new Inbox<number>();
  readonly #opening = new HalfOpen();
  readonly #counters = {
    links: 0,
    clients: 0,
    refusedHandshakes: 0,
    refusedFull: 0,
    malformedPackets: 0,
    closedUnread: 0,
    lostStores: 0,
  };
  readonly #startedAtMs = performance.now();
  #open: OpenReplica;
  #nextLink = 1;
  #address = "";
  #stopped = false;

  constructor(config: UpstreamConfig, dependencies: UpstreamDependencies) {
    this.#config = config;
    this.#dependencies = dependencies;
    this.#log = dependencies.log;
    this.#versions = dependencies.versions ?? versionsOf(dependencies.version);
    const key = ed25519PrivateKey(config.keys.signing);
    this.#signer = new StatementSigner(config.id, key);
    this.#containers = new HeldContainers(
      { folder: config.containers, trust: trustOf(config.system, config.id) },
      this.#signer,
      this.#log,
      () => this.#open.replica.containersChanged(),
    );
    const ports = licensePorts(dependencies.engine);
    const genesis = genesisOf(config.system);
    this.#replicaOptions = {
      owner: { upstream: config.id, genesisDigest: genesisDigest(genesis, ports.sha256) },
      folder: config.state,
      durable: config.store.durable,
      states: licenseStates(genesis, ports),
      sha256: ports.sha256,
      statement: (version) => this.#signer.make(version),
      attest: attesterOf(
        () => this.#containers.sound(),
        (message) => sign(null, message, key),
      ),
      log: this.#log,
      now: () => new Date(),
    };
    this.#direct = new DirectAnswers({
      name: config.name,
      containers: () => this.#containers.all(),
      status: () => this.status(),
    });
    this.#server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => void this.#accept(socket));
    this.#open = openReplica(this.#replicaOptions);
    if (this.#open.lost) this.#counters.lostStores++;
  }

  get address(): string {
    return this.#address;
  }

  async start(): Promise<void> {
    try {
      await this.#containers.reload();
      this.#containers.watch();
      this.#address = await listen(this.#server, this.#config.listen);
    } catch (error) {
      await this.stop();
      throw error;
    }
    const { promised, logEpoch, blank } = this.#open.replica.meta();
    const { position } = this.#open.replica;
    if (!this.#config.store.durable) {
      this.#log.error(
        { file: this.#config.file },
        "NOT DURABLE: [store] durable = false, this upstream acknowledges what is not on its disk yet; a power failure can lose promises, sessions and seats that clients were told of. Never run a system that has to keep its licenses like this",
      );
    }
    this.#log.info({ address: this.#address, promised, logEpoch, position, blank }, "upstream started");
  }

  reload(): Promise<void> {
    return this.#containers.reload();
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    // What has arrived is made durable and answered; no append is ever half done.
    this.#takeArrived();
    this.#stopped = true;
    this.#containers.close();
    const closed = this.#server.listening
      ? new Promise<void>((resolve) => this.#server.close(() => resolve()))
      : Promise.resolve();
    this.#opening.destroyAll();
    for (const { connection } of this.#links.values()) connection.close();
    for (const connection of this.#clients) connection.close();
    await closed;
    this.#open.store.close();
    this.#log.info("stopped");
  }

  status(): UpstreamStatus {
    const { id, name } = this.#config;
    const { replica } = this.#open;
    const { promised, logEpoch, incarnation, blank } = replica.meta();
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
    return {
      id,
      name,
      promised,
      logEpoch,
      position: replica.position,
      digest: hex(replica.digest),
      stateDigest: hex(replica.state.stateDigest),
      incarnation: hex(incarnation),
      blank,
      durable: this.#config.store.durable,
      containers: this.#containers.status(),
      links: [...this.#links.values()].map(({ server }) => server),
      clients: this.#clients.size,
      counters: { ...this.#counters, ...replica.counters(), unknownKinds: this.#direct.unknownKinds },
      version: this.#dependencies.version,
      versions: { protocol: this.#versions.protocol, rules: this.#versions.rules },
      wallMs: Date.now(),
      calendarMs: replica.state.calendarMs,
      pid: process.pid,
      uptimeMs: Math.round(performance.now() - this.#startedAtMs),
    };
  }

  get #idleMs(): number {
    return this.#dependencies.idleMs ?? IDLE_MS;
  }

  // ---- connections -----------------------------------------------------------------------------------------------

  /** The name of the TMR server with this key, or undefined: an upstream has links with these two only. */
  #serverOf(key: Buffer | null): string | undefined {
    return key === null ? undefined : this.#config.system.servers.find((server) => server.key.equals(key))?.name;
  }

  async #accept(socket: Socket): Promise<void> {
    if (this.#stopped) {
      socket.destroy();
      return;
    }
    if (this.#opening.size >= MAX_HALF_OPEN) this.#opening.dropOldest();
    this.#opening.add(socket);
    const established = await respond(socket, this.#dependencies.engine, {
      staticKey: this.#config.keys.noise,
      purposeOf: (pattern) => (pattern === "IK" ? "link" : "client"),
      admit: (pattern, key) => pattern === "NK" || this.#serverOf(key) !== undefined,
      maxMessageBytes: (purpose) => (purpose === "link" ? MAX_LINK_MESSAGE_BYTES : MAX_PACKET_BYTES),
      timeoutMs: HANDSHAKE_TIMEOUT_MS,
    }).catch(() => null);
    this.#opening.delete(socket);
    if (established === null) {
      if (!this.#stopped) this.#counters.refusedHandshakes++;
      socket.destroy();
      return;
    }
    if (this.#stopped || (established.purpose === "client" && this.#clients.size >= MAX_CLIENTS)) {
      this.#counters.refusedFull++;
      established.session.close();
      socket.destroy();
    } else if (established.purpose === "link") {
      this.#openLink(socket, established);
    } else {
      this.#openClient(socket, established);
    }
  }

  #openLink(socket: Socket, established: Established): void {
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    const server = this.#serverOf(established.remoteStaticKey) ?? "unknown";
    const proven = this.#opening.hold(socket, HANDSHAKE_TIMEOUT_MS);
    const greeting = new Greeting(this.#versions);
    let link = 0;
    let refused = false;
    const connection = new Connection(socket, established, {
      message: (message) => {
        if (refused) return;
        const heard = greeting.take(message);
        if (heard.type !== "message") connection.send(helloOf(this.#versions));
        if (heard.type === "refused") {
          // It has time to read why and to leave; as one that is half-open it is closed then.
          refused = true;
          this.#log.error({ server, why: heard.why }, "a TMR server cannot be talked to");
          return;
        }
        if (link === 0) {
          proven();
          link = this.#addLink(connection, server);
        }
        if (heard.type === "hello") return;
        if (isUpdateRequest(message)) void this.#answerUpdateRequest(connection, message);
        else if (this.#inbox.put(link, message)) setImmediate(() => this.#takeArrived());
      },
      closed: (error) => {
        proven();
        if (link === 0) {
          if (!this.#stopped) this.#counters.refusedHandshakes++;
          return;
        }
        this.#countMalformed(error);
        this.#links.delete(link);
        this.#open.replica.disconnected(link);
        this.#log.info({ server, link, reason: error?.message ?? "closed" }, "TMR server disconnected");
      },
    });
    socket.setTimeout(this.#idleMs, () => connection.close());
  }

  #addLink(connection: Connection, server: string): number {
    // A TMR server that connects again and again leaves dead links behind: the oldest gives way.
    if (this.#links.size >= MAX_LINKS) this.#links.values().next().value?.connection.close();
    const link = this.#nextLink++;
    this.#links.set(link, { connection, server });
    this.#counters.links++;
    this.#open.replica.connected(link);
    this.#log.info({ server, link }, "TMR server connected");
    return link;
  }

  #countMalformed(error: Error | null): void {
    if (error instanceof TmrError && error.code === "ERR_TMR_PROTOCOL") this.#counters.malformedPackets++;
  }

  /**
   * What the links delivered in this turn of the event loop. While a write was being made durable more may have come
   * than one message: it is read from all sockets first, and then taken in one go.
   */
  #takeArrived(): void {
    try {
      for (const { link, messages } of this.#inbox.take()) {
        const connection = this.#links.get(link)?.connection;
        if (connection === undefined) continue;
        connection.sendAll(this.#open.replica.receiveAll(messages, link, performance.now(), Date.now()));
        if (connection.bufferedBytes > MAX_LINK_UNSENT_BYTES) this.#closeUnread(connection);
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Beside the log, in its own time: files are read and written for it. */
  async #answerUpdateRequest(connection: Connection, message: Buffer): Promise<void> {
    const answer = await answerUpdateRequest(Buffer.from(message), {
      holder: () => upstreamHolder(this.#config),
      reload: () => this.reload(),
      stated: () => ({ isStated: this.#open.replica.isStated, position: this.#open.replica.position }),
      vouch: (upstream, key) => {
        const { genesisDigest: system } = this.#replicaOptions.owner;
        return vouchFor(upstream, key, this.#config, system, this.#open.replica.state);
      },
      now: () => Date.now(),
      log: this.#log,
    });
    if (answer === null) this.#counters.malformedPackets++;
    else if (!connection.closed) connection.send(encodeLink(answer));
  }

  #openClient(socket: Socket, established: Established): void {
    const connection = new Connection(socket, established, {
      message: (message) => this.#takeClient(connection, message),
      closed: (error) => {
        this.#clients.delete(connection);
        this.#countMalformed(error);
      },
    });
    socket.setTimeout(this.#idleMs, () => connection.close());
    this.#clients.add(connection);
    this.#counters.clients++;
  }

  #takeClient(connection: Connection, message: Buffer): void {
    const packets = this.#direct.answer(message);
    if (packets === null) this.#counters.malformedPackets++;
    for (const packet of packets ?? []) connection.send(packet);
    if (packets === null) connection.close();
    else if (connection.bufferedBytes > MAX_CLIENT_UNSENT_BYTES) this.#closeUnread(connection);
  }

  #closeUnread(connection: Connection): void {
    if (!connection.closed) this.#counters.closedUnread++;
    connection.close();
  }

  // ---- faults ----------------------------------------------------------------------------------------------------

  /**
   * Damage that shows while running is a lost disk like at the start: the links are closed, so that the TMR servers
   * meet a blank upstream. Anything else ends the process: what it would answer might not be durable or not right.
   */
  #failed(error: unknown): void {
    const links = [...this.#links.values()];
    for (const { connection } of links) connection.close();
    if (this.#stopped) return;
    try {
      if (!(error instanceof StoreDamageError)) throw error;
      this.#open.store.close();
      setAside(this.#replicaOptions, error);
      this.#counters.lostStores++;
      this.#open = openReplica(this.#replicaOptions);
    } catch (cause) {
      this.#log.fatal({ err: String(cause) }, "the upstream cannot go on");
      void this.stop();
      this.#dependencies.fatal(cause);
    }
  }
}
