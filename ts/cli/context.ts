/** What every command gets besides its flags. */
import type { Terminal } from "./terminal.js";

export interface CliContext {
  readonly terminal: Terminal;
  /** what the process ends with; a command sets it where 0 would not be true */
  exitCode: number;
}

/** Exit codes of `tmr`, besides those of a command that it runs. */
export const ExitCode = {
  ok: 0,
  /** `tmr status`, `tmr health`: it does not serve; `tmr take-over`, `tmr admit`: not within the time */
  notServing: 1,
  /** wrong use, wrong configuration, or no server */
  failed: 2,
  /** `tmr checkout`: the license was refused */
  refused: 3,
} as const;
