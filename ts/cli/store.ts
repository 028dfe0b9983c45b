/** `tmr store`: the store of an upstream or of a standalone license server as a file that can be kept elsewhere. */
import type { Command } from "commander";
import { TmrError } from "../errors.js";
import type { ExportHead } from "../store/export-file.js";
import type { StoreReport } from "../upstream/inspect-store.js";
import type { CliContext } from "./context.js";
import { jsonOption, timeoutOption } from "./options.js";
import type { NamedStore, Restored } from "./store-run.js";
import { jsonText, printable } from "./terminal.js";

interface StoreFlags {
  readonly config: string;
  readonly json?: true;
}

interface RestoreFlags extends StoreFlags {
  readonly acceptLoss?: true;
  readonly timeout: number;
}

const CONFIG = "-c, --config <file>";
const CONFIG_TEXT = "upstream.toml of the server that the store belongs to";

/** Adds the three commands. */
export function registerStore(program: Command, { terminal }: CliContext): void {
  const store = program.command("store").description("check, export and restore the store of an upstream");
  store
    .command("check")
    .description("check every byte of the store, of a server that runs or not; or of an export of it")
    .argument("[export]", "a file that `tmr store export` wrote")
    .requiredOption(CONFIG, CONFIG_TEXT)
    .addOption(jsonOption())
    .action(async (exported: string | undefined, flags: StoreFlags) => {
      const { checkStore, storeOf } = await import("./store-run.js");
      const named = storeOf(flags.config);
      const report = checkStore(named, exported);
      terminal.out(flags.json === true ? jsonText(report) : reportText(exported ?? named.file, report));
    });
  store
    .command("export")
    .description("write a checked copy of the store, of a server that runs or not, to a new file")
    .argument("<file>", "where to; never overwritten")
    .requiredOption(CONFIG, CONFIG_TEXT)
    .addOption(jsonOption())
    .action(async (file: string, flags: StoreFlags) => {
      const { exportStore, storeOf } = await import("./store-run.js");
      const named = storeOf(flags.config);
      const head = exportStore(named, file);
      terminal.out(flags.json === true ? jsonText({ file, ...head }) : exportText(file, head, named));
    });
  store
    .command("restore")
    .description("put an export back into a state folder without a store; an upstream of a TMR system comes back blank")
    .argument("<file>", "a file that `tmr store export` wrote")
    .requiredOption(CONFIG, CONFIG_TEXT)
    .option("--accept-loss", "the last resort of a TMR system: as it was, without what was confirmed since")
    .addOption(timeoutOption(2, "with --accept-loss: how long to ask whether the system serves"))
    .addOption(jsonOption())
    .action(async (file: string, flags: RestoreFlags) => {
      const { restoreStore, storeOf } = await import("./store-run.js");
      const named = storeOf(flags.config);
      const acceptLoss = flags.acceptLoss === true;
      if (acceptLoss && named.kind === "standalone") {
        throw new TmrError(
          "ERR_TMR_ARGUMENT",
          "--accept-loss: expected an upstream of a TMR system, received a standalone license server, which needs no such word",
        );
      }
      const restored = await restoreStore(named, file, { acceptLoss, timeoutMs: flags.timeout });
      terminal.out(flags.json === true ? jsonText(restored) : restoredText(named, restored));
    });
}

function reportText(file: string, report: StoreReport): string {
  const { format, upstream, blank, promised, logEpoch, first, position, digest, snapshot, stateDigest } = report;
  const batches = first > position ? "no batches" : `batches ${first} to ${position}`;
  return [
    `${printable(file)} is sound: store format ${format}, upstream ${upstream}${blank ? ", BLANK: not admitted, counts for nothing" : ""}`,
    `  promised epoch ${promised}, log synced under epoch ${logEpoch}`,
    `  ${batches}, ${snapshot === null ? "no snapshot" : `snapshot at ${snapshot.position} of ${snapshot.byteLength} bytes`}`,
    `  log digest ${digest}`,
    `  state digest ${stateDigest}`,
    "",
  ].join("\n");
}

function exportText(file: string, { position, bytes, takenAt }: ExportHead, { kind, name }: NamedStore): string {
  const use =
    kind === "standalone"
      ? "What is granted, used up or returned after it is not in it."
      : "It is an old copy from the next answer on: of use only when the other two upstreams are lost as well.";
  return `${printable(name)} up to position ${position} is in ${printable(file)}: ${bytes} bytes, taken ${takenAt}. ${use}\n`;
}

function restoredText({ kind, name, folder }: NamedStore, { head, blank }: Restored): string {
  const from = `the copy of ${head.takenAt}, position ${head.position}`;
  const who = printable(name);
  if (blank) {
    return [
      `${who} has a blank store with a new identity in ${printable(folder)}. Start it: the two other upstreams fill it.`,
      `Nothing of ${from}, was put back: it would deny what was confirmed since.`,
      "",
    ].join("\n");
  }
  if (kind === "standalone") return `${who} is back from ${from}. What it granted after that is forgotten.\n`;
  return [
    `${who} is back as it was: ${from}. What was confirmed after that is lost.`,
    "Restore the others in the same way or start them blank, then see docs/operations.md, heading tmr store.",
    "",
  ].join("\n");
}
