/** One chaos run: build, start, hurt, mend, end, and check what the clients saw. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../../ts/client/connect.js";
import { checkHistory, type Verdict } from "./checker.js";
import { Clients } from "./clients.js";
import { FaultLog } from "./fault-log.js";
import { Faults } from "./faults.js";
import {
  type EndLine,
  type EventLine,
  HISTORY_FORMAT,
  type HistoryLine,
  historyText,
  type RunLine,
} from "./history.js";
import { buildChaosPlant, FIRM_CODE, LICENSES, SESSION_TIMEOUT_MS } from "./plant.js";
import { clock } from "./recorder.js";
import { ChaosSystem, eventually, sleep } from "./system.js";

export interface ChaosOptions {
  readonly seed: number;
  /** how long faults are injected */
  readonly durationMs: number;
  readonly clients: number;
  /** an empty folder for everything */
  readonly dir: string;
  /** Called several times a second while faults are injected. */
  progress?(elapsedMs: number, faults: number, underWay: string): void;
}

export interface ChaosResult {
  readonly historyFile: string;
  readonly lines: readonly HistoryLine[];
  readonly verdict: Verdict;
}

const START_MS = 60_000;
const END_MS = 90_000;
const WATCH_MS = 200;

/** Rejects when the system does not even start. Whatever happens, nothing that it started is left behind. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const run = await ChaosRun.prepare(options);
  try {
    return await run.run();
  } finally {
    await run.stop();
  }
}

class ChaosRun {
  readonly #options: ChaosOptions;
  readonly #system: ChaosSystem;
  readonly #clients: Clients;
  readonly #log: FaultLog;
  readonly #nowNs: () => number;
  readonly #events: EventLine[] = [];
  readonly #onExit = () => {
    this.#clients.killAll();
    this.#system.killAll();
  };

  private constructor(options: ChaosOptions, system: ChaosSystem) {
    this.#options = options;
    this.#system = system;
    const startNs = process.hrtime.bigint();
    this.#nowNs = clock(startNs);
    this.#log = new FaultLog(this.#nowNs);
    this.#clients = new Clients(system.plant, options.seed, startNs);
    process.once("exit", this.#onExit);
  }

  static async prepare(options: ChaosOptions): Promise<ChaosRun> {
    return new ChaosRun(options, new ChaosSystem(await buildChaosPlant(options.dir)));
  }

  async run(): Promise<ChaosResult> {
    await this.#start();
    for (let slot = 1; slot <= this.#options.clients; slot++) this.#clients.start(slot);
    await this.#hurt();
    await this.#mended();
    for (const fault of await this.#clients.end(END_MS)) this.#note("died", fault);
    const end = await this.#end();
    const run: RunLine = {
      type: "run",
      format: HISTORY_FORMAT,
      seed: this.#options.seed,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      licenses: LICENSES.map(({ productCode, quantity }) => ({ license: `${FIRM_CODE}:${productCode}`, quantity })),
    };
    const text = historyText([run, ...this.#clients.history(), ...this.#log.lines, ...this.#events, end]);
    const historyFile = join(this.#options.dir, "history.jsonl");
    writeFileSync(historyFile, text);
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as HistoryLine);
    return { historyFile, lines, verdict: checkHistory(lines) };
  }

  async stop(): Promise<void> {
    process.off("exit", this.#onExit);
    this.#clients.killAll();
    await this.#system.stop();
  }

  /** The system is whole, and all three upstreams have said what they hold. */
  async #start(): Promise<void> {
    for (const process of this.#system.all) this.#system.start(process);
    const whole = async () => (await this.#system.upstreamsWhole()) && (await this.#system.twinsWhole());
    if (!(await eventually(whole, START_MS))) {
      const dead = this.#system.dead().map(({ name, log }) => `\n${name} ended: ${log}`);
      throw new Error(`the system is not whole within ${START_MS} ms${dead.join("")}`);
    }
    await using session = await connect({ system: this.#system.plant.system.systemFile, program: "chaos" });
    const stated = async () => {
      const items = await session.items();
      return items.length === LICENSES.length && items.every(({ holders }) => holders.length === 3);
    };
    if (!(await eventually(stated, START_MS))) throw new Error(`no three statements within ${START_MS} ms`);
  }

  async #hurt(): Promise<void> {
    const faults = new Faults({
      seed: this.#options.seed,
      system: this.#system,
      log: this.#log,
      killClient: (random) => this.#clients.killOne(random, this.#log),
      notWhole: (what) => this.#note("not-whole", what),
    });
    const startMs = performance.now();
    let over = false;
    const watch = async () => {
      while (!over) {
        for (const { name, log } of this.#system.dead()) this.#note("died", log, name);
        const elapsedMs = performance.now() - startMs;
        this.#options.progress?.(elapsedMs, this.#log.lines.length, this.#log.underWay);
        if (elapsedMs >= this.#options.durationMs) faults.stop();
        await sleep(WATCH_MS);
      }
    };
    const watching = watch();
    await faults.run();
    over = true;
    await watching;
  }

  async #mended(): Promise<void> {
    const whole = async () => (await this.#system.upstreamsWhole()) && (await this.#system.twinsWhole());
    if (!(await eventually(whole, END_MS)))
      this.#note("not-whole", `not whole within ${END_MS} ms after the last fault`);
  }

  /** Waits until the sessions of killed clients have timed out and the upstreams are equal; says how it is then. */
  async #end(): Promise<EndLine> {
    let items: EndLine["items"] = [];
    let upstreams: EndLine["upstreams"] = [];
    await using session = await connect({ system: this.#system.plant.system.systemFile, program: "chaos" });
    await eventually(async () => {
      items = (await session.items()).map(({ productCode, used, quantity }) => ({
        license: `${FIRM_CODE}:${productCode}`,
        used,
        quantity,
      }));
      return items.every(({ used }) => used === 0);
    }, END_MS);
    await session.close();
    await eventually(async () => {
      const statuses = await Promise.all(([1, 2, 3] as const).map((id) => this.#system.upstreamStatus(id)));
      upstreams = statuses.map(({ id, position, digest, stateDigest }) => ({ id, position, digest, stateDigest }));
      return new Set(upstreams.map(({ stateDigest }) => stateDigest)).size === 1;
    }, END_MS);
    return { type: "end", atNs: this.#nowNs(), upstreams, items };
  }

  #note(event: "died" | "not-whole", detail: string, process = "the system"): void {
    this.#events.push({ type: "event", event, process, atNs: this.#nowNs(), detail });
  }
}
