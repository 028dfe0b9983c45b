/** The five processes of the demo: started, killed without warning, started again, stopped in order. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

export interface ProcessDescription {
  readonly name: string;
  readonly role: "upstream" | "server" | "central";
  /** its configuration file; of a Central its folder */
  readonly config: string;
  /** of a Central: `host:port` */
  readonly listen?: string;
}

export class Processes {
  readonly #program: string;
  readonly #logDir: string;
  readonly #nodeArguments: (name: string) => readonly string[];
  readonly #running = new Map<string, ChildProcess>();

  /**
   * `program` is the CLI's own file; each process writes its log to `<logDir>/<name>.log`. `nodeArguments` gives further
   * arguments of node for the process of that name.
   */
  constructor(program: string, logDir: string, nodeArguments: (name: string) => readonly string[] = () => []) {
    this.#program = program;
    this.#logDir = logDir;
    this.#nodeArguments = nodeArguments;
  }

  start({ name, role, config, listen = "" }: ProcessDescription): number {
    const log = openSync(join(this.#logDir, `${name}.log`), "a", 0o600);
    const command = role === "central" ? [role, "serve", "--dir", config, "--listen", listen] : [role, "-c", config];
    // A group of its own: Ctrl-C at the terminal reaches the demo alone, which then stops the five in order.
    const child = spawn(process.execPath, [...this.#nodeArguments(name), this.#program, ...command], {
      stdio: ["ignore", log, log],
      detached: true,
    });
    closeSync(log);
    child.on("exit", () => {
      if (this.#running.get(name) === child) this.#running.delete(name);
    });
    this.#running.set(name, child);
    return child.pid ?? 0;
  }

  isRunning(name: string): boolean {
    return this.#running.has(name);
  }

  /** kill -9; resolves when the process is gone. */
  async kill(name: string): Promise<void> {
    await this.#end(name, "SIGKILL");
  }

  /** SIGTERM; resolves when the process is gone. */
  async stop(name: string): Promise<void> {
    await this.#end(name, "SIGTERM");
  }

  /** Stops all in order, with SIGTERM, those that do not end within 5 s with SIGKILL. */
  async stopAll(): Promise<void> {
    await Promise.all(
      [...this.#running.keys()].map(async (name) => {
        const force = setTimeout(() => this.#running.get(name)?.kill("SIGKILL"), 5_000);
        await this.#end(name, "SIGTERM");
        clearTimeout(force);
      }),
    );
  }

  /** Ends everything at once, for a demo that is itself ending. */
  killAll(): void {
    for (const child of this.#running.values()) child.kill("SIGKILL");
  }

  #end(name: string, signal: NodeJS.Signals): Promise<void> {
    const child = this.#running.get(name);
    if (child === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      child.once("exit", () => resolve());
      child.kill(signal);
    });
  }
}

/** Ports of loopback that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const server = createServer();
          server.once("error", reject);
          server.listen(0, "127.0.0.1", () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return address !== null && typeof address === "object" ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
