/** The runs that can be asked for by name, in the order in which they are made. */
import type { Measured, RunOptions } from "./measure.js";
import { measure } from "./measure.js";
import { type BenchPlant, SCARCE } from "./plant.js";

export interface ScenarioSettings {
  readonly windowMs: number;
  readonly warmUpMs: number;
  /** checkouts per second of the open loop */
  readonly rate: number;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** closed loop with one request in flight: belongs on the chart by clients */
  readonly byClients?: number;
  run(plant: BenchPlant, settings: ScenarioSettings): Promise<Measured>;
}

/** Connections of the open loop, and checkouts that each may have in flight. */
const OPEN = { clients: 256, lanes: 4 } as const;
/** A fault happens when this part of the window is over. */
const FAULT_AT = 1 / 3;

function closed(name: string, title: string, options: Pick<RunOptions, "clients" | "lanes">): Scenario {
  return {
    name,
    title,
    ...(options.lanes === 1 ? { byClients: options.clients } : {}),
    run: (plant, { warmUpMs, windowMs }) => measure(plant, { ...options, warmUpMs, windowMs }),
  };
}

/** The open loop with a `kill -9` within its window; what was killed is started again behind it. */
async function withFault(
  plant: BenchPlant,
  { warmUpMs, windowMs, rate }: ScenarioSettings,
  victimOf: (active: string) => string,
): Promise<Measured> {
  let fault: Promise<string> | undefined;
  const measured = await measure(plant, {
    ...OPEN,
    rate,
    warmUpMs,
    windowMs,
    onWindow: (active) => {
      fault = new Promise((resolve) => setTimeout(resolve, windowMs * FAULT_AT)).then(async () => {
        await plant.kill(victimOf(active));
        return victimOf(active);
      });
    },
  });
  const killed = await fault;
  const victim = [...plant.upstreams, ...plant.servers].find(({ name }) => name === killed);
  if (victim !== undefined) plant.startProcess(victim);
  return measured;
}

export const scenarios: readonly Scenario[] = [
  closed("1", "1 client", { clients: 1, lanes: 1 }),
  closed("16", "16 clients", { clients: 16, lanes: 1 }),
  closed("64", "64 clients", { clients: 64, lanes: 1 }),
  closed("256", "256 clients", { clients: 256, lanes: 1 }),
  closed("64x8", "64 connections x 8", { clients: 64, lanes: 8 }),
  closed("64x64", "64 connections x 64", { clients: 64, lanes: 64 }),
  {
    name: "contended",
    title: "64 clients, 32 seats, 3 ms hold",
    run: (plant, { warmUpMs, windowMs }) =>
      measure(plant, {
        clients: 2 * SCARCE.quantity,
        lanes: 1,
        productCode: SCARCE.productCode,
        seats: SCARCE.quantity,
        holdMs: 3,
        warmUpMs,
        windowMs,
      }),
  },
  {
    name: "open",
    title: "open loop",
    run: (plant, { warmUpMs, windowMs, rate }) => measure(plant, { ...OPEN, rate, warmUpMs, windowMs }),
  },
  {
    name: "upstream-kill",
    title: "open loop, kill -9 upstream-3",
    run: (plant, settings) => withFault(plant, settings, () => "upstream-3"),
  },
  {
    name: "takeover",
    title: "open loop, kill -9 active server",
    run: (plant, settings) => withFault(plant, settings, (active) => active),
  },
];

/** The scenarios of these names; throws for a name that there is not. */
export function scenariosNamed(names: readonly string[]): readonly Scenario[] {
  const unknown = names.filter((name) => !scenarios.some((scenario) => scenario.name === name));
  if (unknown.length > 0) {
    const known = scenarios.map(({ name }) => name).join(", ");
    throw new Error(`no run is called ${unknown.join(", ")}; there are ${known}`);
  }
  return scenarios.filter(({ name }) => names.includes(name));
}

/** What must not be in any run, in words; empty when all is right. */
export function faultsOf({ load }: Measured): readonly string[] {
  const faults: string[] = [];
  if (load.checkouts === 0) faults.push("no checkout was completed");
  if (load.overAllocated > 0) faults.push(`more seats were out than there are: ${load.mostOut}`);
  if (load.unexpected > 0) {
    faults.push(
      `${load.unexpected} wrong answers, the first of kind ${load.unexpectedKind} with status ${load.unexpectedStatus}`,
    );
  }
  return faults;
}
