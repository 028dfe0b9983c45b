/** `tmr init`: a new system for five machines, from flags or, on a terminal, from answers. */
import { type Command, Option } from "commander";
import type { CliContext } from "./context.js";
import { type InitWords, planOf, warningsOf } from "./init-plan.js";
import { jsonOption } from "./options.js";
import { jsonText, printable } from "./terminal.js";

interface InitFlags {
  readonly name: string;
  readonly server: readonly string[];
  readonly upstream: readonly string[];
  readonly twin: readonly string[];
  readonly firm?: string;
  readonly yes?: true;
  readonly json?: true;
}

/** Puts a question with a default answer; resolves to what was typed, or the default. */
export type Ask = (question: string, preset: string) => Promise<string>;

/** Adds the command. */
export function registerInit(program: Command, { terminal }: CliContext): void {
  const many = (flag: string, what: string): Option =>
    new Option(flag, what).argParser((word: string, words: readonly string[]) => [...words, word]).default([], "none");
  program
    .command("init")
    .description(
      "write the files of a new system, a folder for each of its five machines; asks for what it is not told",
    )
    .argument("<folder>", "where to; must not be there yet")
    .option("--name <text>", "name of the system", "tmr")
    .addOption(many("--server <name=host:port>", "a TMR server, twice; port 7101 if left out"))
    .addOption(many("--upstream <name=host:port>", "an upstream, three times; port 7201 if left out"))
    .addOption(
      many("--twin <name=host:port>", "where a TMR server listens for the other one; its host, port 7111 if left out"),
    )
    .option("--firm <folder>", "folder of the Central whose firm is to be trusted")
    .option("--yes", "ask nothing")
    .addOption(jsonOption())
    .action(async (folder: string, flags: InitFlags) => {
      const { createInstallation } = await import("../central/installation.js");
      const { refuseExisting } = await import("../config/write-file.js");
      const { loadFirm } = await import("../central/firm.js");
      refuseExisting(folder, "a system is founded once; choose another folder");
      const asking = flags.yes !== true && process.stdin.isTTY && process.stdout.isTTY;
      const words = asking ? await withQuestions((ask) => answered(flags, ask)) : flags;
      const plan = planOf(words);
      const warnings = warningsOf(plan);
      const firms = flags.firm === undefined ? [] : [loadFirm(flags.firm)];
      const inventory = createInstallation(folder, { ...plan, firms });
      for (const warning of warnings) terminal.err(`tmr: warning: ${printable(warning)}\n`);
      if (flags.json === true) terminal.out(jsonText({ ...inventory, warnings }));
      else
        terminal.out(
          `${inventory.machines.length} machines are in ${printable(folder)}. Go on by ${printable(folder)}/README.txt.\n`,
        );
    });
}

/** The flags with what was missing asked for: everything, when there was nothing. */
export async function answered(flags: InitWords, ask: Ask): Promise<InitWords> {
  const missing = async (
    words: readonly string[],
    names: readonly string[],
    what: string,
  ): Promise<readonly string[]> => {
    if (words.length > 0) return words;
    const all: string[] = [];
    for (const name of names) all.push(`${name}=${await ask(`Host of ${what} ${name}`, "")}`);
    return all;
  };
  const name =
    flags.server.length === 0 && flags.upstream.length === 0 ? await ask("Name of the system", flags.name) : flags.name;
  return {
    name,
    server: await missing(flags.server, ["tmr-a", "tmr-b"], "TMR server"),
    upstream: await missing(flags.upstream, ["upstream-1", "upstream-2", "upstream-3"], "upstream"),
    twin: flags.twin,
  };
}

async function withQuestions<T>(use: (ask: Ask) => Promise<T>): Promise<T> {
  const { createInterface } = await import("node:readline/promises");
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await use(async (question, preset) => {
      const typed = (await lines.question(preset === "" ? `${question}: ` : `${question} [${preset}]: `)).trim();
      return typed === "" ? preset : typed;
    });
  } finally {
    lines.close();
  }
}
