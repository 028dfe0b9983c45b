/** The processes of one peer: started, their CPU time read, each ended by its pid. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";

const STOP_LIMIT_MS = 10_000;

export interface Command {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** SIGTERM where nothing else is said */
  readonly stopSignal?: NodeJS.Signals;
}

/** All that are running, for a run that ends early. */
const running = new Map<ChildProcess, NodeJS.Signals | undefined>();
process.on("exit", () => {
  // Who asks for a signal of its own leaves something behind when it is killed.
  for (const [child, stopSignal] of running) child.kill(stopSignal ?? "SIGKILL");
});

export class ProcessGroup {
  readonly #logDir: string;
  readonly #children = new Map<string, { child: ChildProcess; stopSignal: NodeJS.Signals }>();

  /** Each process writes to `<logDir>/<name>.log`. */
  constructor(logDir: string) {
    this.#logDir = logDir;
  }

  start({ name, program, args, cwd, stopSignal }: Command): void {
    const log = openSync(join(this.#logDir, `${name}.log`), "a");
    const child = spawn(program, args, { stdio: ["ignore", log, log], ...(cwd === undefined ? {} : { cwd }) });
    closeSync(log);
    running.set(child, stopSignal);
    child.once("exit", () => running.delete(child));
    // Said by the exit of the process; without a listener it would end this one.
    child.once("error", () => running.delete(child));
    this.#children.set(name, { child, stopSignal: stopSignal ?? "SIGTERM" });
  }

  /** Throws with the end of its log when one of the processes is gone. */
  assertAlive(): void {
    for (const [name, { child }] of this.#children) {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
        const log = readFileSync(join(this.#logDir, `${name}.log`), "utf8");
        throw new Error(`${name} has ended: ${log.slice(-400).trim()}`);
      }
    }
  }

  /** CPU seconds of each process and its children, by name. */
  cpuSeconds(): Record<string, number> {
    return Object.fromEntries([...this.#children].map(([name, { child }]) => [name, treeCpuSeconds(child.pid ?? 0)]));
  }

  async stop(): Promise<void> {
    await Promise.all(
      [...this.#children.values()].map(async ({ child, stopSignal }) => {
        if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
        const ended = new Promise((resolve) => child.once("exit", resolve));
        const force = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
        child.kill(stopSignal);
        await ended;
        clearTimeout(force);
      }),
    );
    this.#children.clear();
  }
}

const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** User and system time of a process, of its children that ended, and of those that live. */
function treeCpuSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in parentheses may hold anything: the fields are counted from its end.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0);
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);
    return children.reduce((sum, child) => sum + treeCpuSeconds(Number(child)), ticks / ticksPerSecond);
  } catch {
    return 0;
  }
}
