/** `tmr doctor`: looks at a running system and says what is not as it should be, and what to do about each. */
import type { Command } from "commander";
import { type CliContext, ExitCode } from "../context.js";
import { jsonOption, type SystemFlags, systemOption, timeoutOption } from "../options.js";
import { type Column, tableText } from "../table.js";
import { jsonText, printable, type Style, styled, type Terminal } from "../terminal.js";
import type { Finding, Level } from "./finding.js";

interface DoctorFlags extends SystemFlags {
  readonly config?: string;
  readonly virtualAddress?: string;
}

/** Adds the command. */
export function registerDoctor(program: Command, context: CliContext): void {
  program
    .command("doctor")
    .description("look at a running system and say what to do about each finding; 1 when there is a problem")
    .addOption(systemOption())
    .option("-c, --config <file>", "tmr.toml or upstream.toml on its own machine: its keys and its disk too")
    .option("--virtual-address <host:port>", "where clients are told to go: who answers there")
    .addOption(timeoutOption(3))
    .addOption(jsonOption())
    .action(async (flags: DoctorFlags) => {
      const { gather } = await import("./gather.js");
      const { judge } = await import("./judge.js");
      const { system, config, virtualAddress, timeout } = flags;
      const facts = await gather({
        system,
        timeoutMs: timeout,
        ...(config === undefined ? {} : { config }),
        ...(virtualAddress === undefined ? {} : { virtualAddress }),
      });
      const findings = judge(facts);
      const problems = countOf(findings, "problem");
      context.exitCode = problems === 0 ? ExitCode.ok : ExitCode.notServing;
      const { terminal } = context;
      if (flags.json === true) {
        terminal.out(jsonText({ system: facts.system, problems, warnings: countOf(findings, "warning"), findings }));
      } else {
        terminal.out(findingsText(terminal, facts.system, findings));
      }
    });
}

const columns: readonly Column[] = [{ title: "" }, { title: "CHECK" }, { title: "WHERE" }, { title: "FOUND" }];
const styles: Readonly<Record<Level, Style>> = { ok: "green", warning: "yellow", problem: "red" };

/** The table; below it what to do about each finding that is not ok. */
export function findingsText(terminal: Pick<Terminal, "colour">, system: string, findings: readonly Finding[]): string {
  const rows = findings.map(({ level, check, where, found }) => [
    styled(terminal, styles[level], level),
    check,
    printable(where),
    lineOf(found),
  ]);
  const open = findings.filter(({ level }) => level !== "ok");
  const advice = open.map(
    ({ level, check, where, advice: what, see }) =>
      `${styled(terminal, styles[level], level)}  ${check}, ${printable(where)}: ${printable(what)}\n         docs/operations.md#${see}\n`,
  );
  const [problems, warnings] = [countOf(findings, "problem"), countOf(findings, "warning")];
  const sum = `${printable(system)}: ${problems} problems, ${warnings} warnings, ${countOf(findings, "ok")} ok\n`;
  return [tableText(terminal, columns, rows), ...(advice.length === 0 ? [] : ["\n", ...advice]), "\n", sum].join("");
}

/** A message of several lines in one line of a table. */
function lineOf(text: string): string {
  return printable(text.replaceAll(/\s*\n\s*/g, " "));
}

function countOf(findings: readonly Finding[], level: Level): number {
  return findings.filter((finding) => finding.level === level).length;
}
