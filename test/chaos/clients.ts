/** The client processes of a run: started, killed and replaced, and ended in order. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Random } from "../simulation/random.js";
import type { ClientTask } from "./client.js";
import type { FaultLog } from "./fault-log.js";
import { type EventLine, joinCalls, type OperationLine } from "./history.js";
import { type ChaosPlant, FIRM_CODE, LICENSES } from "./plant.js";

const program = fileURLToPath(new URL("client-main.js", import.meta.url));

interface Running {
  readonly slot: number;
  readonly name: string;
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
}

/** Clients in `slots` places; a killed one is followed by another in its place. */
export class Clients {
  readonly #plant: ChaosPlant;
  readonly #seed: number;
  readonly #startNs: bigint;
  readonly #files: string[] = [];
  readonly #running = new Map<number, Running>();
  #started = 0;

  constructor(plant: ChaosPlant, seed: number, startNs: bigint) {
    this.#plant = plant;
    this.#seed = seed;
    this.#startNs = startNs;
  }

  start(slot: number): void {
    const name = `client-${slot}.${++this.#started}`;
    const history = join(this.#plant.logDir, `${name}.jsonl`);
    this.#files.push(history);
    const task: ClientTask = {
      process: name,
      system: this.#plant.clientSystem,
      history,
      seed: this.#seed,
      startNs: String(this.#startNs),
      licenses: LICENSES.map(({ productCode, most, holdMs }) => ({ firmCode: FIRM_CODE, productCode, most, holdMs })),
    };
    const log = openSync(join(this.#plant.logDir, `${name}.log`), "a", 0o600);
    const child = spawn(process.execPath, [program, JSON.stringify(task)], { stdio: ["pipe", log, log] });
    closeSync(log);
    // A client that was killed does not take the end of its input.
    child.stdin?.on("error", () => undefined);
    const exited = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
    this.#running.set(slot, { slot, name, child, exited });
  }

  /** kill -9 of one that is chosen by chance; the next one starts at once. */
  async killOne(random: Random, log: FaultLog): Promise<void> {
    const victim = random.pick([...this.#running.values()]);
    await log.during("client killed", victim.name, "", async () => {
      victim.child.kill("SIGKILL");
      await victim.exited;
    });
    this.start(victim.slot);
  }

  /** Lets all of them end. Resolves to what went wrong with those that did not, in words. */
  async end(withinMs: number): Promise<string[]> {
    const running = [...this.#running.values()];
    for (const { child } of running) child.stdin?.end();
    return (await Promise.all(running.map((one) => this.#ended(one, withinMs)))).filter((fault) => fault !== null);
  }

  killAll(): void {
    for (const { child } of this.#running.values()) child.kill("SIGKILL");
  }

  /** What all of them recorded. */
  history(): (OperationLine | EventLine)[] {
    return this.#files.flatMap((file) => joinCalls(readIfThere(file)));
  }

  async #ended({ name, child, exited }: Running, withinMs: number): Promise<string | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), withinMs);
    });
    const code = await Promise.race([exited, late]);
    clearTimeout(timer);
    if (code === 0) return null;
    child.kill("SIGKILL");
    const log = readIfThere(join(this.#plant.logDir, `${name}.log`)).slice(-1_000);
    return `${name}: ${code === "late" ? `not ended within ${withinMs} ms` : `exit code ${code}`} ${log}`;
  }
}

/** A client that was killed while it started has no file yet. */
function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
