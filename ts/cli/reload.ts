/** SIGHUP: a configuration file is read again and taken as a whole, or not at all. */
import type { Logger } from "pino";
import { type ConfigNames, configChanges } from "../config/changes.js";
import { TmrError } from "../errors.js";

export interface Reloadable<C extends object> {
  /** The configuration in force. */
  config: C;
  /** Reads the file again; throws with every fault. */
  load(): C;
  readonly names: ConfigNames;
  /** Puts what can change at runtime into force. */
  apply(config: C, changed: readonly string[]): void | Promise<void>;
}

/**
 * Reads the file of a running server again. A file with faults changes nothing, and neither does one that needs a restart:
 * what runs is always what one whole file said. Says in the log what was done.
 */
export async function reloadConfig<C extends object>(reloadable: Reloadable<C>, log: Logger): Promise<void> {
  let config: C;
  try {
    config = reloadable.load();
  } catch (error) {
    const code = error instanceof TmrError ? error.code : undefined;
    const fault = error instanceof Error ? error.message : String(error);
    log.error({ code, fault }, "configuration not reloaded: it has faults, nothing was changed");
    return;
  }
  const { now, restart } = configChanges(reloadable.config, config, reloadable.names);
  if (restart.length > 0) {
    log.error(
      { restart, now },
      `configuration not reloaded, nothing was changed: ${restart.join(", ")} needs a restart`,
    );
    return;
  }
  await reloadable.apply(config, now);
  reloadable.config = config;
  log.info(
    { changed: now },
    now.length === 0 ? "configuration reloaded: nothing has changed" : "configuration reloaded",
  );
}

/** The part of an upstream that SIGHUP is also for: its containers folder, which is read whatever its configuration says. */
export async function readContainers(server: { reload(): Promise<void> }, log: Logger): Promise<void> {
  try {
    await server.reload();
  } catch (error) {
    log.error({ err: error }, "the containers could not be read again: those that were read before stay in force");
  }
}
