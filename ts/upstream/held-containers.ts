/** The containers folder of an upstream: read at the start, and again whenever a file in it changes. */
import { type FSWatcher, watch } from "node:fs";
import { basename } from "node:path";
import type { Logger } from "pino";
import { type ContainerTrust, type LoadedContainer, loadContainers } from "../container/index.js";
import type { HeldContainer } from "./statement.js";
import type { ContainerStatus } from "./status.js";

/** Files are read this long after the last change: a file that is being written is not looked at half-way. */
const SETTLE_MS = 200;

/** Whoever signs what the containers hold. */
export interface HoldingSigner {
  /** the sound containers, in the order of their files */
  containers: readonly HeldContainer[];
  /** whether a container is part of what it signs */
  states(container: HeldContainer): boolean;
}

/** Where container files lie, and whose signatures in them count. */
export interface ContainersFolder {
  readonly folder: string;
  readonly trust: ContainerTrust;
}

export class HeldContainers {
  readonly #where: ContainersFolder;
  readonly #signer: HoldingSigner;
  readonly #log: Logger;
  readonly #changed: () => void;
  #loaded: readonly LoadedContainer[] = [];
  #watcher: FSWatcher | null = null;
  #timer: NodeJS.Timeout | null = null;
  #reading: Promise<void> = Promise.resolve();
  #closed = false;

  /** `changed` is called when what the containers hold may be something else. */
  constructor(where: ContainersFolder, signer: HoldingSigner, log: Logger, changed: () => void) {
    this.#where = where;
    this.#signer = signer;
    this.#log = log;
    this.#changed = changed;
  }

  /** The containers that serve. */
  sound(): readonly LoadedContainer[] {
    return this.#loaded.filter(({ fault }) => fault === undefined);
  }

  all(): readonly LoadedContainer[] {
    return this.#loaded;
  }

  status(): ContainerStatus[] {
    return this.#loaded.map((loaded) => ({
      file: basename(loaded.file),
      container: loaded.container,
      actId: loaded.actId,
      items: loaded.items.length,
      tmrItems: loaded.items.filter(({ tmrId }) => tmrId !== 0).length,
      stated: this.#signer.states(loaded),
      ...(loaded.fault === undefined ? {} : { fault: loaded.fault }),
    }));
  }

  /** Reads the folder, one reading at a time. Throws ERR_TMR_FILE when it cannot be read; the old content stays then. */
  reload(): Promise<void> {
    const next = this.#reading.then(() => this.#read());
    this.#reading = next.catch(() => {});
    return next;
  }

  /** Reads the folder again after each change in it. Where the system cannot watch, SIGHUP still does. */
  watch(): void {
    try {
      this.#watcher = watch(this.#where.folder, { persistent: false }, () => this.#soon());
      this.#watcher.on("error", (error) =>
        this.#log.warn({ err: error.message }, "the containers folder is not watched"),
      );
    } catch (error) {
      this.#log.warn({ err: String(error) }, "the containers folder is not watched: send SIGHUP after a change");
    }
  }

  close(): void {
    this.#closed = true;
    this.#watcher?.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #soon(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.reload().catch((error: unknown) =>
        this.#log.error({ err: String(error) }, "containers cannot be read again"),
      );
    }, SETTLE_MS);
    this.#timer.unref();
  }

  async #read(): Promise<void> {
    const loaded = await loadContainers(this.#where.folder, this.#where.trust);
    if (this.#closed) return;
    const same = JSON.stringify(loaded) === JSON.stringify(this.#loaded);
    this.#loaded = loaded;
    this.#signer.containers = loaded.filter(({ fault }) => fault === undefined);
    if (same) return;
    for (const { file, container, items, fault } of loaded) {
      if (fault === undefined) this.#log.info({ file: basename(file), container, items: items.length }, "container");
      else this.#log.error({ file: basename(file), fault }, "container is broken: it serves nothing");
    }
    for (const container of this.#signer.containers) {
      if (container.items.some(({ tmrId }) => tmrId !== 0) && !this.#signer.states(container)) {
        this.#log.error({ container: container.container }, "container has another actId than the first: not stated");
      }
    }
    this.#changed();
  }
}
