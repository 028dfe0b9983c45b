/** Asks everybody: each server that the description names, the licenses, and this machine. */
import { readdirSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { connect } from "../../client/connect.js";
import { probeServer } from "../../client/query-status.js";
import { parseServerStatus } from "../../client/server-status.js";
import { loadService, loadSystem } from "../../config/index.js";
import { TmrError } from "../../errors.js";
import { connectSocket } from "../../transport/dial.js";
import type { Versions } from "../../wire/hello.js";
import type { Facts, LicenseFacts, ServerFacts, ServerKind, StoreAnswer } from "./facts.js";
import { localFacts } from "./local.js";

export interface GatherOptions {
  readonly system: string;
  /** tmr.toml or upstream.toml of this machine */
  readonly config?: string;
  /** where clients are told to go */
  readonly virtualAddress?: string;
  readonly timeoutMs: number;
}

interface Asked {
  readonly name: string;
  readonly kind: ServerKind;
  readonly address: string;
  readonly key: Uint8Array;
}

type Document = Readonly<Record<string, unknown>>;

/** Everything at once; a server that does not answer takes the time-out and no more. */
export async function gather(options: GatherOptions): Promise<Facts> {
  const { system: file, config, virtualAddress, timeoutMs } = options;
  const service = loadService(file);
  const servers: Asked[] = service.servers.map(({ name, clients }) => {
    const kind = service.kind === "tmr" ? "TMR server" : "standalone";
    return { name, kind, address: clients, key: service.clientKey };
  });
  if (service.kind === "tmr") {
    for (const { name, address, key } of loadSystem(file).upstreams)
      servers.push({ name, kind: "upstream", address, key });
  }
  const virtual = virtualAddress === undefined ? null : askVirtual(virtualAddress, service.clientKey, timeoutMs);
  const [asked, licenses, answeredBy] = await Promise.all([
    Promise.all(servers.map((server) => askServer(server, timeoutMs))),
    askLicenses(file, timeoutMs),
    virtual,
  ]);
  return {
    system: service.name,
    kind: service.kind,
    nowMs: Date.now(),
    servers: asked,
    ...licenses,
    virtual: answeredBy,
    local: config === undefined ? null : localFacts(config, file),
  };
}

async function askServer({ name, kind, address, key }: Asked, timeoutMs: number): Promise<ServerFacts> {
  const nothing = { release: null, versions: null, clockMs: null, tmr: null, store: null, descriptors: null };
  try {
    (await connectSocket(address, timeoutMs)).destroy();
  } catch (error) {
    return { name, kind, address, listens: false, fault: textOf(error), ...nothing };
  }
  try {
    const { document, roundTripMs } = await probeServer(address, key, timeoutMs);
    const wallMs = document["wallMs"];
    return {
      name,
      kind,
      address,
      listens: true,
      fault: null,
      release: stringOf(document["version"]),
      versions: versionsOf(document["versions"]),
      clockMs: typeof wallMs === "number" ? Math.round(wallMs - (Date.now() - roundTripMs / 2)) : null,
      tmr: kind === "TMR server" ? parseServerStatus(Buffer.from(JSON.stringify(document))) : null,
      store: kind === "TMR server" ? null : storeOf(document),
      descriptors: isOwn(address) ? descriptorsOf(document["pid"]) : null,
    };
  } catch (error) {
    return { name, kind, address, listens: true, fault: textOf(error), ...nothing };
  }
}

async function askVirtual(address: string, key: Uint8Array, timeoutMs: number): Promise<Facts["virtual"]> {
  try {
    const { document } = await probeServer(address, key, timeoutMs);
    return { address, answeredBy: stringOf(document["name"]), fault: null };
  } catch (error) {
    return { address, answeredBy: null, fault: textOf(error) };
  }
}

async function askLicenses(system: string, timeoutMs: number): Promise<Pick<Facts, "licenses" | "licensesFault">> {
  try {
    await using session = await connect({ system, requestTimeoutMs: timeoutMs, program: "tmr doctor" });
    const items = await session.items();
    const licenses = items.map(({ firmCode, productCode, text, expirationMs }): LicenseFacts => {
      return { firmCode, productCode, text, expirationMs: expirationMs ?? null };
    });
    return { licenses, licensesFault: null };
  } catch (error) {
    return { licenses: null, licensesFault: textOf(error) };
  }
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // The message of a connection that failed repeats the address, which is said already.
  return error instanceof TmrError && error.cause instanceof Error ? error.cause.message : error.message;
}

function stringOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function versionsOf(value: unknown): Pick<Versions, "protocol" | "rules"> | null {
  const said = value as Partial<Versions> | undefined;
  const isSpan = (span: unknown): boolean => typeof (span as { max?: unknown } | undefined)?.max === "number";
  return isSpan(said?.protocol) && isSpan(said?.rules) ? (said as Pick<Versions, "protocol" | "rules">) : null;
}

function storeOf(document: Document): StoreAnswer {
  const calendarMs = document["calendarMs"];
  const containers = document["containers"];
  return {
    blank: document["blank"] === true,
    durable: document["durable"] !== false,
    calendarMs: typeof calendarMs === "number" ? calendarMs : null,
    containers: (Array.isArray(containers) ? (containers as readonly Document[]) : []).map(({ file, fault }) => {
      return { file: stringOf(file) ?? "?", fault: stringOf(fault) };
    }),
  };
}

/** Whether an address is one of this host's. */
function isOwn(address: string): boolean {
  const host = address.slice(0, address.lastIndexOf(":")).replaceAll(/^\[|\]$/g, "");
  if (host === "localhost") return true;
  return Object.values(networkInterfaces()).some((ips) => ips?.some((ip) => ip.address === host) === true);
}

/** Of a process that says that it has this number; null where /proc does not tell. */
function descriptorsOf(pid: unknown): ServerFacts["descriptors"] {
  if (!Number.isInteger(pid)) return null;
  const folder = `/proc/${pid as number}`;
  try {
    const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync(`${folder}/limits`, "utf8")) ?? [];
    if (soft === undefined) return null;
    const limit = soft === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(soft);
    return { open: readdirSync(`${folder}/fd`).length, limit };
  } catch {
    // Another user's process, or a namespace with numbers of its own.
    return null;
  }
}
