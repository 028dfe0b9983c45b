/**
 * What will happen in one run, drawn from its seed before it begins.
 *
 * The fault model, as docs/protocol.md states it, is kept here and nowhere else: at most one upstream's disk is lost
 * until it has been admitted again; one upstream at most lies, and then no other fault hits an upstream; one wall clock
 * at most is wrong; monotonic clocks differ in rate by at most 0.05 %. The record of a TMR server and the twins' key are
 * not lost. Processes may die, freeze and return at any time, all at once too; any connection may break.
 */
import type { Lie } from "./liar.js";
import { lies } from "./liar.js";
import type { NetworkManner } from "./network.js";
import { Random } from "./random.js";
import { products, type UpstreamId, upstreamIds } from "./system.js";

export type Level = "calm" | "mild" | "rough" | "brutal";

/** One thing that goes wrong, or is done, at one time. Durations in ms. */
export type Fault =
  | { readonly kind: "crash"; readonly node: string; readonly forMs: number; readonly silently: boolean }
  | {
      readonly kind: "crash at write";
      readonly node: string;
      readonly forMs: number;
      readonly when: "before" | "after";
    }
  | { readonly kind: "shut down"; readonly twin: 0 | 1; readonly forMs: number }
  | { readonly kind: "freeze"; readonly node: string; readonly forMs: number }
  | { readonly kind: "lose disk"; readonly upstream: UpstreamId; readonly forMs: number }
  | { readonly kind: "corrupt row"; readonly upstream: UpstreamId; readonly forMs: number }
  | { readonly kind: "slow disk"; readonly upstream: UpstreamId; readonly forMs: number; readonly latencyMs: number }
  | { readonly kind: "partition"; readonly ways: readonly (readonly [string, string])[]; readonly forMs: number }
  | { readonly kind: "reset"; readonly a: string; readonly b: string }
  | { readonly kind: "slow network"; readonly forMs: number; readonly jitterMs: number }
  | { readonly kind: "clock jump"; readonly upstream: UpstreamId; readonly byMs: number }
  | { readonly kind: "take over"; readonly twins: readonly (0 | 1)[] }
  | { readonly kind: "outage"; readonly forMs: number; readonly upstreams: readonly UpstreamId[] }
  | { readonly kind: "containers"; readonly upstream: UpstreamId; readonly change: ContainerChange }
  | { readonly kind: "kill client"; readonly client: number; readonly forMs: number };

/** A license that an upstream gains, loses or has with other terms. */
export type ContainerChange = {
  readonly product: number;
  readonly to: "as issued" | "absent" | "other terms" | "raised";
};

export interface PlannedFault {
  readonly atMs: number;
  readonly fault: Fault;
}

export interface Plan {
  readonly seed: number;
  readonly level: Level;
  /** faults and workload last so long; then everything is healed */
  readonly durationMs: number;
  readonly clients: number;
  readonly callsAtOnce: number;
  readonly thinkMs: number;
  /** between two things that the administrator does, 0 = there is none */
  readonly adminMs: number;
  readonly clockRateError: number;
  /** rate of the monotonic clock of single processes, by name */
  readonly rates?: Readonly<Record<string, number>>;
  readonly timing: { readonly heartbeatMs: number; readonly suspectMs: number; readonly graceMs: number };
  readonly sessionTimeoutMs: { readonly min: number; readonly default: number; readonly max: number };
  readonly clientTimeoutsMs: readonly number[];
  readonly clientSuspectMs: number;
  readonly tickMs: number;
  /** between an arrival at a TMR server and its turn */
  readonly turnMs: number;
  readonly snapshots: { readonly everyBatches: number; readonly everyBytes: number; readonly keepBatches: number };
  readonly manner: NetworkManner;
  readonly diskLatencyMs: number;
  readonly faults: readonly PlannedFault[];
  readonly liar: { readonly upstream: UpstreamId; readonly lie: Lie; readonly share: number } | null;
}

const YEAR_MS = 365 * 86_400_000;

export const calmManner: Readonly<NetworkManner> = {
  minDelayMs: 0.2,
  jitterMs: 0.5,
  spikes: 0,
  spikeMs: 0,
  loose: false,
  loss: 0,
  repeats: 0,
};

/** A run without faults: directed scenarios begin from it. */
export function calmPlan(seed: number): Plan {
  return {
    seed,
    level: "calm",
    durationMs: 20_000,
    clients: 4,
    callsAtOnce: 1,
    thinkMs: 400,
    adminMs: 0,
    clockRateError: 0,
    timing: { heartbeatMs: 200, suspectMs: 600, graceMs: 150 },
    sessionTimeoutMs: { min: 3_000, default: 6_000, max: 60_000 },
    clientTimeoutsMs: [4_000],
    clientSuspectMs: 1_000,
    tickMs: 20,
    turnMs: 0,
    snapshots: { everyBatches: 10_000, everyBytes: 64 * 1024 * 1024, keepBatches: 1_000 },
    manner: { ...calmManner },
    diskLatencyMs: 0.3,
    faults: [],
    liar: null,
  };
}

/** The plan of a seed: most are mild, some brutal, one in eight has a liar. */
export function planOf(seed: number, durationMs = 45_000): Plan {
  const random = new Random(seed, "plan");
  const liar = random.chance(0.125)
    ? { upstream: random.pick(upstreamIds), lie: random.pick(lies), share: random.pick([0.02, 0.2, 0.8]) }
    : null;
  const dice = random.float();
  const level: Level = liar !== null || dice < 0.6 ? "mild" : dice < 0.9 ? "rough" : "brutal";
  const loose = liar === null && random.chance(0.25);
  const manner: NetworkManner = {
    minDelayMs: random.pick([0.1, 0.2, 1, 3]),
    jitterMs: random.pick([0.2, 0.5, 2, 8]),
    spikes: liar === null && random.chance(0.5) ? random.pick([0.002, 0.01, 0.03]) : 0,
    spikeMs: random.pick([100, 700, 3_000]),
    loose,
    loss: random.pick([0, 0.01, 0.05]),
    repeats: random.pick([0, 0.01, 0.05]),
  };
  return {
    ...calmPlan(seed),
    level,
    durationMs,
    clients: random.int(2, 8),
    callsAtOnce: random.pick([1, 1, 1, 3]),
    thinkMs: random.pick([300, 1_000, 3_000, 6_000]),
    timing: random.pick([calmPlan(seed).timing, { heartbeatMs: 500, suspectMs: 1_500, graceMs: 300 }]),
    clockRateError: random.pick([0, 0.0001, 0.0005]),
    tickMs: random.pick([20, 50]),
    clientTimeoutsMs: random.pick([[3_000], [4_000, 8_000], [0], [3_000, 20_000]]),
    turnMs: random.pick([0, 0, 0.5, 2]),
    snapshots: random.chance(0.5)
      ? { everyBatches: random.pick([10, 40, 150]), everyBytes: 1 << 30, keepBatches: random.pick([0, 5, 30]) }
      : calmPlan(seed).snapshots,
    manner,
    diskLatencyMs: random.pick([0, 0.3, 2]),
    faults: faultsOf(random, level, durationMs, liar?.lie ?? null),
    liar,
    adminMs: random.pick([0, 400, 1_500, 1_500, 5_000]),
  };
}

const faultCounts: Readonly<Record<Level, readonly [number, number]>> = {
  calm: [0, 1],
  mild: [2, 6],
  rough: [7, 15],
  brutal: [18, 40],
};

function faultsOf(random: Random, level: Level, durationMs: number, lie: Lie | null): PlannedFault[] {
  const [least, most] = faultCounts[level];
  const count = random.int(least, most);
  const planned: PlannedFault[] = [];
  if (lie === "shorter") {
    // Outside the model: hiding the end of a log from a leader that hears only two. So one takeover at a time.
    for (let atMs = 6_000; atMs < durationMs - 4_000; atMs += random.int(8_000, 12_000)) {
      const twin = random.pick([0, 1] as const);
      const crash: Fault = { kind: "crash", node: `tmr${twin}`, forMs: 2_000, silently: false };
      planned.push({ atMs, fault: random.chance(0.5) ? crash : { kind: "take over", twins: [twin] } });
    }
    return planned;
  }
  const clockOf = random.pick(upstreamIds);
  for (let i = 0; i < count; i++) {
    planned.push({ atMs: random.between(1_500, durationMs), fault: faultOf(random, level, lie !== null, clockOf) });
  }
  return planned.sort((a, b) => a.atMs - b.atMs);
}

function durationOf(random: Random, level: Level): number {
  const long = level === "brutal" ? 4_000 : 2_500;
  return random.pick([50, 300, 800, 1_500]) + random.around(long);
}

function faultOf(random: Random, level: Level, withLiar: boolean, clockOf: UpstreamId): Fault {
  const forMs = durationOf(random, level);
  const upstream = random.pick(upstreamIds);
  const twin = random.pick([0, 1] as const);
  const server = `tmr${twin}`;
  const client = random.int(0, 8);
  const mild = [
    (): Fault => ({ kind: "crash", node: server, forMs, silently: random.chance(0.3) }),
    (): Fault => ({ kind: "crash at write", node: server, forMs, when: random.pick(["before", "after"] as const) }),
    (): Fault => ({ kind: "shut down", twin, forMs }),
    (): Fault => ({ kind: "freeze", node: random.pick([server, `client${client}`]), forMs }),
    (): Fault => ({ kind: "kill client", client, forMs }),
    (): Fault => ({ kind: "take over", twins: random.pick([[0], [1], [0, 1], [0, 1]]) }),
    (): Fault => ({
      kind: "clock jump",
      upstream: clockOf,
      byMs: random.int(-20, 20) * YEAR_MS + random.int(-5_000, 5_000),
    }),
    (): Fault => ({ kind: "reset", a: server, b: random.pick([`up${upstream}`, `client${client}`, `tmr${1 - twin}`]) }),
    (): Fault => ({ kind: "containers", upstream, change: changeOf(random) }),
    (): Fault => ({
      kind: "partition",
      ways: twoWays(server, random.pick([`client${client}`, `tmr${1 - twin}`])),
      forMs,
    }),
  ];
  if (withLiar) return random.pick(mild)();
  const wide = [
    (): Fault => ({ kind: "crash", node: `up${upstream}`, forMs, silently: random.chance(0.3) }),
    (): Fault => ({ kind: "crash", node: `up${upstream}`, forMs, silently: random.chance(0.3) }),
    (): Fault => ({
      kind: "crash at write",
      node: `up${upstream}`,
      forMs,
      when: random.pick(["before", "after"] as const),
    }),
    (): Fault => ({ kind: "freeze", node: `up${upstream}`, forMs }),
    (): Fault => ({ kind: "lose disk", upstream, forMs }),
    (): Fault => ({ kind: "corrupt row", upstream, forMs }),
    (): Fault => ({ kind: "slow disk", upstream, forMs: 2 * forMs, latencyMs: random.pick([5, 40, 300]) }),
    (): Fault => ({ kind: "slow network", forMs, jitterMs: random.pick([20, 100, 500]) }),
    (): Fault => partitionOf(random, forMs),
    (): Fault => partitionOf(random, forMs),
    (): Fault => ({
      kind: "outage",
      forMs: forMs + 3_000,
      upstreams: random.pick([
        [1, 2],
        [1, 3],
        [2, 3],
        [1, 2, 3],
      ]),
    }),
  ];
  return random.pick([...mild, ...wide, ...wide])();
}

function changeOf(random: Random): ContainerChange {
  return {
    product: random.int(1, products.length + 1),
    to: random.pick(["as issued", "as issued", "absent", "other terms", "raised"] as const),
  };
}

function twoWays(a: string, b: string): [string, string][] {
  return [
    [a, b],
    [b, a],
  ];
}

/** One way, both ways, a whole node, or the twins each with a part of the upstreams. */
function partitionOf(random: Random, forMs: number): Fault {
  const servers = ["tmr0", "tmr1"];
  const server = random.pick(servers);
  const upstream = `up${random.pick(upstreamIds)}`;
  const ways = ((): [string, string][] => {
    switch (random.int(0, 6)) {
      case 0:
        return [[server, upstream]];
      case 1:
        return [[upstream, server]];
      case 2:
        return twoWays(server, upstream);
      case 3:
        return [...upstreamIds.map((id) => `up${id}`), servers.find((other) => other !== server) as string].flatMap(
          (other) => twoWays(server, other),
        );
      case 4:
        return servers.flatMap((other) => twoWays(upstream, other));
      default: {
        const [a, b] = random.pick([
          [1, 2],
          [2, 3],
          [3, 1],
        ] as const);
        return [...twoWays("tmr0", `up${a}`), ...twoWays("tmr1", `up${b}`), ...twoWays("tmr0", "tmr1")];
      }
    }
  })();
  return { kind: "partition", ways, forMs };
}
