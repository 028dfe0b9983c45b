/** Starts one load process and collects what it says. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { LoadOrder, LoadReport } from "./load-types.js";

const program = fileURLToPath(new URL("load-process.js", import.meta.url));

export type FinalReport = Extract<LoadReport, { readonly event: "result" }>;

/** Runs a load to its end. `onWindow` is called when the measured window begins. Rejects with the load's own reason. */
export async function runLoad(order: LoadOrder, onWindow?: () => void): Promise<FinalReport> {
  const limitMs = order.warmUpMs + order.windowMs + 90_000;
  const child = spawn(process.execPath, [program, JSON.stringify(order)], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: limitMs,
    killSignal: "SIGKILL",
  });
  const ended = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => resolve(`ended by ${signal ?? `code ${code}`}`));
    child.once("error", (error) => resolve(error.message));
  });
  let last: FinalReport | undefined;
  let reason: string | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    const report = JSON.parse(line) as LoadReport;
    if (report.event === "window") onWindow?.();
    else if (report.event === "result") last = report;
    else if (report.event === "failed") ({ reason } = report);
  }
  const how = await ended;
  if (last === undefined) throw new Error(`the load failed: ${reason ?? how}`);
  return last;
}
