/** Every option of a license in words, for `tmr content -x`. What a newer server tells besides is shown by its name. */
import type { Item } from "../client/session.js";
import { timeText } from "./table.js";
import { printable } from "./terminal.js";

/** One line: the option's name as licensing.md has it, and what it is. */
export interface OptionLine {
  readonly title: string;
  readonly text: string;
}

type Values = Readonly<Record<string, unknown>>;
type Teller = readonly [title: string, text: (value: unknown, item: Values) => string];

const CONSUMPTION = 0xffff_ffff;
const UNITS: readonly (readonly [seconds: number, name: string])[] = [
  [86_400, "day"],
  [3_600, "hour"],
  [60, "minute"],
  [1, "second"],
];

/** "2 days", "90 minutes": the largest unit that divides it. */
export function durationText(seconds: number): string {
  const [size, name] = UNITS.find(([unit]) => seconds % unit === 0) ?? [1, "second"];
  const count = seconds / size;
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

/** The bits that are set, by their numbers. */
function bitsText(map: number): string {
  const bits = Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => (map >>> bit) & 1);
  const hex = `0x${map.toString(16).padStart(8, "0")}`;
  return bits.length === 0 ? hex : `${hex} (bits ${bits.join(", ")})`;
}

const time = (value: unknown): string => timeText(value as number);
const line = (value: unknown): string => (value === "" ? "-" : printable(plainText(value)));
const duration = (value: unknown): string => durationText(value as number);
const yes = (): string => "yes";

/** What is listed of data: that it is there, its indexes, or itself. */
function dataText(value: unknown): string {
  if (value === true) return "yes";
  return Array.isArray(value) ? `index ${value.map(plainText).join(", ")}` : printable(plainText(value));
}

function unitsText(value: unknown, item: Values): string {
  const used = Number(item["unitsUsed"] ?? 0);
  if (value === CONSUMPTION) return `${used} used (counted, not limited)`;
  return `${Math.max(0, (value as number) - used)} left of ${String(value)}`;
}

function modulesText(value: unknown): string {
  const modules = value as readonly { productCode: number; text: string; featureMap: number }[];
  return modules
    .map(({ productCode, text }) => `${productCode}${text === "" ? "" : ` "${printable(text)}"`}`)
    .join(", ");
}

function seatsText(value: unknown, item: Values): string {
  const counted = ["used", "lingering", "reserved", "queued", "free"].filter((name) => item[name] !== undefined);
  return `${String(value)} (${counted.map((name) => `${plainText(item[name])} ${name}`).join(", ")})`;
}

/** In the order of licensing.md section 3; the names of canonical JSON. */
const tellers: Readonly<Record<string, Teller>> = {
  quantity: ["License Quantity", seatsText],
  localOnly: ["Local only", yes],
  featureMap: ["Feature Map", (value) => bitsText(value as number)],
  unitCounter: ["Unit Counter", unitsText],
  activationMs: ["Activation Time", time],
  expirationMs: ["Expiration Time", time],
  usagePeriodSeconds: ["Usage Period", duration],
  firstUseMs: ["First use", time],
  maintenanceFromMs: ["Maintenance from", time],
  maintenanceUntilMs: ["Maintenance until", time],
  lingerSeconds: ["Linger Time", duration],
  minimumRuntimeVersion: ["Minimum Runtime Version", line],
  namedUser: ["Named User", (value) => (value === "" ? "the first who accesses it" : line(value))],
  namedUserIntervalSeconds: ["Named User Interval", duration],
  ownerInformation: ["Owner Information", line],
  userData: ["User Data", dataText],
  protectedData: ["Protected Data", dataText],
  extendedProtectedData: ["Extended Protected Data", dataText],
  hiddenData: ["Hidden Data", dataText],
  secretData: ["Secret Data", dataText],
  borrowSeconds: ["Borrow", (value) => `up to ${duration(value)}`],
  borrowRevocable: ["Borrow revocable", yes],
  modules: ["Module Items", modulesText],
  holders: ["Held by", (value) => `upstreams ${(value as readonly number[]).join(", ")}`],
  odd: ["Differs at", (value) => `upstream ${plainText(value)}`],
};

/** In the heading, or part of another line. */
const told: ReadonlySet<string> = new Set([
  ...["itemRef", "tmrId", "firmCode", "productCode", "text", "container"],
  ...["used", "free", "reserved", "lingering", "queued", "unitsUsed"],
]);

/** Every option that the item has. */
export function optionLines(item: Item): OptionLine[] {
  const values = item as unknown as Values;
  const known = Object.entries(tellers).flatMap(([name, [title, text]]) =>
    values[name] === undefined ? [] : [{ title, text: text(values[name], values) }],
  );
  const others = Object.keys(values)
    .filter((name) => !Object.hasOwn(tellers, name) && !told.has(name))
    .map((name) => ({ title: printable(name), text: printable(plainText(values[name])) }));
  return [...known, ...others];
}

function plainText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
