/** `tmr checkout`: holds a license while a command runs. */
import { basename } from "node:path";
import type { Command } from "commander";
import type { Handle } from "../client/handle.js";
import type { Session } from "../client/session.js";
import { ChildCommand } from "./child-command.js";
import { type CliContext, ExitCode } from "./context.js";
import {
  jsonOption,
  type Product,
  parseProduct,
  parseU32,
  type SystemFlags,
  systemOption,
  timeoutOption,
} from "./options.js";
import { printable } from "./terminal.js";

interface CheckoutFlags extends SystemFlags {
  readonly product: Product;
  readonly quantity: number;
  readonly featureMap: number;
  readonly userLimit: boolean;
}

/** Adds the command. */
export function registerCheckout(program: Command, context: CliContext): void {
  program
    .command("checkout")
    .description("hold a license while COMMAND runs, and end with its exit code; 3 when the license is refused")
    .usage("-p FIRMCODE:PRODUCTCODE [options] -- COMMAND [ARGUMENT...]")
    .argument("<command...>", "what to run")
    .requiredOption("-p, --product <firmcode:productcode>", "the license, e.g. 6000010:13", parseProduct)
    .option("-q, --quantity <n>", "seats", (text) => parseU32(text, 1), 1)
    .option("--feature-map <bits>", "features that the license must have", (text) => parseU32(text), 0)
    .option("--no-user-limit", "take no seat; the license must be there and valid")
    .addOption(systemOption())
    .addOption(timeoutOption(30))
    .addOption(jsonOption())
    .passThroughOptions()
    .action(async (command: string[], flags: CheckoutFlags) => {
      context.exitCode = await checkout(context, command, flags);
    });
}

async function checkout(context: CliContext, command: readonly string[], flags: CheckoutFlags): Promise<number> {
  const { connect } = await import("../client/connect.js");
  const { RefusedError } = await import("../client/errors.js");
  const child = new ChildCommand(command);
  try {
    await using session = await connect({
      system: flags.system,
      requestTimeoutMs: flags.timeout,
      program: basename(command[0] ?? ""),
      signal: child.interrupted,
    });
    const handle = await session.access({
      ...flags.product,
      quantity: flags.quantity,
      featureMap: flags.featureMap,
      mode: flags.userLimit ? "user-limit" : "no-user-limit",
      signal: child.interrupted,
    });
    report(context, session, handle, flags.json === true);
    // The session ends after the command and gives the license back.
    return await child.run(context.terminal);
  } catch (error) {
    if (child.interrupted.aborted) return child.interruptedCode;
    if (!(error instanceof RefusedError)) throw error;
    const { reason } = error;
    const text = printable(error.message);
    context.terminal.err(flags.json === true ? line({ refused: reason, text }) : `tmr: ${text} (${reason})\n`);
    return ExitCode.refused;
  } finally {
    child.dispose();
  }
}

/** Standard output is the command's: what there is to say goes to standard error. */
function report(context: CliContext, session: Session, handle: Handle, json: boolean): void {
  const { terminal } = context;
  const say = (event: string, text: string): void =>
    terminal.err(json ? line({ event, handle: handle.id }) : `tmr: ${text}\n`);
  if (json) {
    const { container, item, quantity, free, total, validUntil } = handle.granted;
    terminal.err(line({ granted: { handle: handle.id, container, item, quantity, free, total, validUntil } }));
  }
  session.events.on("handle-lost", () => say("handle-lost", "the license was lost; the command goes on without it"));
  session.events.on("lease-lost", () =>
    say("lease-lost", "no server has answered for too long: the license may be gone"),
  );
  session.events.on("lease-restored", () => say("lease-restored", "the servers answer again: the license is held"));
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
