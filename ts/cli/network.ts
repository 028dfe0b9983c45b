/** `tmr network`: how the licenses are used, who holds them, and taking one away from who does. */
import type { Command } from "commander";
import type { HeldHandle, Item, Session } from "../client/session.js";
import { TmrError } from "../errors.js";
import { AccessMode } from "../wire/kinds.js";
import { proposeOn } from "./admin.js";
import type { CliContext } from "./context.js";
import { jsonOption, parseCount, type SystemFlags, systemOption, timeoutOption } from "./options.js";
import { withSession } from "./system-session.js";
import { type Column, tableText, timeText } from "./table.js";
import { jsonText, printable, type Style, styled, type Terminal } from "./terminal.js";

type Colours = Pick<Terminal, "colour">;

interface NetworkFlags extends SystemFlags {
  readonly names?: true;
  readonly cancel?: number;
  readonly config?: string;
}

/** Adds the command. */
export function registerNetwork(program: Command, context: CliContext): void {
  const { terminal } = context;
  program
    .command("network")
    .description("show how the licenses are used by access mode; with -n who holds what, since when and from where")
    .option("-n, --names", "one line per handle: who, where, how and since when")
    .option("--cancel <handle>", "take this handle away from its application; needs --config", parseCount)
    .option("-c, --config <file>", "configuration of the active server, on its machine")
    .addOption(systemOption())
    .addOption(timeoutOption(30))
    .addOption(jsonOption())
    .action(async (flags: NetworkFlags) => {
      if (flags.cancel !== undefined) return cancel(terminal, flags, flags.cancel);
      const { items, handles } = await withSession(flags, useOf);
      if (flags.json === true) terminal.out(jsonText(handles));
      else
        terminal.out(
          flags.names === true ? handlesText(terminal, items, handles) : modesText(terminal, items, handles),
        );
    });
}

/** The licenses and who holds them, as one session sees them. */
export interface Use {
  readonly items: readonly Item[];
  readonly handles: readonly HeldHandle[];
}

/** Asks for both lists. */
export async function useOf(session: Pick<Session, "items" | "handles">): Promise<Use> {
  const [items, handles] = await Promise.all([session.items(), session.handles()]);
  return { items, handles };
}

async function cancel(terminal: Terminal, flags: NetworkFlags, handle: number): Promise<void> {
  if (flags.config === undefined) {
    throw new TmrError("ERR_TMR_ARGUMENT", "--cancel: expected --config too, the configuration of the active server");
  }
  const { result } = await proposeOn(flags.config, { kind: "cancelHandle", handle });
  const { firmCode, productCode } = result;
  terminal.out(
    flags.json === true
      ? jsonText({ cancelled: handle, firmCode, productCode })
      : `Handle ${handle} of ${firmCode}:${productCode} is cancelled and its seats are free. An application that holds it is ` +
          "told handle-lost at its next call; who borrowed it is not told.\n",
  );
}

const modeNames: Readonly<Record<number, string>> = {
  [AccessMode.userLimit]: "user limit",
  [AccessMode.stationShare]: "station share",
  [AccessMode.exclusive]: "exclusive",
  [AccessMode.noUserLimit]: "no user limit",
};

/** The name of an access mode as licensing.md has it. */
export function modeText(mode: number): string {
  return modeNames[mode] ?? `mode ${mode}`;
}

/** The item whose seats a handle takes. */
export function itemOf(items: readonly Item[], handle: HeldHandle): Item | undefined {
  const same = items.filter(
    ({ firmCode, itemRef, container }) =>
      firmCode === handle.firmCode && itemRef === handle.itemRef && container === handle.container,
  );
  return same.find(({ productCode }) => productCode === handle.productCode) ?? same[0];
}

const handleColumns: readonly Column[] = [
  { title: "HANDLE", align: "right" },
  { title: "PRODUCT" },
  { title: "TEXT" },
  { title: "SEATS", align: "right" },
  { title: "MODE" },
  { title: "STATE" },
  { title: "USER" },
  { title: "HOST" },
  { title: "STATION" },
  { title: "PROGRAM" },
  { title: "SINCE" },
];

const stateStyles: Readonly<Record<HeldHandle["state"], Style>> = {
  held: "green",
  queued: "yellow",
  lingering: "dim",
  borrowed: "bold",
};

/** One line per handle. */
export function handlesText(terminal: Colours, items: readonly Item[], handles: readonly HeldHandle[]): string {
  return tableText(
    terminal,
    handleColumns,
    handles.map((handle) => [
      String(handle.handle),
      `${handle.firmCode}:${handle.productCode}`,
      nameText(itemOf(items, handle)?.text ?? ""),
      String(handle.seats),
      modeText(handle.mode),
      styled(terminal, stateStyles[handle.state] ?? "dim", stateText(handle)),
      nameText(handle.user),
      nameText(handle.host),
      nameText(handle.station),
      nameText(handle.program),
      timeText(handle.sinceMs),
    ]),
  );
}

function stateText({ state, untilMs }: HeldHandle): string {
  return printable(untilMs === undefined ? state : `${state} until ${timeText(untilMs)}`);
}

function nameText(name: string): string {
  return name === "" ? "-" : printable(name);
}

const modeColumns: readonly Column[] = [
  { title: "LICENSE" },
  { title: "TEXT" },
  ...["QUANTITY", "USER LIMIT", "STATION SHARE", "EXCLUSIVE", "NO USER LIMIT", "LINGERING", "BORROWED"].map(
    (title) => ({ title, align: "right" }) as const,
  ),
  ...["QUEUED", "RESERVED", "FREE"].map((title) => ({ title, align: "right" }) as const),
];

/** One line per license: the seats that each mode takes, and how many accesses take none or wait. */
export function modesText(terminal: Colours, items: readonly Item[], handles: readonly HeldHandle[]): string {
  return tableText(
    terminal,
    modeColumns,
    items.map((item) => {
      const of = handles.filter((handle) => itemOf(items, handle) === item);
      const seats = (which: (handle: HeldHandle) => boolean): string =>
        String(of.filter(which).reduce((sum, handle) => sum + handle.seats, 0));
      const count = (which: (handle: HeldHandle) => boolean): string => String(of.filter(which).length);
      const held = (mode: number) => (handle: HeldHandle) => handle.state === "held" && handle.mode === mode;
      return [
        `${item.firmCode}:${item.productCode}:${item.itemRef}`,
        nameText(item.text),
        String(item.quantity),
        seats(held(AccessMode.userLimit)),
        seats(held(AccessMode.stationShare)),
        seats(held(AccessMode.exclusive)),
        count(held(AccessMode.noUserLimit)),
        seats(({ state }) => state === "lingering"),
        seats(({ state }) => state === "borrowed"),
        count(({ state }) => state === "queued"),
        String(item.reserved ?? 0),
        item.free === 0 ? styled(terminal, "yellow", "0") : String(item.free),
      ];
    }),
  );
}
