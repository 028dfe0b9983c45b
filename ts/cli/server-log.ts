/** The log of a server process: one JSON line per event on standard output. Keys are never given to it. */
import { type Logger, pino } from "pino";
import type { LogLevel } from "../config/index.js";

export function serverLog(name: string, level: LogLevel): Logger {
  return pino({ name, level });
}

/** Ends the process with exit code 1, at once and with a last line, rather than go on from a state that is not safe. */
export function fatalExit(log: Logger): (error: unknown) => void {
  return (error) => {
    log.fatal({ err: error }, "the process ends: it cannot go on safely");
    process.exit(1);
  };
}
