/**
 * `tmr context`, `tmr import` and `tmr activate`: licenses from a ticket into the containers of one license server, or of the
 * three of a running TMR system, online or by files.
 */
import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import type { ActivationSite, AppliedUpdate } from "../activation/index.js";
import type { Progress } from "./activation-site.js";
import type { CliContext } from "./context.js";
import { jsonOption } from "./options.js";
import { tableText } from "./table.js";
import { jsonText, printable, type Terminal } from "./terminal.js";

interface ConfigFlags {
  readonly config: string;
  readonly json?: true;
}

interface ContextFlags extends ConfigFlags {
  readonly out: string;
}

interface ImportFlags extends ConfigFlags {
  readonly file: string;
  readonly receipt?: string;
}

interface ActivateFlags extends ConfigFlags {
  readonly central: string;
  readonly again?: true;
}

/** Adds the three commands. */
export function registerActivation(program: Command, { terminal }: CliContext): void {
  const config = () =>
    new Option(
      "-c, --config <file>",
      "upstream.toml of a license server, or tmr.toml of the active TMR server: on its machine, for all three upstreams",
    ).makeOptionMandatory();
  program
    .command("context")
    .description("write a file for Central that says which keys a license server has and how far its containers are")
    .addOption(config())
    .requiredOption("--out <file>", "the new file, NAME.rac")
    .addOption(jsonOption())
    .action(async (flags: ContextFlags) => {
      const { encodeContexts } = await import("../activation/index.js");
      const site = await siteOf(flags, terminal);
      const contexts = await site.contexts();
      await writeNew(flags.out, encodeContexts(contexts));
      if (flags.json === true) terminal.out(jsonText({ file: flags.out, contexts: contexts.length }));
      else
        terminal.out(
          `${printable(flags.out)}: ${contexts.length === 1 ? "1 context" : "3 contexts"}. Take it to Central.\n`,
        );
    });
  program
    .command("import")
    .description("apply an update of Central, and write the receipt")
    .addOption(config())
    .requiredOption("--file <file>", "the update, NAME.rau")
    .option("--receipt <file>", "the new file for Central, NAME.rac")
    .addOption(jsonOption())
    .action(async (flags: ImportFlags) => {
      const { applyPlanned, decodeUpdates, encodeContexts, planUpdates, receiptsOf } = await import(
        "../activation/index.js"
      );
      const site = await siteOf(flags, terminal);
      const updates = decodeUpdates(readText(flags.file, await fileError()), flags.file);
      const planned = await planUpdates(await site.contexts(), updates, site.firms);
      const applied = await applyPlanned(planned, site);
      const receipts = await receiptsOf(planned, site);
      if (flags.receipt !== undefined) await writeNew(flags.receipt, encodeContexts(receipts));
      report(terminal, flags, applied);
    });
  program
    .command("activate")
    .description("redeem a ticket at Central: fetch the update, apply it, send the receipt; interrupted, it goes on")
    .argument("<ticket>", "XXXXX-XXXXX-XXXXX-XXXXX-XXXXX; - reads it from standard input")
    .addOption(config())
    .requiredOption("--central <url>", "where Central is, https://HOST[:PORT]")
    .option("--again", "forget an update that was fetched before, and ask Central for a new one")
    .addOption(jsonOption())
    .action(async (typed: string, flags: ActivateFlags) => {
      report(terminal, flags, await activateTicket(typed === "-" ? readFileSync(0, "utf8") : typed, flags, terminal));
    });
}

/** Redeems a ticket for the server, or the three upstreams, of a configuration file. */
export async function activateTicket(
  typed: string,
  flags: ActivateFlags,
  terminal: Terminal,
): Promise<AppliedUpdate[]> {
  const { activate, ticketHash, ticketText } = await import("../activation/index.js");
  const { centralDesk } = await import("../importing/central-client.js");
  const { SavedActivations } = await import("../importing/saved.js");
  const { stateFolderOf } = await import("./activation-site.js");
  const hash = ticketHash(typed);
  const desk = centralDesk(flags.central, ticketText(typed));
  const site = await siteOf(flags, terminal);
  const memory = new SavedActivations(stateFolderOf(flags.config), hash);
  if (flags.again === true) memory.forget();
  return activate(hash, site, desk, memory);
}

async function siteOf(flags: ConfigFlags, terminal: Terminal): Promise<ActivationSite> {
  const { activationSite } = await import("./activation-site.js");
  const progress: Progress = (text) => {
    if (flags.json === undefined) terminal.err(`${printable(text)}\n`);
  };
  return activationSite(flags.config, progress);
}

/** An existing file is not overwritten: it may be the receipt that Central still lacks. */
async function writeNew(file: string, content: string): Promise<void> {
  const { writeFileDurably } = await import("../config/write-file.js");
  writeFileDurably(file, content);
}

type FileError = (file: string, cause: unknown) => Error;

async function fileError(): Promise<FileError> {
  const { TmrError } = await import("../errors.js");
  return (file, cause) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new TmrError("ERR_TMR_FILE", `cannot read ${file}: ${reason}`, { cause });
  };
}

function readText(file: string, fault: FileError): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw fault(file, cause);
  }
}

const outcomes = { applied: "applied", there: "there already" } as const;

/** Says what became of the updates. */
export function report(terminal: Terminal, flags: Pick<ConfigFlags, "json">, applied: readonly AppliedUpdate[]): void {
  if (flags.json === true) {
    terminal.out(jsonText({ updates: applied }));
    return;
  }
  const columns = ["SERVER", "CONTAINER", "FIRM CODE", "UPDATE COUNTER", "OUTCOME"].map((title) => ({ title }));
  const rows = applied.map(({ name, container, firmCode, updateCounter, outcome }) =>
    [name, container, String(firmCode), String(updateCounter), outcomes[outcome]].map(printable),
  );
  terminal.out(tableText(terminal, columns, rows));
}
