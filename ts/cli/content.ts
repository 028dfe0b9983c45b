/** `tmr list` and `tmr content`: what the virtual container is and holds. */
import type { Command } from "commander";
import type { Container, Item, Session } from "../client/session.js";
import { TmrError } from "../errors.js";
import type { CliContext } from "./context.js";
import { jsonOption, type SystemFlags, systemOption, timeoutOption } from "./options.js";
import { tableText, timeText } from "./table.js";
import { jsonText, printable, styled, type Terminal } from "./terminal.js";

/** Adds the two commands. */
export function registerContent(program: Command, context: CliContext): void {
  program
    .command("list")
    .description("list the containers that the TMR system shows")
    .addOption(systemOption())
    .addOption(timeoutOption(30))
    .addOption(jsonOption())
    .action(async (flags: SystemFlags) => {
      const containers = await withSession(flags, (session) => session.containers());
      context.terminal.out(flags.json === true ? jsonText(containers) : containersText(context.terminal, containers));
    });
  program
    .command("content")
    .description("list the licenses of a container: all of the virtual one, or only those of the one that is named")
    .argument("[container]", "mask-serial, e.g. 131-729831162")
    .addOption(systemOption())
    .addOption(timeoutOption(30))
    .addOption(jsonOption())
    .action(async (name: string | undefined, flags: SystemFlags) => {
      const items = await withSession(flags, (session) => contentOf(session, name));
      context.terminal.out(flags.json === true ? jsonText(items) : itemsText(context.terminal, items));
    });
}

async function withSession<T>(flags: SystemFlags, use: (session: Session) => Promise<T>): Promise<T> {
  const { connect } = await import("../client/connect.js");
  await using session = await connect({ system: flags.system, requestTimeoutMs: flags.timeout, program: "tmr" });
  return await use(session);
}

/** The licenses of a session's container; ERR_TMR_ARGUMENT when another container is named. */
export async function contentOf(
  session: Pick<Session, "containers" | "items">,
  name: string | undefined,
): Promise<Item[]> {
  if (name !== undefined) {
    const known = (await session.containers()).map(({ container }) => container);
    if (!known.includes(name)) {
      throw new TmrError("ERR_TMR_ARGUMENT", `container: expected ${known.join(" or ")}, received ${printable(name)}`);
    }
  }
  return session.items();
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
