/** The five processes of a chaos run, and how the system is: by asking them, past the proxies. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ProcessDescription, Processes } from "../../ts/cli/demo/processes.js";
import { socketDialer } from "../../ts/client/dialer.js";
import { decodeResults, encodeRequests } from "../../ts/client/packet.js";
import { queryStatus } from "../../ts/client/query-status.js";
import { parseJson } from "../../ts/client/server-status.js";
import { loadEngine } from "../../ts/engine/index.js";
import type { UpstreamStatus } from "../../ts/upstream/status.js";
import { Kind } from "../../ts/wire/kinds.js";
import type { ServerStatus } from "../../ts/wire/server-status.js";
import { programFile } from "../support/running-plant.js";
import type { ChaosPlant, Twin, Upstream } from "./plant.js";

const STATUS_TIMEOUT_MS = 2_000;
const POLL_MS = 40;
const LOG_TAIL = 2_000;

export class ChaosSystem {
  readonly plant: ChaosPlant;
  readonly #processes: Processes;
  readonly #pids = new Map<string, number>();
  /** processes that are down because a fault wants them to be */
  readonly #down = new Set<string>();
  readonly #frozen = new Set<string>();

  constructor(plant: ChaosPlant) {
    this.plant = plant;
    this.#processes = new Processes(programFile, plant.logDir);
  }

  get all(): readonly ProcessDescription[] {
    return [...this.plant.upstreams, ...this.plant.servers];
  }

  start(process: ProcessDescription): void {
    this.#pids.set(process.name, this.#processes.start(process));
    this.#down.delete(process.name);
  }

  /** kill -9; resolves when it is gone. */
  async kill({ name }: ProcessDescription): Promise<void> {
    this.#down.add(name);
    this.#frozen.delete(name);
    await this.#processes.kill(name);
  }

  /** Stops it in the middle of whatever it does, until {@link thaw}. */
  freeze({ name }: ProcessDescription): void {
    this.#frozen.add(name);
    this.#signal(name, "SIGSTOP");
  }

  thaw({ name }: ProcessDescription): void {
    if (this.#frozen.delete(name)) this.#signal(name, "SIGCONT");
  }

  /** Processes that ended although nobody killed them. Each is named once and started again. */
  dead(): { name: string; log: string }[] {
    return this.all
      .filter(({ name }) => !this.#down.has(name) && !this.#processes.isRunning(name))
      .map((process) => {
        const log = readFileSync(join(this.plant.logDir, `${process.name}.log`), "utf8").slice(-LOG_TAIL);
        this.start(process);
        return { name: process.name, log };
      });
  }

  async stop(): Promise<void> {
    for (const process of this.all) this.thaw(process);
    await this.#processes.stopAll();
    for (const { proxy } of this.plant.links) proxy.close();
  }

  killAll(): void {
    this.#processes.killAll();
  }

  /** The servers that answer. */
  async statuses(): Promise<ServerStatus[]> {
    const { servers, clientKey } = this.plant.system.system;
    const asked = servers.map(({ clients }) => queryStatus(clients, clientKey, STATUS_TIMEOUT_MS).catch(() => null));
    return (await Promise.all(asked)).filter((status) => status !== null);
  }

  /** One twin is active and has three upstreams in step. */
  async upstreamsWhole(): Promise<boolean> {
    const active = (await this.statuses()).find(({ role }) => role === "active");
    return active?.upstreams.filter(({ state }) => state === "streaming").length === 3;
  }

  /** One twin is active, the other is passive and hears it. */
  async twinsWhole(): Promise<boolean> {
    const statuses = await this.statuses();
    const active = statuses.some(({ role }) => role === "active");
    return active && statuses.some(({ role, peer }) => role === "passive" && peer.connected && peer.role === "active");
  }

  upstreamStatus(upstream: Upstream): Promise<UpstreamStatus> {
    const { address, key } = this.plant.system.system.upstreams[upstream - 1] ?? { address: "", key: Buffer.alloc(32) };
    return queryUpstream(address, key);
  }

  server(twin: Twin): ProcessDescription {
    return this.plant.servers[twin];
  }

  upstream(upstream: Upstream): ProcessDescription {
    return this.plant.upstreams[upstream - 1] as ProcessDescription;
  }

  #signal(name: string, signal: NodeJS.Signals): void {
    const pid = this.#pids.get(name);
    if (pid !== undefined && this.#processes.isRunning(name)) process.kill(pid, signal);
  }
}

/** Asks an upstream about itself, as a client of its own. */
export function queryUpstream(address: string, key: Uint8Array): Promise<UpstreamStatus> {
  const signal = AbortSignal.timeout(STATUS_TIMEOUT_MS);
  const dial = socketDialer(loadEngine(), [address], key);
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(new Error(`${address}: no status`)));
    const message = (bytes: Uint8Array): void => {
      const answer = decodeResults(bytes)?.[0];
      if (answer?.result.kind === Kind.status) resolve(parseJson(answer.blob) as UpstreamStatus);
    };
    dial(0, { message, closed: (why) => reject(new Error(why)) }, signal)
      .then((link) => {
        signal.addEventListener("abort", () => link.close());
        const request = { kind: Kind.status, request: 1, session: Buffer.alloc(16, 1) };
        return link.send(encodeRequests([{ request, blob: null }]));
      })
      .catch(reject);
  });
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks again and again; false when it did not hold within the time. A question that fails counts as no. */
export async function eventually(ask: () => Promise<boolean>, withinMs: number): Promise<boolean> {
  const endMs = performance.now() + withinMs;
  while (performance.now() < endMs) {
    if (await ask().catch(() => false)) return true;
    await sleep(POLL_MS);
  }
  return false;
}
