/**
 * A TMR server process: sockets, clocks and files around {@link TmrCore}. Sockets give their bytes to the engine; at
 * the end of the turn the core decides and makes batches, then everything that is ready is written, once per socket.
 */
import type { Logger } from "pino";
import type { ServerConfig, SessionTimeouts } from "../config/index.js";
import { Arrived, type Gateway, type Sockets } from "../engine/types.js";
import { TmrError } from "../errors.js";
import { roleNumber } from "../failover/twin.js";
import { TwinLink } from "../failover/twin-link.js";
import { startVirtualIp, type VirtualIp } from "../failover/virtual-ip.js";
import { ClientListener, clientBounds } from "../server/client-listener.js";
import { silenceLimitMs } from "../transport/silence.js";
import { Greeting, helloOf, type Versions, versionsOf } from "../wire/hello.js";
import { encodeLink } from "../wire/link.js";
import { MAX_ODD_LICENSES, type ServerStatus } from "../wire/server-status.js";
import type { SystemAnswer, SystemFault, SystemRecord } from "../wire/system-record.js";
import type { AttestationCheck } from "./attestations.js";
import { type UpstreamId, upstreamIds } from "./choose.js";
import { TmrCore } from "./core.js";
import type { CoreEvent } from "./core-ports.js";
import { Holdings } from "./holdings.js";
import type { RunningServer, ServerDependencies } from "./running-server.js";
import { type ServerRecord, ServerState } from "./server-state.js";
import { coreStatus, upstreamStatus } from "./status-parts.js";
import { SyncStamps } from "./sync-stamps.js";
import { systemFaultText } from "./system-fault.js";
import type { Admission } from "./term.js";
import { type UpdateRelay, updateRelay } from "./update-relay.js";
import { MAX_UNSENT_BYTES, UpstreamLink } from "./upstream-link.js";

const TICK_MS = 20;
const HANDSHAKE_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 1_000;

/** Starts a TMR server. Throws ERR_TMR_LISTEN, ERR_TMR_FILE or ERR_TMR_STORE_WRITE when it cannot run. */
export async function runServer(config: ServerConfig, dependencies: ServerDependencies): Promise<RunningServer> {
  const server = new TmrServer(config, dependencies);
  await server.start();
  return server;
}

class TmrServer implements RunningServer {
  readonly #config: ServerConfig;
  readonly #dependencies: ServerDependencies;
  readonly #log: Logger;
  readonly #state: ServerState;
  readonly #gateway: Gateway;
  readonly #sockets: Sockets;
  readonly #core: TmrCore;
  readonly #twinLink: TwinLink;
  readonly #holdings: Holdings;
  readonly updates: UpdateRelay;
  readonly #clients: ClientListener;
  readonly #links: ReadonlyMap<UpstreamId, UpstreamLink>;
  readonly #linkFaults = new Map<UpstreamId, string>();
  readonly #versions: Versions;
  readonly #greetings = new Map<UpstreamId, Greeting>();
  readonly #startedAtMs = performance.now();
  #virtualIp: VirtualIp | null = null;
  #address = "";
  #pumpQueued = false;
  #stopped = false;
  #lastBeatMs = Number.NEGATIVE_INFINITY;
  #ticker: NodeJS.Timeout | null = null;

  constructor(config: ServerConfig, dependencies: ServerDependencies) {
    const { engine } = dependencies;
    this.#config = config;
    this.#dependencies = dependencies;
    this.#log = dependencies.log;
    this.#versions = dependencies.versions ?? versionsOf(dependencies.version);
    this.#state = new ServerState(config.state);
    this.#holdings = new Holdings(engine, dependencies.readStatement);
    this.#gateway = this.#makeGateway();
    this.#sockets = engine.createSockets(this.#gateway, {
      ...clientBounds(config.limits, config.session),
      maxUpstreamBytes: MAX_UNSENT_BYTES,
      turn: (arrived) => this.#turn(arrived),
    });
    this.#core = this.#makeCore();
    this.#twinLink = this.#makeTwinLink();
    this.#clients = new ClientListener({
      engine,
      gateway: this.#gateway,
      sockets: this.#sockets,
      staticKey: config.keys.client,
      maxClients: config.limits.maxClients,
      handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
      joined: (client) => {
        if (this.#core.role === "passive" || this.#core.role === "stopped") this.#core.sayNotActive(client);
        this.#schedulePump();
      },
    });
    this.updates = updateRelay(this.#core, this.#gateway, config.system, {
      faultText: (fault) => this.#faultText(fault),
      sent: () => this.#schedulePump(),
    });
    this.#links = new Map(upstreamIds.map((id) => [id, this.#makeLink(id)]));
  }

  get address(): string {
    return this.#address;
  }

  async start(): Promise<void> {
    try {
      this.#address = await this.#clients.listen(this.#config.listen);
      await this.#twinLink.start();
      this.#virtualIp = startVirtualIp(this.#config, {
        view: (nowMs) => this.#core.addressView(nowMs),
        takeOver: () => this.takeOver(),
        say: (level, text) => this.#log[level](text),
      });
    } catch (error) {
      await this.stop();
      throw error;
    }
    for (const link of this.#links.values()) link.start();
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    this.#log.info({ address: this.#address, twin: this.#config.twin }, "TMR server started, passive");
  }

  takeOver(): void {
    this.#core.takeOver(performance.now());
    this.#schedulePump();
  }

  switchOver(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#core.switchOver(performance.now(), (why) =>
        why === null ? resolve() : reject(new TmrError("ERR_TMR_STATE", why)),
      );
    });
  }

  admit(which: Admission): string | null {
    return this.#core.admit(which, performance.now());
  }

  resume(): string | null {
    return this.#core.resume(performance.now());
  }

  propose(record: SystemRecord): Promise<SystemAnswer> {
    return new Promise((resolve, reject) => {
      this.#core.command(record, (outcome) => {
        if (typeof outcome === "string") reject(new TmrError("ERR_TMR_STATE", this.#faultText(outcome)));
        else resolve(outcome);
      });
      this.#schedulePump();
    });
  }

  setSession({ minTimeoutMs, timeoutMs, maxTimeoutMs }: SessionTimeouts): void {
    this.#gateway.setSessionTimeouts(minTimeoutMs, timeoutMs, maxTimeoutMs);
    this.#core.minTimeout(minTimeoutMs);
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.#ticker !== null) clearInterval(this.#ticker);
    this.#core.stop();
    this.#sayGoodbye();
    // Only now: what is sent from an address that has gone does not leave this machine.
    await this.#virtualIp?.close();
    await this.#clients.close();
    for (const link of this.#links.values()) link.close();
    this.#twinLink.close();
    this.#sockets.close();
    this.#gateway.close();
    this.#log.info("stopped");
  }

  // ---- one turn --------------------------------------------------------------------------------------------------

  /** The engine has taken bytes from sockets, or some are gone. */
  #turn(arrived: number): void {
    if ((arrived & Arrived.closed) !== 0) this.#forgetClosed();
    const nowMs = performance.now();
    for (const upstream of upstreamIds) {
      if ((arrived & (1 << upstream)) !== 0) this.#receivedFrom(upstream, nowMs);
    }
    this.#pump(nowMs);
  }

  #forgetClosed(): void {
    for (let closed = this.#sockets.takeClosed(); closed !== null; closed = this.#sockets.takeClosed()) {
      if (closed.upstream === 0) this.#clients.closed(closed);
      else this.#links.get(closed.upstream as UpstreamId)?.closed(closed);
    }
  }

  /** For what happens outside {@link #turn}: in this turn of the event loop, or the next. */
  #schedulePump(): void {
    if (this.#pumpQueued) return;
    this.#pumpQueued = true;
    setImmediate(() => {
      if (this.#pumpQueued) this.#pump(performance.now());
    });
  }

  #pump(nowMs: number): void {
    this.#pumpQueued = false;
    if (this.#stopped) return;
    this.#core.pump(nowMs);
    this.#virtualIp?.step(nowMs);
    this.#sockets.flush();
  }

  #tick(): void {
    const nowMs = performance.now();
    if (nowMs - this.#lastBeatMs >= this.#config.timing.heartbeatMs) {
      this.#lastBeatMs = nowMs;
      this.#twinLink.beat();
    }
    this.updates.tick(nowMs);
    for (const link of this.#links.values()) link.tick(nowMs);
    this.#core.tick(nowMs);
    this.#virtualIp?.step(nowMs);
    this.#sockets.flush();
  }

  // ---- the parts -------------------------------------------------------------------------------------------------

  #makeGateway(): Gateway {
    const { limits, keys, session } = this.#config;
    return this.#dependencies.engine.createGateway({
      limits,
      twinKey: keys.twinKey,
      sessionTimeoutMs: { min: session.minTimeoutMs, default: session.timeoutMs, max: session.maxTimeoutMs },
    });
  }

  #makeCore(): TmrCore {
    const { twin, timing, session, keys } = this.#config;
    return new TmrCore({
      twin,
      timing,
      ordering: this.#gateway,
      record: this.#state.record,
      minTimeoutMs: session.minTimeoutMs,
      fullBatch: this.#config.limits.maxRequestsPerBatch,
      peerAddress: this.#peer.clients,
      verifyMac: (batch) => this.#dependencies.engine.verifyBatchMac(batch, keys.twinKey),
      checkAttestation: (upstream, given, settle) => void this.#checkAttestation(upstream, given, settle),
      stamps: new SyncStamps(keys.twinKey),
      ports: {
        send: (upstream, message) => this.#gateway.sendControl(upstream, encodeLink(message)),
        durably: (change) => this.#durably(change),
        beat: () => this.#twinLink.beat(),
        tellTwin: (message) => this.#twinLink.tell(message),
        dropClients: () => this.#sayGoodbye(),
        statusDocument: () => Buffer.from(JSON.stringify(this.status()), "utf8"),
        holding: (statement) => {
          if (this.#holdings.take(statement)) this.#logOddLicenses();
        },
        relayed: (upstream, reply) => this.updates.received(upstream, reply),
        say: (event) => this.#say(event),
      },
    });
  }

  #makeTwinLink(): TwinLink {
    return new TwinLink({
      engine: this.#dependencies.engine,
      staticKey: this.#config.keys.noise,
      peerKey: this.#peer.key,
      peerAddress: this.#peer.twin,
      listenAddress: this.#config.twinListen,
      timeoutMs: CONNECT_TIMEOUT_MS,
      versions: this.#versions,
      refused: (why) => this.#log.error({ why }, "the twin cannot be talked to"),
      silenceMs: silenceLimitMs(this.#config.timing.suspectMs),
      say: () => ({
        type: "heartbeat",
        twin: this.#config.twin,
        role: roleNumber(this.#core.role),
        ...this.#core.heartbeatPoint(),
      }),
      heard: (heartbeat, role) => {
        this.#core.peerHeard(heartbeat, role, performance.now());
        this.#schedulePump();
      },
      handOver: (message, role) => {
        this.#core.twinSaid(message, role, performance.now());
        this.#schedulePump();
      },
      disconnected: () => {
        this.#core.peerDisconnected();
        // Looked at in this turn: a peer that was killed is noticed by its broken connection, not by a time-out.
        setImmediate(() => {
          if (!this.#stopped) this.#tick();
        });
      },
    });
  }

  #makeLink(upstream: UpstreamId): UpstreamLink {
    const entry = this.#config.system.upstreams[upstream - 1];
    if (entry === undefined) throw new RangeError(`upstream ${upstream} is not in the system description`);
    return new UpstreamLink({
      engine: this.#dependencies.engine,
      gateway: this.#gateway,
      sockets: this.#sockets,
      upstream,
      address: entry.address,
      remoteStaticKey: entry.key,
      staticKey: this.#config.keys.noise,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      silenceMs: silenceLimitMs(this.#config.timing.suspectMs),
      connected: () => {
        this.#log.info({ upstream }, "upstream connected");
        this.#linkFaults.delete(upstream);
        this.#greetings.set(upstream, new Greeting(this.#versions));
        this.#gateway.sendControl(upstream, helloOf(this.#versions));
        this.#core.connected(upstream, performance.now());
        this.#schedulePump();
      },
      disconnected: (_upstream, reason) => {
        if (this.#linkFaults.get(upstream) !== reason) this.#log.warn({ upstream, reason }, "upstream not connected");
        this.#linkFaults.set(upstream, reason);
        this.#greetings.delete(upstream);
        this.#core.disconnected(upstream, performance.now());
        this.#schedulePump();
      },
    });
  }

  #receivedFrom(upstream: UpstreamId, nowMs: number): void {
    this.#links.get(upstream)?.heard(nowMs);
    for (let bytes = this.#gateway.takeControl(upstream); bytes !== null; bytes = this.#gateway.takeControl(upstream)) {
      const heard = this.#greetings.get(upstream)?.take(bytes);
      if (heard?.type === "message") this.#core.control(upstream, bytes, nowMs);
      else if (heard?.type === "refused") return this.#links.get(upstream)?.refuse(heard.why);
    }
    this.#core.voted(upstream, nowMs);
  }

  // ---- what is said and kept -------------------------------------------------------------------------------------

  #durably(change: Partial<ServerRecord>): void {
    try {
      this.#state.update(change);
    } catch (error) {
      this.#dependencies.fatal(error);
      throw error;
    }
  }

  async #checkAttestation(...[upstream, given, settle]: Parameters<AttestationCheck>): Promise<void> {
    const counts = await this.#dependencies.checkAttestation(upstream, given);
    if (this.#stopped) return;
    settle(counts);
    this.#schedulePump();
  }

  #sayGoodbye(): void {
    for (const client of this.#clients.numbers()) this.#core.sayNotActive(client);
    this.#clients.dropClients();
  }

  #say(event: CoreEvent): void {
    const level = event.event === "alarm" ? "error" : event.event === "fenced" ? "warn" : "info";
    this.#log[level](event, event.event === "alarm" ? `alarm: ${event.alarm}` : event.event);
  }

  #logOddLicenses(): void {
    for (const license of this.#holdings.licenses) this.#log.warn(license, "license is not in all containers alike");
  }

  #faultText(fault: SystemFault): string {
    const { name, clients } = this.#peer;
    const active = this.#core.peer.connected && this.#core.peer.role === "active";
    return systemFaultText(fault, { role: this.#core.role, peer: { name, clients, active } });
  }

  get #peer() {
    const peer = this.#config.system.servers[1 - this.#config.twin];
    if (peer === undefined) throw new RangeError("the system description names two servers");
    return peer;
  }

  status(): ServerStatus {
    return {
      ...coreStatus(this.#config, this.#core, this.#gateway),
      clients: this.#clients.clients,
      upstreams: this.#config.system.upstreams.map((entry) =>
        upstreamStatus(entry, this.#core.leader.peers[entry.id], {
          acknowledged: this.#gateway.acknowledged(entry.id),
          lastFault: this.#linkFaults.get(entry.id) ?? "",
          protocol: this.#greetings.get(entry.id)?.agreed?.protocol ?? 0,
        }),
      ),
      licenses: this.#holdings.licenses.slice(0, MAX_ODD_LICENSES),
      oddLicenses: this.#holdings.licenses.length,
      counters: {
        pending: this.#gateway.pending,
        ...this.#gateway.counters(),
        ...this.#clients.counters,
        ...this.#twinLink.counters,
      },
      version: this.#dependencies.version,
      versions: { protocol: this.#versions.protocol, rules: this.#versions.rules },
      wallMs: Date.now(),
      pid: process.pid,
      uptimeMs: Math.round(performance.now() - this.#startedAtMs),
    };
  }
}
