/**
 * `npm run profile`: samples the active TMR server and one upstream while the load runs, writes a flame graph of each,
 * and prints their largest costs by self time.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Measured, measure } from "../system/measure.js";
import { BenchPlant } from "../system/plant.js";
import { number } from "../system/table.js";
import { flameGraphSvg } from "./flame-graph.js";
import { forget, hasPerf, NODE_ARGUMENTS, record, stacksOf } from "./record.js";
import { costsOf } from "./stacks.js";

const HELP = `npm run profile -- [options]
  --clients N   connections, default 64
  --lanes N     checkouts in flight on each, default 1
  --seconds N   how long is sampled, default 5
  --fsync on|off   default on
  --top N       costs that are printed, default 3
  --out DIR     where the flame graphs go, default dist/profile
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      clients: { type: "string", default: "64" },
      lanes: { type: "string", default: "1" },
      seconds: { type: "string", default: "5" },
      fsync: { type: "string", default: "on" },
      top: { type: "string", default: "3" },
      out: { type: "string", default: "dist/profile" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (!hasPerf()) throw new Error("perf is not installed: it is in Debian's package linux-perf");
  const load = { clients: Number(values.clients), lanes: Number(values.lanes) };
  const seconds = Number(values.seconds);
  const out = resolve(values.out);
  mkdirSync(out, { recursive: true });
  const plant = await BenchPlant.start({ durable: values.fsync !== "off", nodeArguments: () => NODE_ARGUMENTS });
  const scratch = mkdtempSync(join(tmpdir(), "tmr-profile-"));
  const pids = [...plant.pids.values()];
  try {
    const { name: active } = await plant.whole();
    const subjects = [
      { name: active, file: "tmr-server", what: `TMR server ${active}` },
      { name: "upstream-1", file: "upstream", what: "upstream-1" },
    ];
    const { measured, recorded } = await recordUnderLoad(plant, subjects, scratch, { ...load, seconds });
    process.stdout.write(
      `${load.clients} clients x ${load.lanes}, fsync ${values.fsync}: ${number(measured.checkoutsPerSecond)} checkouts/s while sampled\n`,
    );
    for (const { name, file, what } of subjects) {
      const stacks = await stacksOf(recorded(name));
      const svg = join(out, `${file}.svg`);
      const cpu = measured.cpuUs[name] ?? 0;
      writeFileSync(svg, flameGraphSvg(`${what}, ${load.clients} clients x ${load.lanes}`, stacks));
      process.stdout.write(`\n${what}: ${number(cpu)} us of CPU per checkout; flame graph: ${svg}\n`);
      for (const cost of costsOf(stacks).slice(0, Number(values.top))) {
        const us = number(cpu * cost.share);
        process.stdout.write(`  ${(100 * cost.share).toFixed(1).padStart(5)} %  ${us.padStart(6)} us  ${cost.name}\n`);
      }
    }
    return 0;
  } finally {
    await plant.stop();
    for (const pid of pids) forget(pid);
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function recordUnderLoad(
  plant: BenchPlant,
  subjects: readonly { readonly name: string }[],
  scratch: string,
  { clients, lanes, seconds }: { readonly clients: number; readonly lanes: number; readonly seconds: number },
): Promise<{ readonly measured: Measured; readonly recorded: (name: string) => string }> {
  const recorded = (name: string): string => join(scratch, name);
  let recordings: Promise<unknown> = Promise.resolve();
  const measured = await measure(plant, {
    clients,
    lanes,
    // Long enough for V8 to have compiled what is hot.
    warmUpMs: 4_000,
    windowMs: seconds * 1000 + 500,
    onWindow: () => {
      recordings = Promise.all(subjects.map(({ name }) => record(plant.pids.get(name) ?? 0, seconds, recorded(name))));
      // The failure is met where it is awaited.
      recordings.catch(() => undefined);
    },
  });
  await recordings;
  return { measured, recorded };
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
