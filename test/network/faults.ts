/** The faults of a network test. Each hurts the host that is active now, unless it says otherwise, and mends it again. */
import { sleep } from "../chaos/system.js";
import { programFile } from "../support/running-plant.js";
import type { Host } from "./namespaces.js";
import type { NetworkSystem, Twin } from "./system.js";

export interface FaultContext {
  readonly system: NetworkSystem;
  readonly active: Twin;
  readonly passive: Twin;
  /** the host of the active server */
  readonly host: Host;
  readonly seed: number;
  /** Waits until the system is whole again, within a fault of several steps. */
  whole(): Promise<void>;
}

export interface Fault {
  readonly name: string;
  /** what happens, for the table */
  readonly what: string;
  /** most of the median gap in ms, where there is a goal */
  readonly goalMs?: number;
  inflict(context: FaultContext): Promise<void>;
}

/** How long a host or a link stays hurt: longer than any takeover. */
const HURT_MS = 2_000;

async function hurt(begin: () => void, end: () => void): Promise<void> {
  begin();
  await sleep(HURT_MS);
  end();
}

async function killed(system: NetworkSystem, name: string): Promise<void> {
  await system.end(name, "SIGKILL");
  await sleep(HURT_MS);
  system.start(name);
}

async function slowed(host: Host, fault: { delayMs: number; jitterMs: number; lossPercent: number; seed: number }) {
  const mend = await host.slow(fault);
  await sleep(2 * HURT_MS);
  await mend();
}

/** The command itself, on the machine of the active server. */
function switchOver({ system, active, host }: Pick<FaultContext, "system" | "active" | "host">): void {
  host.run(process.execPath, programFile, "switch-over", "-c", system.plant.system.serverFiles[active]);
}

async function restarted(system: NetworkSystem, name: string, whole: () => Promise<void>): Promise<void> {
  await system.end(name, "SIGTERM");
  system.start(name);
  await whole();
}

export const faults: readonly Fault[] = [
  {
    name: "server-killed",
    what: "kill -9 of the active TMR server",
    goalMs: 300,
    inflict: ({ system, active }) => killed(system, `server-${active}`),
  },
  {
    name: "server-hung",
    what: "the active TMR server stops (SIGSTOP), all else on its host goes on",
    inflict: ({ system, active }) =>
      hurt(
        () => system.freeze(`server-${active}`, true),
        () => system.freeze(`server-${active}`, false),
      ),
  },
  {
    name: "keepalived-killed",
    what: "kill -9 of keepalived beside the active TMR server",
    inflict: ({ system, active }) => killed(system, `keepalived-${active}`),
  },
  {
    name: "host-frozen",
    what: "the active host freezes: no process runs, its kernel answers nothing",
    goalMs: 700,
    inflict: ({ host }) =>
      hurt(
        () => {
          host.drop("input");
          host.drop("output");
          host.signalAll("SIGSTOP");
        },
        () => {
          host.dropNothing();
          host.signalAll("SIGCONT");
        },
      ),
  },
  {
    name: "cable-pulled",
    what: "the active host's cable is pulled",
    goalMs: 700,
    inflict: ({ host }) =>
      hurt(
        () => host.plug(false),
        () => host.plug(true),
      ),
  },
  {
    name: "one-way-out",
    what: "nothing that the active host sends arrives",
    inflict: ({ host }) =>
      hurt(
        () => host.drop("output"),
        () => host.dropNothing(),
      ),
  },
  {
    name: "one-way-in",
    what: "nothing arrives at the active host",
    inflict: ({ host }) =>
      hurt(
        () => host.drop("input"),
        () => host.dropNothing(),
      ),
  },
  {
    name: "lossy",
    what: "20 % loss and 50 ms delay each way at the active host",
    inflict: ({ host, seed }) => slowed(host, { delayMs: 50, jitterMs: 0, lossPercent: 20, seed }),
  },
  {
    name: "reordered",
    what: "5 to 45 ms delay by chance at the active host: packets overtake each other",
    inflict: ({ host, seed }) => slowed(host, { delayMs: 5, jitterMs: 40, lossPercent: 0, seed }),
  },
  {
    name: "twins-split",
    what: "the twins do not hear each other; both reach the upstreams and the clients",
    inflict: ({ system }) => {
      const [a, b] = system.plant.servers;
      return hurt(
        () => {
          a.drop("input", "ip", "saddr", b.address);
          b.drop("input", "ip", "saddr", a.address);
        },
        () => {
          a.dropNothing();
          b.dropNothing();
        },
      );
    },
  },
  {
    name: "switch-restarted",
    what: "the switch restarts: every cable is dead for 1 s",
    inflict: async ({ system }) => {
      const { servers, upstreams, clients } = system.plant;
      const all = [...servers, ...upstreams, ...clients];
      for (const host of all) host.plug(false);
      await sleep(1_000);
      for (const host of all) host.plug(true);
    },
  },
  {
    name: "switch-over",
    what: "tmr switch-over",
    goalMs: 150,
    inflict: async (context) => {
      switchOver(context);
      await sleep(500);
    },
  },
  {
    name: "upstream-killed",
    what: "kill -9 of an upstream",
    goalMs: 100,
    inflict: ({ system, seed }) => killed(system, `upstream-${seed % 3}`),
  },
  {
    name: "rolling-upgrade",
    what: "all five restart one after the other: upstreams, the passive server, a switch-over, the other server",
    inflict: async (context) => {
      const { system, active, passive, whole } = context;
      for (const i of [0, 1, 2]) await restarted(system, `upstream-${i}`, whole);
      await restarted(system, `server-${passive}`, whole);
      switchOver(context);
      await whole();
      await restarted(system, `server-${active}`, whole);
    },
  },
];
