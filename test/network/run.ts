/** One run of the network tests: build, start, each fault so many times, end, and what the clients saw of it. */
import { type ChildProcess, execFile } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { checkHistory, type Verdict } from "../chaos/checker.js";
import {
  type EndLine,
  type EventLine,
  type FaultLine,
  HISTORY_FORMAT,
  type HistoryLine,
  historyText,
  joinCalls,
  type OperationLine,
  type RunLine,
} from "../chaos/history.js";
import { clock } from "../chaos/recorder.js";
import { eventually, sleep } from "../chaos/system.js";
import type { NetworkClientTask } from "./client.js";
import type { Fault, FaultContext } from "./faults.js";
import type { Window } from "./gaps.js";
import { Network } from "./namespaces.js";
import { buildPlant, FIRM_CODE, type Plant, PRODUCT_CODE, QUANTITY, SESSION_TIMEOUT_MS } from "./plant.js";
import { NetworkSystem } from "./system.js";

export interface NetworkOptions {
  readonly faults: readonly Fault[];
  readonly rounds: number;
  readonly seed: number;
  /** an empty folder for everything */
  readonly dir: string;
  progress(text: string): void;
}

/** One fault as it was inflicted, from its beginning until the system was whole again. */
export interface Inflicted extends Window {
  readonly fault: Fault;
}

export interface NetworkResult {
  readonly historyFile: string;
  readonly inflicted: readonly Inflicted[];
  readonly operations: readonly OperationLine[];
  readonly verdict: Verdict;
  readonly endNs: number;
}

const roles = ["holder", "asker"] as const;
const WHOLE_MS = 30_000;
const END_MS = 30_000;
/** Between two faults: the clients are at rest, and neither twin owes the other a pause. */
const REST_MS = 1_500;
const clientProgram = fileURLToPath(new URL("client-main.js", import.meta.url));
const probeProgram = fileURLToPath(new URL("probe-main.js", import.meta.url));

/** Whatever happens, no namespace and no process is left behind. */
export async function runNetwork(options: NetworkOptions): Promise<NetworkResult> {
  const network = new Network(`tmr${process.pid % 10_000}`);
  const onExit = (): void => network.close();
  process.once("exit", onExit);
  try {
    const plant = await buildPlant(options.dir, network);
    return await new NetworkRun(options, plant).run();
  } finally {
    process.off("exit", onExit);
    network.close();
  }
}

class NetworkRun {
  readonly #options: NetworkOptions;
  readonly #plant: Plant;
  readonly #system: NetworkSystem;
  readonly #startNs = process.hrtime.bigint();
  readonly #nowNs = clock(this.#startNs);
  readonly #events: EventLine[] = [];
  readonly #inflicted: Inflicted[] = [];
  readonly #clients: { readonly file: string; readonly child: ChildProcess }[] = [];

  constructor(options: NetworkOptions, plant: Plant) {
    this.#options = options;
    this.#plant = plant;
    this.#system = new NetworkSystem(plant);
  }

  async run(): Promise<NetworkResult> {
    await this.#start();
    for (let round = 1; round <= this.#options.rounds; round++) {
      for (const fault of this.#options.faults) {
        this.#options.progress(`round ${round} of ${this.#options.rounds}: ${fault.name}`);
        await this.#inflict(fault, round);
      }
    }
    await this.#endClients();
    const end = await this.#end();
    await this.#system.stop();
    for (const text of this.#system.died) this.#note("died", text);
    return this.#result(end);
  }

  async #start(): Promise<void> {
    this.#options.progress("starts");
    const { names } = this.#system;
    for (const name of names.filter((name) => !name.startsWith("keepalived"))) this.#system.start(name);
    // As systemd does: keepalived comes when what it tracks is there.
    if (!(await eventually(() => this.#system.tracked(), WHOLE_MS)))
      throw new Error("no server writes its tracked file");
    for (const name of names.filter((name) => name.startsWith("keepalived"))) this.#system.start(name);
    if (!(await eventually(() => this.#system.whole(), WHOLE_MS))) {
      throw new Error(`the system is not whole within ${WHOLE_MS} ms: ${this.#system.died.join("; ")}`);
    }
    await this.#probe("stated");
    roles.forEach((role, i) => this.#startClient(role, i));
    await sleep(REST_MS);
  }

  #startClient(role: NetworkClientTask["role"], i: number): void {
    const file = join(this.#plant.logDir, `${role}.jsonl`);
    const task: NetworkClientTask = {
      process: role,
      role,
      system: this.#plant.system.systemFile,
      history: file,
      startNs: String(this.#startNs),
      firmCode: FIRM_CODE,
      productCode: PRODUCT_CODE,
    };
    const log = openSync(join(this.#plant.logDir, `${role}.log`), "a", 0o600);
    const host = this.#plant.clients[i] ?? this.#plant.clients[0];
    const child = host.spawn([process.execPath, clientProgram, JSON.stringify(task)], ["pipe", log, log]);
    closeSync(log);
    child.stdin?.on("error", () => undefined);
    this.#clients.push({ file, child });
  }

  async #inflict(fault: Fault, round: number): Promise<void> {
    const active = await this.#system.active();
    if (active === null) throw new Error("no TMR server is active");
    const context: FaultContext = {
      system: this.#system,
      active,
      passive: active === 0 ? 1 : 0,
      host: this.#plant.servers[active],
      seed: this.#options.seed + round,
      whole: () => this.#whole(`within ${fault.name}`),
    };
    const fromNs = this.#nowNs();
    await fault.inflict(context);
    await this.#whole(`after ${fault.name}`);
    this.#inflicted.push({ fault, fromNs, untilNs: this.#nowNs() });
    await sleep(REST_MS);
  }

  async #whole(when: string): Promise<void> {
    if (await eventually(() => this.#system.whole(), WHOLE_MS)) return;
    const [a, b] = await Promise.all([this.#system.health(0), this.#system.health(1)]);
    const held = [this.#system.holds(0), this.#system.holds(1)];
    this.#note("not-whole", `${when}: ${JSON.stringify({ a, b, held })}`);
  }

  async #endClients(): Promise<void> {
    for (const { child, file } of this.#clients) {
      const ended = once(child, "exit");
      child.stdin?.end();
      const late = setTimeout(() => child.kill("SIGKILL"), END_MS);
      const [code] = (await ended) as [number | null];
      clearTimeout(late);
      if (code !== 0) this.#note("died", `the client of ${file} ended with ${code}`);
    }
  }

  async #end(): Promise<EndLine> {
    const { items, upstreams } = JSON.parse(await this.#probe("end")) as Pick<EndLine, "items" | "upstreams">;
    return { type: "end", atNs: this.#nowNs(), upstreams, items };
  }

  async #probe(question: "stated" | "end"): Promise<string> {
    const { namespace } = this.#plant.clients[0];
    const command = ["netns", "exec", namespace, process.execPath, probeProgram, question];
    return (await promisify(execFile)("ip", [...command, this.#plant.system.systemFile])).stdout;
  }

  #note(event: "died" | "not-whole", detail: string): void {
    this.#events.push({ type: "event", event, process: "the system", atNs: this.#nowNs(), detail });
  }

  #result(end: EndLine): NetworkResult {
    const { seed, dir } = this.#options;
    const license = `${FIRM_CODE}:${PRODUCT_CODE}`;
    const run: RunLine = {
      type: "run",
      format: HISTORY_FORMAT,
      seed,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      licenses: [{ license, quantity: QUANTITY }],
    };
    const clients = this.#clients.flatMap(({ file }) => joinCalls(readFileSync(file, "utf8")));
    const faults = this.#inflicted.map(({ fault, fromNs, untilNs }): FaultLine => {
      return { type: "fault", kind: fault.name, target: "", fromNs, untilNs, detail: fault.what };
    });
    const lines: HistoryLine[] = [run, ...clients, ...faults, ...this.#events, end];
    const historyFile = join(dir, "history.jsonl");
    writeFileSync(historyFile, historyText(lines));
    const operations = clients.filter((line) => line.type === "operation");
    return { historyFile, inflicted: this.#inflicted, operations, verdict: checkHistory(lines), endNs: end.atNs };
  }
}
