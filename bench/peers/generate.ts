/** One run of the load generator against one peer. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Load, Timing } from "./party.js";

/** Which of the generator's drivers. */
export type Driver = "echo" | "redis" | "etcd" | "zookeeper" | "postgres" | "postgres-few" | "http";

export interface Generated {
  readonly checkouts: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly mostOut: number;
  readonly refused: number;
  readonly generatorCpuUs: number;
}

/** `onWindow` is called when measuring begins and when it ends. Rejects with the generator's own words. */
export async function generate(
  program: string,
  { driver, ports }: { readonly driver: Driver; readonly ports: readonly number[] },
  load: Load,
  timing: Timing,
  onWindow: (edge: "begin" | "end") => void,
): Promise<Generated> {
  const numbers = [load.clients, timing.seconds, timing.warmUpSeconds, load.seats, load.holdMs * 1000, ...ports];
  const child = spawn(program, [driver, ...numbers.map(String)], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: (timing.seconds + timing.warmUpSeconds) * 1000 + 60_000,
    killSignal: "SIGKILL",
  });
  const ended = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? `code ${code}`));
    child.once("error", (error) => resolve(error.message));
  });
  let fault = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (fault += text));
  let result: Generated | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === "measuring") onWindow("begin");
    else if (line === "measured") onWindow("end");
    else result = JSON.parse(line) as Generated;
  }
  const how = await ended;
  if (result === undefined || how !== "code 0") throw new Error(`the load failed (${how}): ${fault.trim()}`);
  return result;
}
