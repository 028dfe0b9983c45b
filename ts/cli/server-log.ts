/**
 * The log of a server process: one JSON line per event on standard output, where journald or whoever started it takes it.
 * Keys are never given to it.
 */
import { fstatSync } from "node:fs";
import { type Logger, pino } from "pino";
import type { LogLevel } from "../config/index.js";

export function serverLog(name: string, level: LogLevel): Logger {
  const out = pino.destination({ fd: 1, sync: true });
  return pino({ name, level }, isJournal(process.env["JOURNAL_STREAM"]) ? withPriority(out) : out);
}

/** Ends the process with exit code 1, at once and with a last line, rather than go on from a state that is not safe. */
export function fatalExit(log: Logger): (error: unknown) => void {
  return (error) => {
    log.fatal({ err: error }, "the process ends: it cannot go on safely");
    process.exit(1);
  };
}

/** Whether standard output is the journal itself: systemd names its stream by device and inode. */
export function isJournal(stream: string | undefined): boolean {
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(1);
  return stream === `${dev}:${ino}`;
}

/** Puts `<N>` before each line, which journald takes off and keeps as the entry's priority: `journalctl -p err` finds it. */
export function withPriority(out: { write(line: string): unknown }) {
  return {
    // pino sets lastLevel before each line that it writes.
    [Symbol.for("pino.metadata")]: true,
    lastLevel: 30,
    write(line: string): void {
      out.write(`<${priorityOf(this.lastLevel)}>${line}`);
    },
  };
}

/** syslog's number for a level of pino. */
function priorityOf(level: number): number {
  if (level >= 60) return 2;
  if (level >= 50) return 3;
  if (level >= 40) return 4;
  return level >= 30 ? 6 : 7;
}
