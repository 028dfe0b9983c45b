/** `tmr list` and `tmr content`: what the virtual container is and holds. */
import type { Command } from "commander";
import type { Container, Item, Session } from "../client/session.js";
import { TmrError } from "../errors.js";
import type { CliContext } from "./context.js";
import { optionLines } from "./item-options.js";
import { jsonOption, type SystemFlags, systemOption, timeoutOption } from "./options.js";
import { withSession } from "./system-session.js";
import { tableText, timeText } from "./table.js";
import { jsonText, printable, styled, type Terminal } from "./terminal.js";

interface ListFlags extends SystemFlags {
  readonly licenses?: true;
}

interface ContentFlags extends SystemFlags {
  readonly options?: true;
}

/** Adds the two commands. */
export function registerContent(program: Command, context: CliContext): void {
  const { terminal } = context;
  program
    .command("list")
    .description("list the containers that the system shows; with -l their licenses and how they are used")
    .option("-l, --licenses", "list the licenses of each container: used, reserved and free seats")
    .addOption(systemOption())
    .addOption(timeoutOption(30))
    .addOption(jsonOption())
    .action(async (flags: ListFlags) => {
      const listed = await withSession(flags, (session) => listOf(session, flags.licenses === true));
      terminal.out(flags.json === true ? jsonText(listed) : listText(terminal, listed));
    });
  program
    .command("content")
    .description("list the licenses of a container: all of the virtual one, or only those of the one that is named")
    .argument("[container]", "mask-serial, e.g. 131-729831162")
    .option("-x, --options", "show every option of each license")
    .addOption(systemOption())
    .addOption(timeoutOption(30))
    .addOption(jsonOption())
    .action(async (name: string | undefined, flags: ContentFlags) => {
      const items = await withSession(flags, (session) => contentOf(session, name));
      if (flags.json === true) terminal.out(jsonText(items));
      else terminal.out(flags.options === true ? optionsText(terminal, items) : itemsText(terminal, items));
    });
}

/** A container, with its licenses where they were asked for. */
export interface ListedContainer extends Container {
  readonly licenses?: readonly Item[];
}

/** All containers of a session, with their licenses if wanted. */
export async function listOf(
  session: Pick<Session, "containers" | "items">,
  withLicenses: boolean,
): Promise<ListedContainer[]> {
  const containers = await session.containers();
  if (!withLicenses) return containers;
  const items = await session.items();
  return containers.map((container) => ({ ...container, licenses: itemsIn(items, container.container) }));
}

/** A server of several containers says of each license where it is; one that does not has one container. */
function itemsIn(items: readonly Item[], container: string): Item[] {
  return items.filter((item) => item.container === undefined || item.container === container);
}

/** The licenses of a session's container; ERR_TMR_ARGUMENT when another container is named. */
export async function contentOf(
  session: Pick<Session, "containers" | "items">,
  name: string | undefined,
): Promise<Item[]> {
  const items = await session.items();
  if (name !== undefined) {
    const known = (await session.containers()).map(({ container }) => container);
    if (!known.includes(name)) {
      throw new TmrError("ERR_TMR_ARGUMENT", `container: expected ${known.join(" or ")}, received ${printable(name)}`);
    }
    return itemsIn(items, name);
  }
  return items;
}

/** The containers; below each one that was asked for with its licenses, these. */
export function listText(terminal: Pick<Terminal, "colour">, listed: readonly ListedContainer[]): string {
  const parts = listed.flatMap(({ container, licenses }) =>
    licenses === undefined
      ? []
      : [`${styled(terminal, "bold", printable(container))}\n${usageText(terminal, licenses)}`],
  );
  return [containersText(terminal, listed), ...parts].join("\n");
}

/** One line per license: what there is of it and how much is taken. */
export function usageText(terminal: Pick<Terminal, "colour">, items: readonly Item[]): string {
  return tableText(
    terminal,
    [
      { title: "LICENSE" },
      { title: "TEXT" },
      { title: "QUANTITY", align: "right" },
      { title: "USED", align: "right" },
      { title: "RESERVED", align: "right" },
      { title: "FREE", align: "right" },
    ],
    items.map((item) => [
      `${item.firmCode}:${item.productCode}:${item.itemRef}`,
      item.text === "" ? "-" : printable(item.text),
      String(item.quantity),
      String(item.used),
      String(item.reserved ?? 0),
      item.free === 0 ? styled(terminal, "yellow", "0") : String(item.free),
    ]),
  );
}

/** A block per license: its name, then a line per option. */
export function optionsText(terminal: Pick<Terminal, "colour">, items: readonly Item[]): string {
  return items
    .map((item) => {
      const lines = optionLines(item);
      const width = Math.max(...lines.map(({ title }) => title.length));
      const text = item.text === "" ? "" : `  ${printable(item.text)}`;
      const head = styled(terminal, "bold", `${item.firmCode}:${item.productCode}  item ${item.itemRef}${text}`);
      return [head, ...lines.map((line) => `  ${line.title.padEnd(width)}  ${line.text}`), ""].join("\n");
    })
    .join("\n");
}

export function containersText(terminal: Pick<Terminal, "colour">, containers: readonly Container[]): string {
  return tableText(
    terminal,
    [
      { title: "CONTAINER" },
      { title: "KIND" },
      { title: "LICENSES", align: "right" },
      { title: "SESSIONS", align: "right" },
      { title: "HANDLES", align: "right" },
    ],
    containers.map(({ container, kind, items, sessions, handles }) => [
      printable(container),
      printable(kind),
      String(items),
      String(sessions),
      String(handles),
    ]),
  );
}

export function itemsText(terminal: Pick<Terminal, "colour">, items: readonly Item[]): string {
  return tableText(
    terminal,
    [
      { title: "TMR-ID", align: "right" },
      { title: "PRODUCT" },
      { title: "TEXT" },
      { title: "QUANTITY", align: "right" },
      { title: "USED", align: "right" },
      { title: "FREE", align: "right" },
      { title: "FEATURES" },
      { title: "VALID FROM" },
      { title: "VALID UNTIL" },
      { title: "HELD BY" },
    ],
    items.map((item) => [
      String(item.itemRef),
      `${item.firmCode}:${item.productCode}`,
      item.text === "" ? "-" : printable(item.text),
      String(item.quantity),
      String(item.used),
      item.free === 0 ? styled(terminal, "yellow", "0") : String(item.free),
      `0x${item.featureMap.toString(16).padStart(8, "0")}`,
      timeText(item.activationMs),
      timeText(item.expirationMs),
      holdersText(terminal, item),
    ]),
  );
}

function holdersText(terminal: Pick<Terminal, "colour">, item: Item): string {
  const holders = item.holders.join(" ");
  if (item.odd === undefined) return item.holders.length === 3 ? holders : styled(terminal, "yellow", holders);
  return `${holders} ${styled(terminal, "yellow", `(${item.odd} differs)`)}`;
}
