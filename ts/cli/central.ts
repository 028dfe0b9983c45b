/** `tmr central`: the issuing side on the command line. */
import { type Command, Option } from "commander";
import { createFirm } from "../central/firm.js";
import { firmToml } from "../central/found-system.js";
import { type Issued, type IssuedLicense, issue } from "../central/issue.js";
import { TmrError } from "../errors.js";
import { type Column, tableText, timeText } from "./table.js";
import { jsonText } from "./terminal.js";

/** Adds `central init` and `central issue`. Their actions throw TmrError; output goes through the program's `writeOut`. */
export function registerCentral(program: Command): void {
  const central = program.command("central").description("issue licenses: the firm's side");
  central
    .command("init")
    .description("make a firm: its signing key and its ledger, in a new folder")
    .requiredOption("--dir <folder>", "folder of the Central")
    .requiredOption("--firm-code <number>", "Firm Code, 6000000 or more (6000010 is for tests)", Number)
    .requiredOption("--name <text>", "name of the firm")
    .option("--json", "print JSON")
    .action((options: InitOptions, command: Command) => write(command, runInit(options)));
  central
    .command("issue")
    .description("issue licenses in triplicate: one container file for each upstream")
    .argument("<licenses.toml>", "what to license")
    .requiredOption("--dir <folder>", "folder of the Central")
    .addOption(new Option("--system <file>", "system description").env("TMR_SYSTEM").default("system.toml"))
    .addOption(new Option("--out <folder>", "make three new containers here").conflicts("into"))
    .option("--into <folder>", "update the three containers that are here")
    .option("--json", "print JSON")
    .action(async (licenses: string, options: IssueFlags, command: Command) =>
      write(command, await runIssue(licenses, options)),
    );
}

interface InitOptions {
  readonly dir: string;
  readonly firmCode: number;
  readonly name: string;
  readonly json?: true;
}

interface IssueFlags {
  readonly dir: string;
  readonly system: string;
  readonly out?: string;
  readonly into?: string;
  readonly json?: true;
}

function write(command: Command, text: string): void {
  command.configureOutput().writeOut?.(text);
}

function runInit(options: InitOptions): string {
  const firm = createFirm(options.dir, options);
  if (options.json) return jsonText({ firmCode: firm.firmCode, name: firm.name, key: firm.key.toString("base64url") });
  return [
    `Firm Code ${firm.firmCode} is ready in ${options.dir}. Keep a backup of this folder in a safe place:`,
    "whoever has it can issue licenses of this firm; without it nobody can.",
    "",
    "Add this to system.toml on every server of a system that is to trust the firm:",
    "",
    firmToml(firm),
  ].join("\n");
}

async function runIssue(licenses: string, options: IssueFlags): Promise<string> {
  const folder = options.into ?? options.out;
  if (folder === undefined) {
    throw new TmrError("ERR_TMR_CONFIG", "tmr central issue: expected --out or --into with a folder, received neither");
  }
  const { dir, system } = options;
  const issued = await issue({ dir, system, licenses, folder, as: options.into === undefined ? "new" : "update" });
  return options.json ? jsonText(jsonOf(issued)) : textOf(issued);
}

function jsonOf(issued: Issued): unknown {
  return { ...issued, licenses: issued.licenses.map(({ id, terms, change }) => ({ id, change, ...terms })) };
}

/** Output of this command is for files and mails as much as for a screen. */
const plain = { colour: false } as const;

const licenseColumns: readonly Column[] = [
  { title: "ID" },
  { title: "PRODUCT CODE", align: "right" },
  { title: "TMR-ID", align: "right" },
  { title: "QUANTITY", align: "right" },
  { title: "FEATURES" },
  { title: "VALID FROM" },
  { title: "VALID UNTIL" },
  { title: "TEXT" },
  { title: "CHANGE" },
];

function textOf(issued: Issued): string {
  const { firmCode, actId, updateCounter, licenses, containers, removed } = issued;
  return [
    `Firm Code ${firmCode}, actId ${actId}, Firm Update Counter ${updateCounter}`,
    "",
    tableText(plain, licenseColumns, licenses.map(licenseRow)),
    tableText(
      plain,
      [{ title: "UPSTREAM" }, { title: "CONTAINER" }, { title: "FILE" }],
      containers.map(({ name, container, file }) => [name, container, file]),
    ),
    ...removed.map(({ id, tmrId }) => `Removed: ${id} (TMR-ID ${tmrId}); this TMR-ID is not given out again.\n`),
  ].join("\n");
}

function licenseRow({ id, terms, change }: IssuedLicense): string[] {
  return [
    id,
    String(terms.productCode),
    String(terms.tmrId),
    String(terms.quantity),
    `0x${terms.featureMap.toString(16).padStart(8, "0")}`,
    timeText(terms.activationMs),
    timeText(terms.expirationMs),
    terms.text === "" ? "-" : terms.text,
    change,
  ];
}
