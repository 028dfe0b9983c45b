/** Who takes part in the comparison, and what is asked of each. */

/** One load: N closed-loop clients, each access -> hold -> release. */
export interface Load {
  /** `1`, `16`, … or `contended` */
  readonly name: string;
  readonly clients: number;
  readonly seats: number;
  readonly holdMs: number;
}

/** The loads of a run, in the order of the tables. Without a hold no implementation ever shows over-allocation. */
export const LOADS: readonly Load[] = [
  { name: "1", clients: 1, seats: 1, holdMs: 0 },
  { name: "16", clients: 16, seats: 16, holdMs: 0 },
  { name: "64", clients: 64, seats: 64, holdMs: 0 },
  { name: "256", clients: 256, seats: 256, holdMs: 0 },
  { name: "contended", clients: 64, seats: 32, holdMs: 3 },
];

export interface Timing {
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

/** What one round of one party under one load gave. */
export interface Round {
  readonly checkoutsPerSecond: number;
  /** from the first attempt to the release's answer, with the hold */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** seats out at the same time, counted by the load generator; always 1 where there is no hold */
  readonly mostOut: number;
  /** CPU of all the party's processes, in microseconds per checkout */
  readonly serverCpuUs: number;
  /** of that, the one process that clients are connected to, where it stands between them and the rest; else null */
  readonly hopCpuUs: number | null;
  readonly generatorCpuUs: number;
}

/** `durable`: acknowledged means on disk. `volatile`: not so. `none`: it decides and keeps nothing at all. */
export type Persistence = "durable" | "volatile" | "none";

export interface PartyFacts {
  /** for `--only` */
  readonly id: string;
  readonly name: string;
  readonly persistence: Persistence;
  /** what is safe, where, when a client has its answer */
  readonly persists: string;
  /** what it does not do that our system does */
  readonly lacks: string;
}

export interface Party extends PartyFacts {
  readonly ours: boolean;
  /** what it needs and this machine does not have, by name */
  missing(): Promise<string[]>;
  /** `dir` is on a disk, `memoryDir` in memory; both exist, are empty and are removed by the caller */
  start(dir: string, memoryDir: string): Promise<void>;
  round(load: Load, timing: Timing): Promise<Round>;
  /** CPU seconds of all its processes since they started */
  cpuSeconds(): number;
  stop(): Promise<void>;
}
