/** `tmr log verify` and `tmr report`: what is in the folders of license tracking, without any server. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { Option } from "commander";
import { TmrError } from "../errors.js";
import { attestationsOf } from "../tracking/attestations.js";
import { FolderReader } from "../tracking/disk.js";
import { type Period, periods, UsageReport, type UsageRow } from "../tracking/report.js";
import { readTracking, type Verdict } from "../tracking/verify.js";
import { proposeOn } from "./admin.js";
import { type CliContext, ExitCode } from "./context.js";
import { jsonOption, parseU32 } from "./options.js";
import { tableText } from "./table.js";
import { jsonText, printable, styled, type Terminal } from "./terminal.js";

interface ReadFlags {
  readonly key: readonly string[];
  readonly json?: true;
}

interface VerifyFlags extends ReadFlags {
  readonly live?: string;
}

interface ReportFlags extends ReadFlags {
  readonly by: Period;
  readonly csv?: true;
  readonly firm?: number;
  readonly product?: number;
}

const keyOption = (): Option =>
  new Option("--key <key>", "public key of a server, or a file with it; once per server")
    .default([], "any")
    .argParser((value: string, before: readonly string[]) => [...before, value]);

/** Adds the two commands. */
export function registerTracking(program: Command, context: CliContext): void {
  const log = program.command("log").description("the files of license tracking");
  log
    .command("verify")
    .description("find whatever was altered, removed, moved or cut off in the files of license tracking")
    .argument("<folder...>", "folders of all servers that write them: both twins")
    .addOption(keyOption())
    .option("--live <config>", "tmr.toml of the active server on this machine: hold the files against what it attests")
    .addOption(jsonOption())
    .action(async (folders: readonly string[], flags: VerifyFlags) => {
      // Before the files are read: they may have more than was attested, never less.
      const live = flags.live === undefined ? new Map() : attestationsOf(await attestedBy(flags.live));
      const verdict = readTracking(readersOf(folders), flags.key.map(keyOf), () => undefined, live);
      const { terminal } = context;
      terminal.out(flags.json === true ? jsonText(documentOf(verdict)) : verdictText(terminal, verdict, flags.key));
      if (verdict.findings.faults.length > 0) context.exitCode = ExitCode.notServing;
    });
  program
    .command("report")
    .description("how licenses were used: the most in use, refusals, and licenses that nobody needed")
    .argument("<folder...>", "folders of all servers that write license tracking: both twins")
    .addOption(new Option("--by <period>", "one row per product and").choices(Object.keys(periods)).default("month"))
    .addOption(new Option("--firm <code>", "only this Firm Code").argParser((text) => parseU32(text)))
    .addOption(new Option("--product <code>", "only this Product Code").argParser((text) => parseU32(text)))
    .addOption(keyOption())
    .addOption(new Option("--csv", "print CSV").conflicts("json"))
    .addOption(jsonOption())
    .action((folders: readonly string[], flags: ReportFlags) => report(context, folders, flags));
}

function report(context: CliContext, folders: readonly string[], flags: ReportFlags): void {
  const { terminal } = context;
  const usage = new UsageReport(flags.by, { firm: flags.firm, product: flags.product });
  const { findings } = readTracking(readersOf(folders), flags.key.map(keyOf), (entry) => usage.add(entry));
  const rows = usage.rows();
  if (flags.json === true) terminal.out(jsonText(rows));
  else terminal.out(flags.csv === true ? csvText(rows) : rowsText(terminal, rows));
  if (findings.faults.length === 0) return;
  const count = findings.faults.length === 1 ? "1 fault" : `${findings.faults.length} faults`;
  terminal.err(`tmr: the files have ${count}, so the report may be wrong: tmr log verify shows them\n`);
  context.exitCode = ExitCode.notServing;
}

/** What the running system says of all series. */
async function attestedBy(config: string): Promise<string> {
  let told = "";
  for (let cursor: number | undefined; cursor !== 0; ) {
    const { result, blob } = await proposeOn(config, { kind: "readSeries", cursor: cursor ?? 0 });
    told += Buffer.from(blob, "base64url").toString("utf8");
    cursor = result.nextCursor;
  }
  return told;
}

function readersOf(folders: readonly string[]): FolderReader[] {
  return folders.map((folder) => new FolderReader(folder));
}

/** A base64url key, or the file that has it. */
function keyOf(text: string): string {
  const isKey = (key: string): boolean => Buffer.from(key, "base64url").length === 32 && /^[\w-]{43}$/.test(key);
  if (isKey(text)) return text;
  let content: string;
  try {
    content = readFileSync(text, "utf8").trim();
  } catch (cause) {
    throw new TmrError("ERR_TMR_FILE", `${text}: expected a public key of 43 characters, or a file that has one`, {
      cause,
    });
  }
  if (isKey(content)) return content;
  throw new TmrError("ERR_TMR_KEY", `${text}: expected a public key of 43 characters, received something else`);
}

function documentOf({ findings, firms, keys }: Verdict): object {
  return { whole: findings.faults.length === 0, faults: findings.faults, notes: findings.notes, firms, keys };
}

/** The verdict for people: what was read, then what is wrong with it. */
export function verdictText(terminal: Pick<Terminal, "colour">, verdict: Verdict, given: readonly string[]): string {
  const { findings, firms, keys } = verdict;
  const table = tableText(
    terminal,
    [
      { title: "FIRM CODE", align: "right" },
      { title: "EVENTS", align: "right" },
      { title: "LINES", align: "right" },
      { title: "WRITTEN TWICE", align: "right" },
      { title: "LOST", align: "right" },
      { title: "SERVERS" },
    ],
    firms.map(({ firm, events, lines, twice, lost, servers }) => [
      firm === 0 ? "-" : String(firm),
      String(events),
      String(lines),
      String(twice),
      lost === 0 ? "0" : styled(terminal, "yellow", String(lost)),
      servers.map(printable).join(" "),
    ]),
  );
  const notes = findings.notes.map((note) => `${printable(note)}\n`);
  if (given.length === 0 && keys.length > 0) {
    notes.push(`Signed by ${keys.join(" and ")}: give --key to be sure that these are the servers' keys.\n`);
  }
  const faults = findings.faults.map(({ file, line, what }) => {
    const place = line === 0 ? printable(file) : `${printable(file)} line ${line}`;
    return `${styled(terminal, "red", place)} ${printable(what)}\n`;
  });
  const { length } = faults;
  const end =
    length === 0
      ? styled(terminal, "green", "whole")
      : styled(terminal, "red", `${length} ${length === 1 ? "fault" : "faults"}`);
  return [table, ...notes, ...faults, `${end}\n`].join("");
}

/** The report for people. */
export function rowsText(terminal: Pick<Terminal, "colour">, rows: readonly UsageRow[]): string {
  return tableText(
    terminal,
    [
      { title: "PERIOD" },
      { title: "PRODUCT" },
      { title: "LICENSES", align: "right" },
      { title: "MOST IN USE", align: "right" },
      { title: "UNUSED", align: "right" },
      { title: "ACCESSES", align: "right" },
      { title: "REFUSALS", align: "right" },
      { title: "WHY" },
    ],
    rows.map((row) => {
      const full = row.total > 0 && row.maximum >= row.total;
      const why = Object.entries(row.reasons).map(([status, count]) => `${printable(status)} ${count}`);
      return [
        row.period === "" ? "all" : row.period,
        `${row.firm}:${row.product}`,
        String(row.total),
        full ? styled(terminal, "yellow", String(row.maximum)) : String(row.maximum),
        String(row.unused),
        String(row.accesses),
        row.refusals === 0 ? "0" : styled(terminal, "red", String(row.refusals)),
        why.join(", "),
      ];
    }),
  );
}

/** The report for spreadsheets: RFC 4180, one column per refusal that occurs. */
export function csvText(rows: readonly UsageRow[]): string {
  const reasons = [...new Set(rows.flatMap((row) => Object.keys(row.reasons)))].sort();
  const head = ["period", "firm", "product", "licenses", "maximum", "unused", "accesses", "refusals", ...reasons];
  const lines = rows.map((row) => [
    row.period,
    ...[row.firm, row.product, row.total, row.maximum, row.unused, row.accesses, row.refusals],
    ...reasons.map((reason) => row.reasons[reason] ?? 0),
  ]);
  return [head, ...lines].map((cells) => `${cells.join(",")}\r\n`).join("");
}
