/** `tmr borrow`: takes a license offline, verifies it without a server, gives it back. */
import { type Command, InvalidArgumentError } from "commander";
import type { BorrowFlags, ReturnFlags, VerifyFlags } from "./borrow-run.js";
import type { CliContext } from "./context.js";
import { jsonOption, parseU32, systemOption, timeoutOption } from "./options.js";

const msOf: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90s`, `15m`, `12h` or `7d` in milliseconds. */
export function parseDuration(text: string): number {
  const match = /^([1-9]\d{0,9})([smhd])$/.exec(text);
  if (match === null) throw new InvalidArgumentError('Expected a number with its unit: "90s", "15m", "12h", "7d".');
  return Number(match[1]) * (msOf[match[2] ?? ""] ?? 0);
}

/** Adds the command with its parts. */
export function registerBorrow(program: Command, context: CliContext): void {
  const { terminal } = context;
  const borrow = program
    .command("borrow")
    .description("take a license offline into a file; 3 when it is refused")
    .option("--firm <code>", "Firm Code", (text) => parseU32(text, 1))
    .option("--product <code>", "Product Code", (text) => parseU32(text))
    .option("--out <file>", "the borrow file; its private key and the time seen lie beside it, keep the three together")
    .option("--for <duration>", 'e.g. "12h" or "7d"; default: as long as the license allows', parseDuration)
    .option("-q, --quantity <n>", "seats", (text) => parseU32(text, 1), 1)
    .option("--feature-map <bits>", "features that the license must have", (text) => parseU32(text), 0)
    .option("--item-ref <n>", "one license of several with the same codes", (text) => parseU32(text), 0)
    .addOption(systemOption())
    .addOption(timeoutOption(30))
    .addOption(jsonOption())
    .action(async (flags: BorrowFlags) => {
      context.exitCode = await (await import("./borrow-run.js")).borrow(terminal, flags);
    });
  borrow
    .command("verify")
    .description("say whether a borrowed license counts here and now, without a server; 3 when it does not")
    .argument("<file>", "the borrow file")
    .requiredOption("--firm-key <key>", "the firm's public key, as in the [[firm]] table of a system.toml")
    .addOption(jsonOption())
    .action(async (file: string, flags: VerifyFlags) => {
      context.exitCode = await (await import("./borrow-run.js")).verify(terminal, file, flags);
    });
  borrow
    .command("return")
    .description("give a borrowed license back before its time, and remove its files")
    .argument("<file>", "the borrow file")
    .addOption(systemOption())
    .addOption(timeoutOption(30))
    .addOption(jsonOption())
    .action(async (file: string, flags: ReturnFlags) => {
      await (await import("./borrow-run.js")).giveBack(terminal, file, flags);
    });
}
