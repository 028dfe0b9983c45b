/** Tracking folders in memory that can break at any step, and a license state machine whose events two servers write. */
import { generateKeyPairSync, sign } from "node:crypto";
import type { TrackingDisk } from "../../ts/tracking/disk.js";
import { type Entry, type NamedReader } from "../../ts/tracking/read-series.js";
import type { SeriesOptions } from "../../ts/tracking/series-writer.js";
import { readTracking, type Verdict } from "../../ts/tracking/verify.js";
import { TrackingWriter } from "../../ts/tracking/writer.js";
import { Kind } from "../../ts/wire/kinds.js";
import { askEvents, askSeries, trackingOn } from "./events-kit.js";
import type { LicenseKit } from "./license-kit.js";

/** What a disk throws when the power goes. */
export class PowerCut extends Error {
  constructor() {
    super("the power is gone");
  }
}

export class MemoryDisk implements TrackingDisk, NamedReader {
  readonly files = new Map<string, Buffer>();
  readonly #durable = new Map<string, Buffer>();
  /** steps until the power goes, counted down by each change */
  stepsLeft = Number.POSITIVE_INFINITY;
  steps = 0;

  constructor(readonly folder: string) {}

  list(): readonly string[] {
    return [...this.files.keys()];
  }

  read(name: string): Buffer {
    const bytes = this.files.get(name);
    if (bytes === undefined) throw new Error(`no file ${name}`);
    return bytes;
  }

  size(name: string): number {
    return this.read(name).length;
  }

  append(name: string, bytes: Uint8Array): void {
    this.#step();
    this.files.set(name, Buffer.concat([this.files.get(name) ?? Buffer.alloc(0), bytes]));
  }

  sync(name: string): void {
    this.#step();
    this.#durable.set(name, this.read(name));
  }

  truncate(name: string, bytes: number): void {
    this.#step();
    this.files.set(name, this.read(name).subarray(0, bytes));
    this.#durable.set(name, this.read(name));
  }

  replace(name: string, bytes: Uint8Array): void {
    this.#step();
    this.files.set(name, Buffer.from(bytes));
    this.#durable.set(name, this.read(name));
  }

  rename(from: string, to: string): void {
    this.#step();
    this.files.set(to, this.read(from));
    this.#durable.set(to, this.read(from));
    this.remove(from);
  }

  remove(name: string): void {
    this.#step();
    this.files.delete(name);
    this.#durable.delete(name);
  }

  /** After a power cut: what was not synced is there in part, `keep` of 0 to 1. */
  restart(keep: number): void {
    for (const [name, bytes] of this.files) {
      const durable = this.#durable.get(name)?.length ?? 0;
      const left = bytes.subarray(0, durable + Math.floor(Math.max(0, bytes.length - durable) * keep));
      if (durable === 0 && keep < 0.3) this.files.delete(name);
      else this.files.set(name, left);
    }
    this.stepsLeft = Number.POSITIVE_INFINITY;
  }

  #step(): void {
    this.steps += 1;
    if (this.stepsLeft <= 0) throw new PowerCut();
    this.stepsLeft -= 1;
  }
}

const keys = new Map<string, { readonly publicKey: string; sign(bytes: Uint8Array): Buffer }>();

/** The same key for the same server, in one test process. */
export function keyOf(server: string): { readonly publicKey: string; sign(bytes: Uint8Array): Buffer } {
  const known = keys.get(server);
  if (known !== undefined) return known;
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const made = {
    publicKey: publicKey.export({ format: "jwk" }).x as string,
    sign: (bytes: Uint8Array) => sign(null, bytes, privateKey),
  };
  keys.set(server, made);
  return made;
}

export function optionsOf(server: string, some: Partial<SeriesOptions> = {}): SeriesOptions {
  const key = keyOf(server);
  return {
    server,
    address: `${server}.example:4711`,
    system: "131-729831162",
    key: key.publicKey,
    sign: key.sign,
    maxFileBytes: 1_000_000,
    maxAgeDays: 0,
    maxSeriesBytes: 0,
    pseudonym: null,
    ...some,
  };
}

/** One server that may be active: its folder, and its writer while it runs. */
export class TrackingServer {
  readonly disk: MemoryDisk;
  #writer: TrackingWriter | null = null;
  #acknowledgement = askEvents;

  constructor(
    readonly name: string,
    readonly some: Partial<SeriesOptions> = {},
  ) {
    this.disk = new MemoryDisk(name);
  }

  /** Becomes the active server, or is it again. */
  activate(kit: LicenseKit): void {
    this.#writer ??= new TrackingWriter(this.disk, optionsOf(this.name, this.some));
    this.#acknowledgement = askEvents;
    kit.one(trackingOn);
    let series = "";
    let cursor = 0;
    do {
      const told = kit.one(askSeries(cursor));
      series += told.text;
      cursor = told.nextCursor;
    } while (cursor !== 0);
    this.#writer.begin(series, kit.calendarMs);
  }

  /** Asks for events once and writes them; what is acknowledged goes with the next question. */
  poll(kit: LicenseKit): boolean {
    const { text } = kit.one(this.#acknowledgement);
    this.#acknowledgement = askEvents;
    const written = this.#writer?.take(text, kit.calendarMs) ?? null;
    if (written === null) return false;
    const { position, record, sub, blob } = written;
    const asked = { kind: Kind.events, request: 0, session: new Uint8Array(16) };
    this.#acknowledgement = { ...asked, handle: position, cursor: record, quantity: sub, blob };
    return true;
  }

  drain(kit: LicenseKit): void {
    while (this.poll(kit));
  }

  /** The process ends without a word; `keep`: how much of what was not synced is there. */
  die(keep: number): void {
    this.#writer = null;
    this.disk.restart(keep);
  }

  stop(kit: LicenseKit): void {
    this.#writer?.end("stopped", kit.calendarMs);
    this.#writer = null;
  }

  passive(kit: LicenseKit): void {
    this.#writer?.end("passive", kit.calendarMs);
  }
}

/** Everything in these folders, with what verification says of it. */
export function readAll(
  folders: readonly NamedReader[],
  servers: readonly string[] = ["tmr-a", "tmr-b"],
): Verdict & { entries: Entry[] } {
  const entries: Entry[] = [];
  const verdict = readTracking(
    folders,
    servers.map((server) => keyOf(server).publicKey),
    (entry) => entries.push(entry),
  );
  return { ...verdict, entries };
}

/** A copy of a folder, to be altered. */
export function copyOf(disk: MemoryDisk): MemoryDisk {
  const copy = new MemoryDisk(disk.folder);
  for (const [name, bytes] of disk.files) copy.files.set(name, Buffer.from(bytes));
  return copy;
}
