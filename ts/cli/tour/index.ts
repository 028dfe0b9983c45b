/**
 * `tmr tour`, which is `npm run tour:licenses`: the rules of licensing.md, each played with real processes. Prints every
 * rule with its outcome; the exit code is 0 only if each outcome was the expected one.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import type { CliContext } from "../context.js";
import { Processes } from "../demo/processes.js";
import { jsonOption } from "../options.js";
import { jsonText, styled, type Terminal } from "../terminal.js";
import { accessRules } from "./access.js";
import { accessListRules } from "./access-list.js";
import { borrowRules } from "./borrow.js";
import { optionRules } from "./options.js";
import type { Rule } from "./rule.js";
import { Scene, type Stage } from "./scene.js";
import { standaloneRules } from "./standalone.js";
import { startStandaloneStage } from "./standalone-stage.js";
import { startTmrStage } from "./tmr-stage.js";
import { trackingRules } from "./tracking.js";
import { votingRules } from "./voting.js";

interface TourFlags {
  readonly dir?: string;
  readonly json?: true;
}

/** A rule as it was played. */
interface Played {
  readonly stage: string;
  readonly section: number;
  readonly rule: string;
  readonly expected: string;
  readonly outcome: string;
  readonly held: boolean;
}

/** A stage with the rules that are played there. */
interface Act {
  start(dir: string, processes: Processes): Promise<Stage>;
  readonly rules: readonly Rule[];
}

const everywhere = [...optionRules, ...accessRules, ...borrowRules, ...accessListRules];
const acts: readonly Act[] = [
  { start: startTmrStage, rules: [...everywhere, ...votingRules, ...trackingRules] },
  { start: startStandaloneStage, rules: [...everywhere, ...standaloneRules, ...trackingRules] },
];

/** As shells have it for a program that was interrupted. */
const INTERRUPTED = 130;

const titles: Readonly<Record<Rule["section"], string>> = {
  3: "Product Item options",
  4: "Access",
  5: "The 2-of-3 rules",
  6: "Access list",
  7: "Tracking",
};

/** Adds `tmr tour`. `programFile` is the CLI's own file, which the processes run. */
export function registerTour(program: Command, context: CliContext, programFile: string): void {
  program
    .command("tour")
    .description("the license rules one by one against real servers on this machine, each with its outcome")
    .option("--dir <folder>", "work in this new folder and keep it, instead of a temporary one")
    .addOption(jsonOption())
    .action(async (flags: TourFlags) => {
      context.exitCode = (await tour(context.terminal, flags, programFile)) ? 0 : 1;
    });
}

async function tour(terminal: Terminal, flags: TourFlags, programFile: string): Promise<boolean> {
  const dir = flags.dir ?? mkdtempSync(join(tmpdir(), "tmr-tour-"));
  const logDir = join(dir, "logs");
  mkdirSync(logDir, { recursive: true });
  const say = (text: string): void => {
    if (flags.json === undefined) terminal.out(text);
  };
  const processes = new Processes(programFile, logDir);
  endWith(processes);
  const played: Played[] = [];
  for (const act of acts) {
    const stage = await act.start(dir, processes);
    played.push(...(await playAct(act, stage, terminal, say)));
    await processes.stopAll();
  }
  const held = played.filter((one) => one.held).length;
  if (flags.json !== undefined) terminal.out(jsonText({ held: held === played.length, rules: played }));
  say(`\n${held} of ${played.length} rules held\n`);
  if (held < played.length) say(`The logs of the processes are in ${logDir}\n`);
  else if (flags.dir === undefined) rmSync(dir, { recursive: true, force: true });
  return held === played.length;
}

/** The processes never outlive the tour, however it ends. */
function endWith(processes: Processes): void {
  process.on("exit", () => processes.killAll());
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(INTERRUPTED));
}

async function playAct(act: Act, stage: Stage, terminal: Terminal, say: (text: string) => void): Promise<Played[]> {
  const played: Played[] = [];
  let section = 0;
  for (const rule of act.rules) {
    if (rule.section !== section) {
      say(`\n${styled(terminal, "bold", `${stage.name}: ${rule.section}. ${titles[rule.section]}`)}\n`);
    }
    section = rule.section;
    const one = await play(rule, stage);
    played.push(one);
    say(lineOf(terminal, one));
  }
  return played;
}

/** Plays one rule; an error that no rule expects is an outcome too, and not the expected one. */
async function play(rule: Rule, stage: Stage): Promise<Played> {
  const scene = new Scene(stage);
  const { section, text, expected } = rule;
  let outcome: string;
  try {
    outcome = await rule.run(scene);
  } catch (error) {
    outcome = error instanceof Error ? error.message : String(error);
  }
  await scene.close();
  return { stage: stage.name, section, rule: text, expected, outcome, held: outcome === expected };
}

function lineOf(terminal: Terminal, { rule, expected, outcome, held }: Played): string {
  const mark = held ? styled(terminal, "green", "✓") : styled(terminal, "red", "✗");
  const told = styled(terminal, "dim", outcome);
  return `${mark} ${rule}\n    ${told}${held ? "" : `\n    expected: ${expected}`}\n`;
}
