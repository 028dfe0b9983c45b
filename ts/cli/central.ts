/** `tmr central`: the issuing side on the command line. */
import { type Command, Option } from "commander";
import { createFirm, loadFirm } from "../central/firm.js";
import { createStandalone } from "../central/found-standalone.js";
import { firmToml } from "../central/found-system.js";
import { type Issued, type IssuedLicense, issue } from "../central/issue.js";
import { type IssuedStandalone, issueStandalone } from "../central/issue-standalone.js";
import { isStandalone } from "../config/index.js";
import { TmrError } from "../errors.js";
import { referenceOf } from "../license/terms.js";
import { type Column, tableText, timeText } from "./table.js";
import { jsonText } from "./terminal.js";

/** Adds `central init`, `central standalone` and `central issue`. Their actions throw TmrError; output goes through the program's `writeOut`. */
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
    .command("standalone")
    .description("found a standalone license server: its description, its keys and its configuration, in a new folder")
    .argument("<folder>", "where to")
    .option("--name <text>", "name of the server", "license-server")
    .option("--address <host:port>", "where clients connect", "127.0.0.1:7101")
    .option("--dir <folder>", "folder of the Central whose firm is to be trusted")
    .option("--json", "print JSON")
    .action((folder: string, options: StandaloneFlags, command: Command) =>
      write(command, runStandalone(folder, options)),
    );
  central
    .command("issue")
    .description(
      "issue licenses in triplicate, one container file for each upstream; or, for a standalone license server, ordinary ones in one container",
    )
    .argument("<licenses.toml>", "what to license")
    .requiredOption("--dir <folder>", "folder of the Central")
    .addOption(new Option("--system <file>", "system description").env("TMR_SYSTEM").default("system.toml"))
    .addOption(new Option("--out <folder>", "make three new containers here").conflicts("into"))
    .option("--into <folder>", "update the three containers, or the one, that are here")
    .option("--container <mask-serial>", "which one to update, where several of a standalone license server are there")
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

interface StandaloneFlags {
  readonly name: string;
  readonly address: string;
  readonly dir?: string;
  readonly json?: true;
}

interface IssueFlags {
  readonly dir: string;
  readonly system: string;
  readonly out?: string;
  readonly into?: string;
  readonly container?: string;
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

function runStandalone(folder: string, { name, address, dir, json }: StandaloneFlags): string {
  const firms = dir === undefined ? [] : [loadFirm(dir)];
  const { systemFile, serverFile, containerDir } = createStandalone(folder, { name, address, firms });
  if (json) return jsonText({ system: systemFile, server: serverFile, containers: containerDir });
  return [
    `${name} is founded. Issue licenses into ${containerDir}, then run it:`,
    "",
    `  tmr central issue LICENSES.toml --dir CENTRAL --system ${systemFile} --out ${containerDir}`,
    `  tmr upstream -c ${serverFile}`,
    "",
    `Clients need ${systemFile}; it holds no secret.`,
    ...(dir === undefined
      ? ["No firm is trusted yet: add the [[firm]] table that `tmr central init` printed to it."]
      : []),
    "",
  ].join("\n");
}

async function runIssue(licenses: string, options: IssueFlags): Promise<string> {
  const folder = options.into ?? options.out;
  if (folder === undefined) {
    throw new TmrError("ERR_TMR_CONFIG", "tmr central issue: expected --out or --into with a folder, received neither");
  }
  const { dir, system, container } = options;
  const as = options.into === undefined ? "new" : "update";
  if (isStandalone(system)) {
    const named = container === undefined ? {} : { container };
    const ordinary = await issueStandalone({ dir, system, licenses, folder, as, ...named });
    return options.json ? jsonText(jsonOf(ordinary)) : ordinaryText(ordinary);
  }
  const issued = await issue({ dir, system, licenses, folder, as });
  return options.json ? jsonText(jsonOf(issued)) : textOf(issued);
}

function jsonOf(issued: Issued | IssuedStandalone): unknown {
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

function ordinaryText(issued: IssuedStandalone): string {
  const { firmCode, actId, updateCounter, licenses, container, file, removed } = issued;
  const columns = licenseColumns.map((column) => (column.title === "TMR-ID" ? { ...column, title: "ITEM" } : column));
  return [
    `Firm Code ${firmCode}, actId ${actId}, Firm Update Counter ${updateCounter}`,
    "",
    tableText(plain, columns, licenses.map(licenseRow)),
    tableText(plain, [{ title: "CONTAINER" }, { title: "FILE" }], [[container, file]]),
    ...removed.map(
      ({ id, itemRef }) => `Removed: ${id} (item ${itemRef}); this item reference is not given out again.\n`,
    ),
  ].join("\n");
}

function licenseRow({ id, terms, change }: IssuedLicense): string[] {
  return [
    id,
    String(terms.productCode),
    String(referenceOf(terms)),
    String(terms.quantity),
    `0x${terms.featureMap.toString(16).padStart(8, "0")}`,
    timeText(terms.activationMs),
    timeText(terms.expirationMs),
    terms.text === "" ? "-" : terms.text,
    change,
  ];
}
