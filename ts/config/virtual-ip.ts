/** The `[virtualIp]` table of tmr.toml: the address that keepalived moves between the twins. */
import { isIPv4, isIPv6 } from "node:net";
import { dirname, join, resolve } from "node:path";
import { z } from "zod";
import type { Faults } from "./faults.js";
import { integer, path, table } from "./fields.js";
import type { System, Twin } from "./system.js";

/** The virtual address as configured; paths are absolute. */
export interface VirtualIpConfig {
  /** the address with its prefix length: `10.0.0.100/24` */
  readonly address: string;
  readonly interface: string;
  /** VRRP's virtual router id: the same on both twins, of nobody else in this network */
  readonly routerId: number;
  /** time between two adverts; silence of three moves the address */
  readonly advertMs: number;
  /** the file that keepalived tracks: 0 while this server may hold the address */
  readonly trackFile: string;
  /** the FIFO into which keepalived writes what became of the address, beside the tracked file */
  readonly notifyFifo: string;
  /** own address, from which adverts are sent */
  readonly source: string;
  /** the other twin's */
  readonly peer: string;
}

const cidrError = "an address with its prefix length, e.g. 10.0.0.100/24";
const cidr = z.string({ error: cidrError }).refine(isCidr, { error: cidrError });
const hostError = "an IPv4 or IPv6 address";
const host = z.string({ error: hostError }).refine(isIp, { error: hostError });
const interfaceError = "the name of a network interface: 1 to 15 letters, digits, dots, hyphens or underscores";
const advertError = "a whole number of 10 ms from 10 to 40950";
// keepalived.conf has no quoting for what its parser takes as words of its own: nothing else may get into it.
const filePath = path.refine((text) => /^[\w./+:@-]+$/.test(text), {
  error: "a path of letters, digits and ./+:@_-, which keepalived can read",
});

/** The table; optional. */
export const virtualIp = table({
  address: cidr,
  interface: z.string({ error: interfaceError }).regex(/^[\w.-]{1,15}$/, { error: interfaceError }),
  routerId: integer(1, 255),
  advertMs: z
    .number({ error: advertError })
    .refine((ms) => Number.isInteger(ms / 10) && ms >= 10 && ms <= 40_950, { error: advertError })
    .default(100),
  trackFile: filePath.optional(),
  source: host.optional(),
  peer: host.optional(),
}).optional();

/** What the table does not say is in system.toml: the twins' addresses, where those are numbers and not names. */
export function virtualIpOf(
  parsed: z.output<typeof virtualIp>,
  from: { readonly file: string; readonly state: string; readonly system: System; readonly twin: Twin },
  faults: Faults,
): VirtualIpConfig | null {
  if (parsed === undefined) return null;
  const { file, state, system, twin } = from;
  const source = parsed.source ?? hostOf(system.servers[twin].twin);
  const peer = parsed.peer ?? hostOf(system.servers[twin === 0 ? 1 : 0].twin);
  for (const [key, value] of [
    ["source", source],
    ["peer", peer],
  ] as const) {
    if (!isIp(value)) faults.add(file, `virtualIp.${key}`, `${hostError}, because system.toml has a name`, value);
  }
  if (source === peer) faults.add(file, "virtualIp.peer", "another address than virtualIp.source", peer);
  const trackFile = resolve(dirname(file), parsed.trackFile ?? join(state, "serving"));
  return { ...parsed, trackFile, notifyFifo: join(dirname(trackFile), "address.fifo"), source, peer };
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":")).replace(/^\[(.*)\]$/, "$1");
}

function isIp(text: string): boolean {
  return isIPv4(text) || isIPv6(text);
}

function isCidr(text: string): boolean {
  const match = /^([0-9A-Fa-f:.]+)\/([0-9]{1,3})$/.exec(text);
  const [, ip = "", prefix = ""] = match ?? [];
  if (isIPv4(ip)) return Number(prefix) >= 1 && Number(prefix) <= 32;
  return isIPv6(ip) && Number(prefix) >= 1 && Number(prefix) <= 128;
}
