/**
 * `tmr demo`, which is `npm start`: a whole TMR system on this machine. Five real processes on loopback, real licenses,
 * real faults; each line of the table is measured. Exit code 0 only if every line held.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { styleText } from "node:util";
import type { Command } from "commander";
import { buildPlant, type Plant } from "./plant.js";
import { Processes } from "./processes.js";
import { type DemoContext, type Step, steps } from "./steps.js";

interface DemoOptions {
  readonly keep?: true;
  readonly json?: true;
  readonly dir?: string;
}

interface Line {
  readonly step: string;
  readonly held: boolean;
  readonly measured: string;
  readonly tookMs: number;
}

/** Adds `tmr demo` to the program. `programFile` is the CLI's own file, which the five processes run. */
export function registerDemo(program: Command, programFile: string): void {
  program
    .command("demo")
    .description("a whole TMR system on this machine: five processes, real licenses, provoked faults")
    .option("--keep", "leave it running at the end and say what to type next")
    .option("--dir <folder>", "work in this new folder instead of a temporary one")
    .option("--json", "print the table as JSON")
    .action(async (options: DemoOptions) => {
      process.exitCode = await runDemo(options, programFile);
    });
}

async function runDemo(options: DemoOptions, programFile: string): Promise<number> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), "tmr-demo-"));
  const say = (text: string) => {
    if (options.json === undefined) process.stdout.write(`${text}\n`);
  };
  say(`A TMR system in ${dir}\n`);
  const plant = await buildPlant(dir);
  const processes = new Processes(programFile, plant.logDir);
  const interrupted = onInterrupt(processes);
  const context: DemoContext = { plant, processes, session: null, handle: null };
  const lines: Line[] = [];
  for (const step of steps) {
    lines.push(await runStep(step, context, say));
    if (lines.at(-1)?.held === false || interrupted()) break;
  }
  await context.session?.close();
  const held = lines.length === steps.length && lines.every((line) => line.held);
  if (options.json !== undefined) process.stdout.write(`${JSON.stringify({ held, dir, lines }, null, 2)}\n`);
  else printTable(lines, held);
  if (!held && !interrupted()) say(`\nLogs of the five processes: ${plant.logDir}`);
  if (options.keep !== undefined && held && !interrupted()) {
    await keepRunning(plant, programFile, options.dir === undefined, interrupted);
  }
  await processes.stopAll();
  if (options.dir === undefined && (held || interrupted())) rmSync(dir, { recursive: true, force: true });
  return held ? 0 : 1;
}

async function runStep(step: Step, context: DemoContext, say: (text: string) => void): Promise<Line> {
  const startMs = performance.now();
  try {
    const measured = await step.run(context);
    say(`${mark(true)} ${step.title}\n    ${styleText("dim", measured)}`);
    return { step: step.title, held: true, measured, tookMs: Math.round(performance.now() - startMs) };
  } catch (error) {
    const reason = error instanceof Error ? describe(error) : String(error);
    say(`${mark(false)} ${step.title}\n    ${reason}`);
    return { step: step.title, held: false, measured: reason, tookMs: Math.round(performance.now() - startMs) };
  }
}

function describe(error: Error): string {
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}

function mark(held: boolean): string {
  return held ? styleText("green", "✓") : styleText("red", "✗");
}

function printTable(lines: readonly Line[], held: boolean): void {
  const width = Math.max(...lines.map((line) => line.step.length));
  process.stdout.write("\n");
  for (const line of lines) {
    process.stdout.write(`${mark(line.held)} ${line.step.padEnd(width)}  ${line.measured}\n`);
  }
  const count = lines.filter((line) => line.held).length;
  process.stdout.write(`\n${count} of ${steps.length} lines held${held ? "" : ": NOT as it should be"}\n`);
}

/** The first Ctrl-C ends the demo in order, the second at once. */
function onInterrupt(processes: Processes): () => boolean {
  let interrupted = false;
  const handle = () => {
    if (interrupted) {
      processes.killAll();
      process.exit(130);
    }
    interrupted = true;
    void processes.stopAll();
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
  process.on("exit", () => processes.killAll());
  return () => interrupted;
}

async function keepRunning(
  plant: Plant,
  programFile: string,
  temporary: boolean,
  interrupted: () => boolean,
): Promise<void> {
  const tmr = `node ${programFile}`;
  process.stdout.write(
    [
      "",
      "The five processes go on. In another terminal:",
      `  export TMR_SYSTEM=${plant.system.systemFile}`,
      `  ${tmr} status`,
      `  ${tmr} list`,
      `  ${tmr} content`,
      `  ${tmr} checkout -p 6000010:13 -- sleep 30`,
      `Logs: ${plant.logDir}`,
      `Ctrl-C stops all five${temporary ? " and removes the folder" : ""}.`,
      "",
    ].join("\n"),
  );
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (!interrupted()) return;
      clearInterval(timer);
      resolve();
    }, 100);
  });
}
