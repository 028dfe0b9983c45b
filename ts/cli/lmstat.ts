/**
 * `tmr lmstat`: who uses what, in the lines that existing monitors of license servers read. What is ours and has no
 * place there (modes, queues, options) is in `tmr network` and `tmr content`.
 */
import type { Command } from "commander";
import type { HeldHandle, Item } from "../client/session.js";
import type { ServerStatus } from "../wire/server-status.js";
import { type CliContext, ExitCode } from "./context.js";
import { itemOf, useOf } from "./network.js";
import { type SystemFlags, systemOption, timeoutOption } from "./options.js";
import { askAll } from "./status.js";
import type { ServerReport } from "./status-text.js";
import { withSession } from "./system-session.js";
import { printable } from "./terminal.js";

interface LmstatFlags extends SystemFlags {
  readonly all?: true;
  readonly feature?: string;
}

/** Adds the command. */
export function registerLmstat(program: Command, context: CliContext): void {
  program
    .command("lmstat")
    .description("show servers and users in the text form that existing monitors parse; 1 when nothing is served")
    .option("-a, --all", "all licenses with their users")
    .option("-f, --feature <name>", "this license only, by the name that -a shows")
    .addOption(systemOption())
    .addOption(timeoutOption(2))
    .action(async (flags: LmstatFlags) => {
      const { loadService } = await import("../config/index.js");
      const { queryStatus } = await import("../client/query-status.js");
      const system = loadService(flags.system);
      const reports = await askAll(system.servers, (address) => queryStatus(address, system.clientKey, flags.timeout));
      const active = reports.find(({ status }) => status?.role === "active" && status.quorum);
      const wanted = flags.all === true || flags.feature !== undefined;
      const use = active === undefined ? { items: [], handles: [] } : await withSession(flags, useOf);
      context.terminal.out(serversPart(reports, use.items, new Date()));
      context.exitCode = active === undefined ? ExitCode.notServing : ExitCode.ok;
      if (!wanted || active === undefined) return;
      context.terminal.out(usagePart(use.items, use.handles, active.address, flags.feature));
    });
}

/** Licenses have no version of their own, and the form has a place for one. */
const VERSION = "v1.0";
const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;
const months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"] as const;

function clockText(time: Date): string {
  return `${time.getHours()}:${String(time.getMinutes()).padStart(2, "0")}`;
}

/** `Tue 11/24 9:05`, in local time as monitors expect it. */
function startText(time: Date): string {
  return `${days[time.getDay()] ?? ""} ${time.getMonth() + 1}/${time.getDate()} ${clockText(time)}`;
}

/** The fields of these lines are told apart by spaces. */
function word(text: string): string {
  const shown = printable(text).trim().replaceAll(/\s+/g, "_");
  return shown === "" ? "-" : shown;
}

/** Head of the report: when, which servers, and as "vendor daemons" the Firm Codes that are served. */
export function serversPart(reports: readonly ServerReport[], items: readonly Item[], now: Date): string {
  const at = reports.map(({ address }) => hostPort(address)).map(([host, port]) => `${port}@${host}`);
  const active = reports.find(({ status }) => status?.role === "active");
  const firms = [...new Set(items.map(({ firmCode }) => firmCode))].toSorted((a, b) => a - b);
  const version = active?.status?.version ?? "";
  return [
    `License manager status on ${days[now.getDay()] ?? ""} ${now.getMonth() + 1}/${now.getDate()}/${now.getFullYear()} ${clockText(now)}`,
    "",
    `License server status: ${at.join(",")}`,
    "",
    ...reports.map(({ name, status }) => `${word(name).padStart(9)}: license server ${upText(status)}`),
    "",
    ...(active === undefined ? [] : [`Vendor daemon status (on ${word(active.name)}):`, ""]),
    ...firms.map((firm) => `${String(firm).padStart(11)}: UP v${printable(version)}`),
    "",
  ].join("\n");
}

function upText(status: ServerStatus | null): string {
  if (status === null) return "DOWN";
  return `UP${status.role === "active" ? " (MASTER)" : ""} v${printable(status.version)}`;
}

/** Address as host and port. */
function hostPort(address: string): [host: string, port: string] {
  const colon = address.lastIndexOf(":");
  return [address.slice(0, colon), address.slice(colon + 1)];
}

/** The name of each license: its text, else its codes; with the item reference where two would have one name. */
export function featureNames(items: readonly Item[]): Map<Item, string> {
  const plain = items.map((item) =>
    item.text.trim() === "" ? `${item.firmCode}:${item.productCode}` : word(item.text),
  );
  return new Map(
    items.map((item, i) => {
      const name = plain[i] as string;
      return [item, plain.indexOf(name) === plain.lastIndexOf(name) ? name : `${name}:${item.itemRef}`];
    }),
  );
}

/** Every license with its users, or only the one of this name. */
export function usagePart(
  items: readonly Item[],
  handles: readonly HeldHandle[],
  server: string,
  feature?: string,
): string {
  const names = featureNames(items);
  const shown = items.filter((item) => feature === undefined || names.get(item) === feature);
  const parts = shown.map((item) => {
    const users = handles.filter((handle) => itemOf(items, handle) === item && (handle.seats > 0 || isQueued(handle)));
    return featurePart(item, names.get(item) ?? "", users, server);
  });
  return ["Feature usage info:", "", ...parts].join("\n");
}

function isQueued({ state }: HeldHandle): boolean {
  return state === "queued";
}

function featurePart(item: Item, name: string, users: readonly HeldHandle[], server: string): string {
  const head = `Users of ${name}:  (Total of ${item.quantity} licenses issued;  Total of ${item.used} licenses in use)`;
  if (users.length === 0) return `${head}\n`;
  return [
    head,
    "",
    `  "${name}" ${VERSION}, vendor: ${item.firmCode}, expiry: ${expiryText(item.expirationMs)}`,
    "  floating license",
    "",
    ...users.map((handle) => `    ${userLine(handle, server)}`),
    "",
  ].join("\n");
}

function expiryText(expirationMs: number | undefined): string {
  if (expirationMs === undefined) return "permanent(no expiration date)";
  const end = new Date(expirationMs);
  return `${end.getDate()}-${months[end.getMonth()] ?? ""}-${end.getFullYear()}`;
}

function userLine(handle: HeldHandle, server: string): string {
  const [host, port] = hostPort(server);
  const who = [handle.user, handle.host, handle.station].map(word).join(" ");
  const where = `${who} (${VERSION}) (${host}/${port} ${handle.handle})`;
  if (isQueued(handle)) return `${where} queued for ${Math.max(1, handle.seats)} licenses`;
  const several = handle.seats > 1 ? `, ${handle.seats} licenses` : "";
  return `${where}, start ${startText(new Date(handle.sinceMs))}${several}`;
}
