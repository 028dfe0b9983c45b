/** A peer made of server processes that the load generator talks to. */
import { type Driver, type Generated, generate } from "./generate.js";
import type { Load, Party, PartyFacts, Persistence, Round, Timing } from "./party.js";
import { ProcessGroup } from "./processes.js";

const READY_LIMIT_MS = 60_000;
const TRIAL: Load = { name: "trial", clients: 1, seats: 1, holdMs: 0 };

/** Where a peer's processes may put their files, and where they are started. */
export interface Launch {
  readonly dir: string;
  readonly memoryDir: string;
  readonly group: ProcessGroup;
}

export interface ServerPartyOptions extends PartyFacts {
  readonly driver: Driver;
  readonly generator: string;
  missing(): string[] | Promise<string[]>;
  /** Starts its processes; returns the ports that clients are told. */
  launch(launch: Launch): Promise<number[]>;
  /** name of the process that only passes on */
  readonly hop?: string;
}

export class ServerParty implements Party {
  readonly ours = false;
  readonly id: string;
  readonly name: string;
  readonly persistence: Persistence;
  readonly persists: string;
  readonly lacks: string;
  readonly #options: ServerPartyOptions;
  #group: ProcessGroup | null = null;
  #ports: number[] = [];

  constructor(options: ServerPartyOptions) {
    ({
      id: this.id,
      name: this.name,
      persistence: this.persistence,
      persists: this.persists,
      lacks: this.lacks,
    } = options);
    this.#options = options;
  }

  async missing(): Promise<string[]> {
    return this.#options.missing();
  }

  /** Ready is who has served one client: a port that is open says less (a cluster may have no leader yet). */
  async start(dir: string, memoryDir: string): Promise<void> {
    this.#group = new ProcessGroup(dir);
    this.#ports = await this.#options.launch({ dir, memoryDir, group: this.#group });
    const endMs = performance.now() + READY_LIMIT_MS;
    for (;;) {
      try {
        await this.#generate(TRIAL, { seconds: 0.05, warmUpSeconds: 0.01 }, () => undefined);
        return;
      } catch (error) {
        this.#group.assertAlive();
        if (performance.now() > endMs) throw error;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }

  async round(load: Load, timing: Timing): Promise<Round> {
    const group = this.#running();
    const cpu: Record<string, number>[] = [];
    const result = await this.#generate(load, timing, () => cpu.push(group.cpuSeconds()));
    group.assertAlive();
    const [before = {}, after = {}] = cpu;
    const perCheckout = (us: number): number => us / Math.max(1, result.checkouts);
    const usOf = (name: string): number => ((after[name] ?? 0) - (before[name] ?? 0)) * 1e6;
    const { hop } = this.#options;
    return {
      checkoutsPerSecond: result.checkouts / result.seconds,
      p50Ms: result.p50Ms,
      p99Ms: result.p99Ms,
      mostOut: result.mostOut,
      serverCpuUs: perCheckout(Object.keys(after).reduce((sum, name) => sum + usOf(name), 0)),
      hopCpuUs: hop === undefined ? null : perCheckout(usOf(hop)),
      generatorCpuUs: perCheckout(result.generatorCpuUs),
    };
  }

  cpuSeconds(): number {
    return Object.values(this.#running().cpuSeconds()).reduce((sum, seconds) => sum + seconds, 0);
  }

  async stop(): Promise<void> {
    await this.#group?.stop();
    this.#group = null;
  }

  async #generate(load: Load, timing: Timing, onWindow: (edge: "begin" | "end") => void): Promise<Generated> {
    const { driver, generator } = this.#options;
    return generate(generator, { driver, ports: this.#ports }, load, timing, onWindow);
  }

  #running(): ProcessGroup {
    if (this.#group === null) throw new Error(`${this.name} is not running`);
    return this.#group;
  }
}
