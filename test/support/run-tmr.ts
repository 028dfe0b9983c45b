/** The `tmr` program as a process that runs to its end. */
import { spawn } from "node:child_process";
import { programFile } from "./running-plant.js";

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs `tmr` with these arguments. One that does not end by itself is killed: its code is null then. */
export function runTmr(...args: readonly string[]): Promise<Ran> {
  return runTmrFor(60_000, args);
}

/** {@link runTmr} for a command that takes its time. */
export function runTmrFor(timeoutMs: number, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [programFile, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: timeoutMs,
      killSignal: "SIGKILL",
    });
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
  });
}
