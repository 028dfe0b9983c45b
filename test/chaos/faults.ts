/**
 * The faults of a run. Four lanes, each one fault after the other, all at once: upstreams, TMR servers, the links of clients
 * and twins, and clients. The fault model (docs/protocol.md) allows one upstream at a time, so the upstream lane waits
 * until all three are in step before it harms the next one. Everything else may fall together.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "../simulation/random.js";
import type { FaultLog } from "./fault-log.js";
import { hurtLink } from "./link-faults.js";
import { stateDir, type Twin, type Upstream } from "./plant.js";
import { type ChaosSystem, eventually, sleep } from "./system.js";

export interface FaultOptions {
  readonly seed: number;
  readonly system: ChaosSystem;
  readonly log: FaultLog;
  /** kill -9 of one client; another one takes its place */
  killClient(random: Random): Promise<void>;
  /** the system did not recover: the run is over */
  notWhole(what: string): void;
}

/** Longer than this, and a system that does not recover is a violation. */
const RECOVERY_MS = 60_000;
const FREEZE_MS = [200, 5_000] as const;
const MAX_UPSTREAM_LINK_MS = 4_000;
/** Clients that reach no server at all are not the servers' fault: shorter than their lease. */
const MAX_CLIENT_LINK_MS = 2_500;

export class Faults {
  readonly #options: FaultOptions;
  #stopping = false;

  constructor(options: FaultOptions) {
    this.#options = options;
  }

  /** Runs until {@link stop}; resolves when the last fault is over and the system is whole. */
  async run(): Promise<void> {
    const lanes = { upstreams: this.#upstreams, servers: this.#servers, links: this.#links, clients: this.#clients };
    await Promise.all(
      Object.entries(lanes).map(async ([name, lane]) => {
        const random = new Random(this.#options.seed, name);
        while (!this.#stopping) await lane.call(this, random);
      }),
    );
  }

  stop(): void {
    this.#stopping = true;
  }

  // ---- upstreams, one at a time

  async #upstreams(random: Random): Promise<void> {
    if (!(await this.#pause(random.between(100, 1_500)))) return;
    const upstream = random.pick([1, 2, 3] as const);
    const fault = random.pick([
      "kill",
      "kill",
      "freeze",
      "freeze",
      "delete",
      "corrupt",
      "corrupt",
      "link",
      "link",
    ] as const);
    switch (fault) {
      case "kill":
        await this.#downFor(upstream, "kill -9", random, () => "");
        break;
      case "delete":
        await this.#downFor(upstream, "store deleted", random, () => this.#deleteStore(upstream));
        break;
      case "corrupt":
        await this.#corrupt(upstream, random);
        break;
      case "freeze":
        await this.#freeze(this.#options.system.upstream(upstream), random);
        break;
      default:
        await this.#hurtLinks(upstream, random);
    }
    await this.#upstreamsWhole(`${fault} of upstream-${upstream}`);
  }

  async #downFor(upstream: Upstream, kind: string, random: Random, whileDown: () => string): Promise<void> {
    const { system, log } = this.#options;
    const process = system.upstream(upstream);
    await log.during(kind, process.name, "", async () => {
      await system.kill(process);
      const detail = whileDown();
      await sleep(random.between(0, 1_500));
      system.start(process);
      return detail;
    });
  }

  #deleteStore(upstream: Upstream): string {
    rmSync(stateDir(this.#options.system.upstream(upstream)), { recursive: true, force: true });
    return "";
  }

  /**
   * Flips bytes of one file of the store. Damage that is not noticed at the start may show when those bytes are read at
   * last, when another upstream is down: a second fault then. So such a store is deleted before the next fault.
   */
  async #corrupt(upstream: Upstream, random: Random): Promise<void> {
    const { system } = this.#options;
    await this.#downFor(upstream, "store corrupted", random, () => this.#flipBytes(upstream, random));
    await this.#upstreamsWhole(`store corrupted of upstream-${upstream}`);
    const noticed = await system.upstreamStatus(upstream).then(
      ({ counters }) => counters.lostStores > 0,
      () => false,
    );
    if (noticed) return;
    await this.#downFor(upstream, "store deleted", random, () => this.#deleteStore(upstream));
  }

  #flipBytes(upstream: Upstream, random: Random): string {
    const folder = stateDir(this.#options.system.upstream(upstream));
    const files = existsSync(folder) ? readdirSync(folder).filter((name) => /\.sqlite(?:-wal)?$/.test(name)) : [];
    if (files.length === 0) return "no file";
    const file = join(folder, random.pick(files.toSorted()));
    const bytes = readFileSync(file);
    const count = bytes.length === 0 ? 0 : random.int(1, 65);
    for (let i = 0; i < count; i++) {
      const at = random.int(0, bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ random.int(1, 256);
    }
    writeFileSync(file, bytes);
    return `${count} bytes`;
  }

  /** The links of one upstream with one or both TMR servers. */
  async #hurtLinks(upstream: Upstream, random: Random): Promise<void> {
    const links = this.#options.system.plant.links.filter((link) => link.upstream === upstream);
    const hurt = random.chance(0.5) ? links : [random.pick(links)];
    await Promise.all(hurt.map(({ proxy }) => hurtLink(proxy, random, this.#options.log, MAX_UPSTREAM_LINK_MS)));
  }

  async #upstreamsWhole(after: string): Promise<void> {
    const { system, notWhole } = this.#options;
    if (await eventually(() => system.upstreamsWhole(), RECOVERY_MS)) return;
    notWhole(`upstreams not in step within ${RECOVERY_MS} ms after ${after}`);
    this.#stopping = true;
  }

  // ---- TMR servers

  async #servers(random: Random): Promise<void> {
    const { system, log, notWhole } = this.#options;
    if (!(await this.#pause(random.between(500, 4_000)))) return;
    // Now and then exactly while an upstream is harmed.
    if (random.chance(0.4)) await eventually(async () => this.#stopping || log.harms(/upstream/), 3_000);
    const first = random.pick([0, 1] as const);
    const fault = random.pick(["kill", "kill", "freeze", "freeze", "both", "freeze-kill"] as const);
    if (fault === "kill") await this.#killServer(first, random);
    else if (fault === "freeze") await this.#freeze(system.server(first), random);
    else {
      const other = (1 - first) as Twin;
      const gapMs = random.between(0, 1_500);
      await Promise.all([
        fault === "both" ? this.#killServer(first, random) : this.#freeze(system.server(first), random),
        sleep(gapMs).then(() => this.#killServer(other, random)),
      ]);
    }
    if (await eventually(() => system.twinsWhole(), RECOVERY_MS)) return;
    notWhole(`no active and passive twin within ${RECOVERY_MS} ms after ${fault}`);
    this.#stopping = true;
  }

  async #killServer(twin: Twin, random: Random): Promise<void> {
    const { system, log } = this.#options;
    const process = system.server(twin);
    await log.during("kill -9", process.name, "", async () => {
      await system.kill(process);
      await sleep(random.between(0, 1_500));
      system.start(process);
    });
  }

  async #freeze(process: ReturnType<ChaosSystem["server"]>, random: Random): Promise<void> {
    const ms = Math.round(random.between(...FREEZE_MS));
    await this.#options.log.during("frozen", process.name, `${ms} ms`, async () => {
      this.#options.system.freeze(process);
      await sleep(ms);
      this.#options.system.thaw(process);
    });
  }

  // ---- links of clients and twins, clients

  async #links(random: Random): Promise<void> {
    if (!(await this.#pause(random.between(300, 3_000)))) return;
    const { plant } = this.#options.system;
    const { proxy, kind } = random.pick(plant.links.filter((link) => link.kind !== "upstream"));
    const maxMs = kind === "client" ? MAX_CLIENT_LINK_MS : MAX_UPSTREAM_LINK_MS;
    await hurtLink(proxy, random, this.#options.log, maxMs);
  }

  async #clients(random: Random): Promise<void> {
    if (await this.#pause(random.between(2_000, 8_000))) await this.#options.killClient(random);
  }

  /** False when the run ends meanwhile. */
  async #pause(ms: number): Promise<boolean> {
    const endMs = performance.now() + ms;
    while (!this.#stopping && performance.now() < endMs) await sleep(Math.min(100, endMs - performance.now()));
    return !this.#stopping;
  }
}
