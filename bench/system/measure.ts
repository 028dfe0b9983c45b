/** One run of the load against the plant, as the numbers that the table shows. */
import type { LoadResult } from "./load-types.js";
import { type BenchPlant, FIRM_CODE, POOL } from "./plant.js";
import { type FinalReport, runLoad } from "./run-load.js";

/** What one run does. */
export interface RunOptions {
  readonly clients: number;
  readonly lanes: number;
  readonly productCode?: number;
  readonly rate?: number;
  readonly seats?: number;
  readonly holdMs?: number;
  readonly warmUpMs: number;
  readonly windowMs: number;
  /** called when the measured window begins, with the name of the active TMR server */
  readonly onWindow?: (active: string) => void;
}

export interface Measured {
  readonly load: LoadResult;
  readonly windowMs: number;
  /** name of the TMR server that was active at the start */
  readonly active: string;
  readonly checkoutsPerSecond: number;
  /** CPU microseconds per checkout, by process; null: it did not run through. `load` is the generator. */
  readonly cpuUs: Readonly<Record<string, number | null>>;
  readonly residentMb: Readonly<Record<string, number | null>>;
  /** requests per batch, over the whole run; null when the server that counted them is gone */
  readonly batchMean: number | null;
  /** requests that it counted meanwhile; null when it is gone */
  readonly requestsServed: number | null;
  /** calls of read and write of the active TMR server per request; null where the kernel does not say */
  readonly ioCallsPerRequest: number | null;
}

export async function measure(plant: BenchPlant, options: RunOptions): Promise<Measured> {
  const before = await plant.whole();
  const { onWindow, warmUpMs, windowMs, productCode = POOL.productCode, ...load } = options;
  const report = await runLoad(
    {
      ...load,
      productCode,
      firmCode: FIRM_CODE,
      ports: plant.clientPorts,
      firstServer: before.twin,
      serverKey: Buffer.from(plant.system.system.clientKey).toString("base64url"),
      warmUpMs,
      windowMs,
      pids: Object.fromEntries(plant.pids),
    },
    () => onWindow?.(before.name),
  );
  const after = (await plant.statuses()).find((status) => status.role === "active");
  const counted = (name: string): number => (after?.counters[name] ?? 0) - (before.counters[name] ?? 0);
  const batches = counted("batches");
  const stayed = after?.pid === before.pid && after.epoch === before.epoch && batches > 0;
  return {
    ...summary(report, before.name),
    batchMean: stayed ? counted("requests") / batches : null,
    requestsServed: stayed ? counted("requests") : null,
  };
}

function summary(report: FinalReport, active: string): Omit<Measured, "batchMean" | "requestsServed"> {
  const { result, windowMs, before, after, loadCpuMs } = report;
  const perCheckout = (ms: number): number => (ms * 1000) / Math.max(1, result.checkouts);
  const cpuUs: Record<string, number | null> = {};
  const residentMb: Record<string, number | null> = {};
  for (const [name, first] of Object.entries(before)) {
    const last = after[name] ?? null;
    cpuUs[name] = first === null || last === null ? null : perCheckout(last.cpuMs - first.cpuMs);
    residentMb[name] = last === null ? null : last.residentBytes / 2 ** 20;
  }
  cpuUs["load"] = perCheckout(loadCpuMs);
  const first = before[active]?.ioCalls ?? null;
  const last = after[active]?.ioCalls ?? null;
  return {
    load: result,
    windowMs,
    active,
    checkoutsPerSecond: (result.checkouts * 1000) / windowMs,
    cpuUs,
    residentMb,
    ioCallsPerRequest: first === null || last === null ? null : (last - first) / Math.max(1, result.requests),
  };
}
