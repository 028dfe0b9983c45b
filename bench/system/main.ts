/**
 * `npm run bench:system`: floating license checkouts against the real five processes. Every answer is voted and, unless
 * `--fsync off` is given, on the disks of two upstreams; both hops are encrypted. docs/benchmarks.md has the method.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { chartSvg, type Series } from "./chart.js";
import { type Machine, machine } from "./machine.js";
import type { Measured } from "./measure.js";
import { BenchPlant } from "./plant.js";
import { faultsOf, type Scenario, type ScenarioSettings, scenarios, scenariosNamed } from "./scenarios.js";
import { countSystemCalls, hasStrace, type SystemCalls } from "./system-calls.js";
import { HEAD, median, number, type Row, remark, rowCells, textTable } from "./table.js";

const HELP = `npm run bench:system -- [options]
  --only NAME,...   ${scenarios.map(({ name }) => name).join(", ")}
  --seconds N       length of each measured window, default 5
  --rounds N        rounds of all runs, one after another; the table shows medians. Default 1
  --rate N          checkouts per second of the open loop, default 5000
  --fsync on|off|both   off: upstreams do not wait for their disk ([store] durable = false). Default on
  --json FILE       everything measured
  --svg FILE        the chart by clients
`;

interface Table {
  readonly fsync: "on" | "off";
  readonly rows: readonly Row[];
  readonly systemCalls: readonly SystemCalls[];
}

interface Options {
  readonly chosen: readonly Scenario[];
  readonly settings: ScenarioSettings;
  readonly rounds: number;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      seconds: { type: "string", default: "5" },
      rounds: { type: "string", default: "1" },
      rate: { type: "string", default: "5000" },
      fsync: { type: "string", default: "on" },
      json: { type: "string" },
      svg: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const windowMs = positive("--seconds", values.seconds) * 1000;
  const options: Options = {
    chosen: values.only === undefined ? scenarios : scenariosNamed(values.only.split(",")),
    settings: { windowMs, warmUpMs: Math.min(2_000, windowMs / 2), rate: positive("--rate", values.rate) },
    rounds: positive("--rounds", values.rounds),
  };
  const on = machine();
  process.stdout.write(`${describe(on)}\n`);
  const tables: Table[] = [];
  for (const fsync of modes(values.fsync)) {
    const table = await runTable(fsync, options);
    process.stdout.write(`${printed(table, options)}\n`);
    tables.push(table);
  }
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ machine: on, settings: options.settings, tables }, null, 2)}\n`);
  }
  if (values.svg !== undefined) writeFileSync(values.svg, chart(on, tables));
  return tables.every(({ rows }) => rows.every(isRight)) ? 0 : 1;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${name}: expected a number above 0, received ${JSON.stringify(text)}`);
  return value;
}

function modes(text: string): readonly ("on" | "off")[] {
  if (text === "both") return ["on", "off"];
  if (text === "on" || text === "off") return [text];
  throw new Error(`--fsync: expected on, off or both, received ${JSON.stringify(text)}`);
}

function isRight({ rounds, failed }: Row): boolean {
  return failed === undefined && rounds.every((round) => faultsOf(round).length === 0);
}

async function runTable(fsync: "on" | "off", { chosen, settings, rounds }: Options): Promise<Table> {
  const plant = await BenchPlant.start({ durable: fsync === "on" });
  try {
    const measured = new Map<Scenario, Measured[]>(chosen.map((scenario) => [scenario, []]));
    const failed = new Map<Scenario, string>();
    for (let round = 1; round <= rounds; round++) {
      for (const scenario of chosen) {
        const result = await attempt(scenario, plant, settings);
        if (typeof result === "string") failed.set(scenario, result);
        else measured.get(scenario)?.push(result);
        const text = typeof result === "string" ? result : `${number(result.checkoutsPerSecond)} checkouts/s`;
        process.stderr.write(`fsync ${fsync}, round ${round}: ${scenario.title}: ${text}\n`);
      }
    }
    const rows = chosen.map((scenario): Row => {
      const reason = failed.get(scenario);
      const row = { name: scenario.name, title: scenario.title, rounds: measured.get(scenario) ?? [] };
      return reason === undefined ? row : { ...row, failed: reason };
    });
    return { fsync, rows, systemCalls: await systemCallsOf(plant, chosen) };
  } finally {
    await plant.stop();
  }
}

async function attempt(scenario: Scenario, plant: BenchPlant, settings: ScenarioSettings): Promise<Measured | string> {
  try {
    return await scenario.run(plant, settings);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function systemCallsOf(plant: BenchPlant, chosen: readonly Scenario[]): Promise<SystemCalls[]> {
  const counted: SystemCalls[] = [];
  if (!hasStrace()) return counted;
  for (const [name, lanes] of [["64", 1] as const, ["64x8", 8] as const]) {
    const scenario = chosen.find((each) => each.name === name);
    if (scenario !== undefined) counted.push(await countSystemCalls(plant, scenario.title, { clients: 64, lanes }));
  }
  return counted;
}

function describe(on: Machine): string {
  return [
    `${on.cpu}, ${on.cores} cores for all processes and the load, ${on.memoryGb} GB, Linux ${on.kernel}, Node ${on.node}`,
    `4 KiB write and fdatasync: ${number(on.fdatasyncMs)} ms; load average before: ${number(on.loadAverage)}`,
  ].join("\n");
}

function printed({ fsync, rows, systemCalls }: Table, { settings, rounds }: Options): string {
  const kept =
    fsync === "on" ? "durable on two upstreams before it is answered" : "NOT durable: [store] durable = false";
  const lines = [
    "",
    `fsync ${fsync}: every checkout (access, release) ${kept}; open loop at ${number(settings.rate)}/s; ${rounds} round(s) of ${settings.windowMs / 1000} s, medians`,
    "",
    textTable(HEAD, rows.map(rowCells)),
    "",
    ...rows.map(remark).filter((text) => text !== null),
    ...rows.flatMap((row) => [
      ...(row.failed === undefined ? [] : [`${row.name}: ${row.failed}`]),
      ...row.rounds.flatMap(faultsOf).map((fault) => `WRONG  ${row.name}: ${fault}`),
    ]),
  ];
  for (const { title, total, perRequest } of systemCalls) {
    const parts = Object.entries(perRequest)
      .filter(([, calls]) => calls >= 0.005)
      .map(([name, calls]) => `${name} ${calls.toFixed(2)}`);
    lines.push(`${title}: ${total.toFixed(2)} I/O system calls of the TMR server per request (${parts.join(", ")})`);
  }
  if (!hasStrace()) lines.push("system calls by name are not counted: strace (Debian package strace) is not installed");
  return lines.join("\n");
}

function chart(on: Machine, tables: readonly Table[]): string {
  const series = tables.map(({ fsync, rows }): Series => {
    const points = rows.flatMap(({ name, rounds }) => {
      const clients = scenarios.find((scenario) => scenario.name === name)?.byClients;
      if (clients === undefined || rounds.length === 0) return [];
      const middle = (figure: (round: Measured) => number): number => median(rounds.map(figure));
      return [
        {
          clients,
          checkoutsPerSecond: middle((round) => round.checkoutsPerSecond),
          p50: middle((round) => round.load.checkoutMs.p50),
          p99: middle((round) => round.load.checkoutMs.p99),
        },
      ];
    });
    return { name: fsync === "on" ? "durable" : "fsync off", points };
  });
  return chartSvg(
    "Checkouts of the whole system, by clients",
    `five processes and the load on ${on.cores} cores of ${on.cpu}; voted 2 of 3, encrypted on both hops`,
    series,
  );
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
