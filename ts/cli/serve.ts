/** `tmr server` and `tmr upstream`: a server process from its start to an orderly stop. */
import type { Command } from "commander";

/** A server that is running. */
export interface Stoppable {
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
      await serveUntilSignal(async () => (await import("./start-server.js")).startServer(config));
    });
  program
    .command("upstream")
    .description('run an upstream license server; with mode = "standalone" it serves clients itself')
    .requiredOption("-c, --config <file>", "upstream.toml")
    .action(async ({ config }: ServeFlags) => {
      const { isStandaloneConfig } = await import("../config/index.js");
      await serveUntilSignal(async () =>
        isStandaloneConfig(config)
          ? (await import("./start-standalone.js")).startStandalone(config)
          : (await import("./start-upstream.js")).startUpstream(config),
      );
    });
}

/**
 * Starts a server and stops it in order at SIGINT or SIGTERM; a second signal ends the process at once. Resolves when
 * the server has stopped. A signal that comes while it starts stops it as soon as it has started.
 */
export async function serveUntilSignal(start: () => Promise<Stoppable>): Promise<void> {
  const signals = ["SIGINT", "SIGTERM"] as const;
  let count = 0;
  let stop: () => void = () => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  const listener = (): void => {
    if (++count > 1) process.exit(1);
    stop();
  };
  for (const signal of signals) process.on(signal, listener);
  try {
    const server = await start();
    await stopped;
    await server.stop();
  } finally {
    for (const signal of signals) process.off(signal, listener);
  }
}
