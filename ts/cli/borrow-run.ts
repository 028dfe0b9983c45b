/** What the parts of `tmr borrow` do. */
import { type BorrowedLicense, verifyBorrow } from "../borrow/verify.js";
import { RefusedError } from "../client/errors.js";
import { TmrError } from "../errors.js";
import { ExitCode } from "./context.js";
import type { SystemFlags } from "./options.js";
import { withSession } from "./system-session.js";
import { jsonText, printable, type Terminal } from "./terminal.js";

export interface BorrowFlags extends SystemFlags {
  readonly firm?: number;
  readonly product?: number;
  readonly out?: string;
  readonly for?: number;
  readonly quantity: number;
  readonly featureMap: number;
  readonly itemRef: number;
}

export interface VerifyFlags {
  readonly firmKey: string;
  readonly json?: true;
}

export type ReturnFlags = SystemFlags;

/** Resolves to the exit code. */
export async function borrow(terminal: Terminal, flags: BorrowFlags): Promise<number> {
  const { firm: firmCode, product: productCode, out: file, for: durationMs } = flags;
  if (firmCode === undefined || productCode === undefined || file === undefined) {
    throw new TmrError("ERR_TMR_ARGUMENT", "borrow: expected --firm, --product and --out");
  }
  const { quantity, featureMap, itemRef } = flags;
  const wanted = { firmCode, productCode, quantity, featureMap, itemRef, file };
  const options = durationMs === undefined ? wanted : { ...wanted, durationMs };
  try {
    const borrowed = await withSession(flags, (session) => session.borrow(options));
    terminal.out(flags.json === true ? jsonText(borrowed) : `${sentence(borrowed)}\nThe file is ${file}.\n`);
    return ExitCode.ok;
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    const text = printable(error.message);
    terminal.err(flags.json === true ? jsonText({ refused: error.reason, text }) : `tmr: ${text} (${error.reason})\n`);
    return ExitCode.refused;
  }
}

/** Resolves to the exit code. */
export async function verify(terminal: Terminal, file: string, flags: VerifyFlags): Promise<number> {
  try {
    const borrowed = await verifyBorrow(file, { firmKey: flags.firmKey });
    terminal.out(flags.json === true ? jsonText(borrowed) : `${sentence(borrowed)}\n`);
    return ExitCode.ok;
  } catch (error) {
    if (!(error instanceof TmrError && error.code === "ERR_TMR_BORROW")) throw error;
    terminal.err(`tmr: ${printable(error.message)} (${error.code})\n`);
    return ExitCode.refused;
  }
}

/** Gives back what a file holds. */
export async function giveBack(terminal: Terminal, file: string, flags: ReturnFlags): Promise<void> {
  await withSession(flags, (session) => session.returnBorrow(file));
  terminal.out(flags.json === true ? jsonText({ returned: file }) : `${file} is given back.\n`);
}

function sentence(borrowed: BorrowedLicense): string {
  const { firmCode, productCode, itemRef, container, quantity, handle, validUntil } = borrowed;
  const seats = quantity === 1 ? "1 seat" : `${quantity} seats`;
  const license = `${firmCode}:${productCode} item ${itemRef} in container ${container}`;
  return `License ${license}, ${seats}, is borrowed until ${validUntil.toISOString()} as handle ${handle}.`;
}
