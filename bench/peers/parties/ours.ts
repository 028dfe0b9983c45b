/** Our five processes, driven by the load generator of `bench/system`. */

import { rmSync } from "node:fs";
import { factsOf } from "../../system/facts.js";
import { measure } from "../../system/measure.js";
import { BenchPlant, POOL, SCARCE } from "../../system/plant.js";
import type { Load, Party, Persistence, Round, Timing } from "../party.js";

class OurParty implements Party {
  readonly ours = true;
  readonly lacks = "";
  readonly id: string;
  readonly name: string;
  readonly persistence: Persistence;
  readonly persists: string;
  readonly #durable: boolean;
  #plant: BenchPlant | null = null;

  constructor(durable: boolean) {
    this.#durable = durable;
    this.id = durable ? "tmr" : "tmr-nosync";
    this.name = durable ? "**tmr-server**" : "**tmr-server**, fsync off";
    this.persistence = durable ? "durable" : "volatile";
    this.persists = durable ? "synced by 2 of 3 and voted" : "in the page cache of 2 of 3 and voted";
  }

  missing(): Promise<string[]> {
    return Promise.resolve([]);
  }

  async start(): Promise<void> {
    this.#plant = await BenchPlant.start({ durable: this.#durable });
    process.on("exit", () => {
      if (this.#plant === null) return;
      this.#plant.processes.killAll();
      rmSync(this.#plant.dir, { recursive: true, force: true });
    });
  }

  async round(load: Load, timing: Timing): Promise<Round> {
    const contended = load.holdMs > 0;
    const measured = await measure(this.#running(), {
      clients: load.clients,
      lanes: 1,
      productCode: contended ? SCARCE.productCode : POOL.productCode,
      ...(contended ? { seats: load.seats, holdMs: load.holdMs } : {}),
      warmUpMs: timing.warmUpSeconds * 1000,
      windowMs: timing.seconds * 1000,
    });
    const { load: generator = 0, ...servers } = measured.cpuUs;
    return {
      checkoutsPerSecond: measured.checkoutsPerSecond,
      p50Ms: measured.load.checkoutMs.p50,
      p99Ms: measured.load.checkoutMs.p99,
      mostOut: measured.load.mostOut,
      serverCpuUs: Object.values(servers).reduce<number>((sum, us) => sum + (us ?? 0), 0),
      hopCpuUs: servers[measured.active] ?? null,
      generatorCpuUs: generator ?? 0,
    };
  }

  cpuSeconds(): number {
    return [...this.#running().pids.values()].reduce((sum, pid) => sum + factsOf(pid).cpuMs / 1000, 0);
  }

  async stop(): Promise<void> {
    await this.#plant?.stop();
    this.#plant = null;
  }

  #running(): BenchPlant {
    if (this.#plant === null) throw new Error("our own system is not running");
    return this.#plant;
  }
}

export function ourParties(): Party[] {
  return [new OurParty(true), new OurParty(false)];
}
