/** `tmr server` and `tmr upstream`: a server process from its start to an orderly stop. */
import type { Command } from "commander";
import { loadEngine } from "../engine/index.js";
import { type Beating, type HeartLog, startHeart } from "../service/heart.js";
import { ServiceManager } from "../service/manager.js";

/** A server that is running. */
export interface Running extends Beating {
  readonly log: HeartLog;
  /** Reads the configuration again and applies it, or says in the log why not. Never rejects. */
  reload(): Promise<void>;
  /** Ends in order, within a bounded time. */
  stop(): Promise<void>;
}

interface ServeFlags {
  readonly config: string;
}

/** Adds the two commands. */
export function registerServe(program: Command): void {
  program
    .command("server")
    .description("run a TMR server: active or the passive twin")
    .requiredOption("-c, --config <file>", "tmr.toml")
    .action(async ({ config }: ServeFlags) => {
      await serveUntilSignal(async () => (await import("./start-server.js")).startServer(config), thisService());
    });
  program
    .command("upstream")
    .description('run an upstream license server; with mode = "standalone" it serves clients itself')
    .requiredOption("-c, --config <file>", "upstream.toml")
    .action(async ({ config }: ServeFlags) => {
      const { isStandaloneConfig } = await import("../config/index.js");
      await serveUntilSignal(
        async () =>
          isStandaloneConfig(config)
            ? (await import("./start-standalone.js")).startStandalone(config)
            : (await import("./start-upstream.js")).startUpstream(config),
        thisService(),
      );
    });
}

function thisService(): ServiceManager {
  return new ServiceManager(process.env, process.pid, (path, message) => loadEngine().sendDatagram(path, message));
}

/**
 * Starts a server; SIGHUP has it read its configuration again, SIGINT or SIGTERM stop it in order, and a second one of these
 * ends the process at once. Resolves when the server has stopped. A signal that comes while it starts counts as soon as it
 * has started.
 */
export async function serveUntilSignal(start: () => Promise<Running>, manager: ServiceManager): Promise<void> {
  let stops = 0;
  let stop: () => void = () => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const onStop = (): void => {
    if (++stops > 1) process.exit(1);
    stop();
  };
  const reloads = new Reloads(manager);
  const onReload = (): void => reloads.wanted();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, onStop);
  process.on("SIGHUP", onReload);
  try {
    const server = await start();
    const endHeart = startHeart(manager, server, server.log);
    manager.ready();
    reloads.started(server);
    await stopped;
    manager.stopping();
    await reloads.idle();
    await server.stop();
    endHeart();
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, onStop);
    process.off("SIGHUP", onReload);
  }
}

/** One reload at a time; any number of signals meanwhile make one more. */
class Reloads {
  readonly #manager: ServiceManager;
  #server: Running | null = null;
  #wanted = false;
  #running: Promise<void> | null = null;

  constructor(manager: ServiceManager) {
    this.#manager = manager;
  }

  wanted(): void {
    this.#wanted = true;
    if (this.#server !== null) this.#running ??= this.#run(this.#server);
  }

  started(server: Running): void {
    this.#server = server;
    if (this.#wanted) this.wanted();
  }

  /** Resolves when none is under way; none begins after that. */
  async idle(): Promise<void> {
    this.#server = null;
    this.#wanted = false;
    await this.#running;
  }

  async #run(server: Running): Promise<void> {
    while (this.#wanted) {
      this.#wanted = false;
      this.#manager.reloading(process.hrtime.bigint() / 1000n);
      await server.reload();
      this.#manager.ready();
    }
    this.#running = null;
  }
}
