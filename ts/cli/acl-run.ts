/**
 * What `tmr acl` does: the access list of the active server is read and set over the control socket of its machine, and
 * a decision is explained, of the running list or of a file that is not imported yet.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { TmrError } from "../errors.js";
import { AccessList } from "../license/access-list.js";
import { parseAddress } from "../license/subnet.js";
import { type Asked, aclText, decisionJson, decisionText } from "./acl-text.js";
import { proposeOn } from "./admin.js";
import { ExitCode } from "./context.js";
import { jsonText, printable, type Terminal } from "./terminal.js";

export interface AclFlags {
  readonly config: string;
  readonly json?: true;
}

export interface FileFlags {
  readonly config: string;
  readonly file: string;
}

export interface TestFlags {
  readonly config?: string;
  readonly file?: string;
  readonly user: string;
  readonly host: string;
  readonly address?: string;
  readonly firm: number;
  readonly product: number;
  readonly container?: string;
  readonly json?: true;
}

/** Shows the running list. */
export async function show(terminal: Terminal, { config, json }: AclFlags): Promise<void> {
  const { document } = await runningList(config);
  terminal.out(json === true ? jsonText(document) : aclText(terminal, document));
}

/** Writes the running list into a file, or to standard output for `-`. */
export async function exportTo(terminal: Terminal, { config, file }: FileFlags): Promise<void> {
  const { document } = await runningList(config);
  if (file === "-") {
    terminal.out(jsonText(document));
    return;
  }
  write(file, jsonText(document));
  terminal.out(`${file}: ${countText(document.rules.length, "rule")}.\n`);
}

/** Replaces the running list by that of a file, which is checked here first: every fault is told with its place. */
export async function importFrom(terminal: Terminal, { config, file }: FileFlags): Promise<void> {
  const list = listIn(file);
  await proposeOn(config, { kind: "setAccessList", blob: list.bytes.toString("base64url") });
  terminal.out(`The access list is set: ${countText(list.document.rules.length, "rule")}.\n`);
}

/** Says which rule decides; resolves to the exit code. */
export async function test(terminal: Terminal, flags: TestFlags): Promise<number> {
  const list = await testedList(flags);
  const asked = askedOf(flags, list);
  const decided = list.decide(asked.who, asked.license);
  terminal.out(flags.json === true ? jsonText(decisionJson(decided)) : decisionText(asked, decided));
  return decided?.rule.effect === "deny" ? ExitCode.refused : ExitCode.ok;
}

/** The list that the servers have agreed on, read part by part. */
async function runningList(config: string): Promise<AccessList> {
  const parts: Buffer[] = [];
  let cursor = 0;
  do {
    const { result, blob } = await proposeOn(config, { kind: "readAccessList", cursor });
    parts.push(Buffer.from(blob, "base64url"));
    cursor = result.nextCursor > cursor ? result.nextCursor : 0;
  } while (cursor !== 0);
  const list = AccessList.parse(Buffer.concat(parts));
  if (list instanceof AccessList) return list;
  throw new TmrError(
    "ERR_TMR_PROTOCOL",
    "the server's access list cannot be read; was it replaced meanwhile? ask again",
  );
}

function testedList({ config, file }: TestFlags): AccessList | Promise<AccessList> {
  if (file !== undefined) return listIn(file);
  if (config !== undefined) return runningList(config);
  throw new TmrError("ERR_TMR_ARGUMENT", "tmr acl test: expected --file or --config, received neither");
}

/** The list of a file. Throws ERR_TMR_FILE, and ERR_TMR_CONFIG with every fault and its place. */
function listIn(file: string): AccessList {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new TmrError("ERR_TMR_FILE", `${file}: cannot be read: ${(cause as Error).message}`, { cause });
  }
  const list = AccessList.parse(bytes);
  if (list instanceof AccessList) return list;
  throw new TmrError("ERR_TMR_CONFIG", list.map((fault) => `${file}: ${printable(fault)}`).join("\n"));
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (cause) {
    throw new TmrError("ERR_TMR_FILE", `${file}: cannot be written: ${(cause as Error).message}`, { cause });
  }
}

function askedOf({ user, host, address, firm, product, container = "" }: TestFlags, list: AccessList): Asked {
  if (container === "" && list.document.rules.some((rule) => rule.container !== undefined)) {
    throw new TmrError(
      "ERR_TMR_ARGUMENT",
      "--container: expected mask-serial, because this list has rules about containers",
    );
  }
  const parsed = address === undefined ? Buffer.alloc(16) : parseAddress(address);
  if (parsed === null) {
    throw new TmrError("ERR_TMR_ARGUMENT", `--address: expected an IP address, received ${printable(address ?? "")}`);
  }
  return {
    who: { user, host, address: parsed },
    addressText: address ?? "",
    license: { firmCode: firm, productCode: product, container },
  };
}

function countText(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
