/**
 * Thousands of real clients in one process of their own: each holds one license. When the server dies, each asks for its
 * handle at once, which is the worst that clients can do, and says when it was answered.
 */

import { openSession } from "../../ts/client/connect.js";
import { socketDialer } from "../../ts/client/dialer.js";
import { loadEngine } from "../../ts/engine/index.js";
import { type Handle, type Session, TmrError } from "../../ts/index.js";

/** What the parent wants: the first message, then `storm` once per fault, then `end`. */
export type Order =
  | {
      readonly type: "hold";
      readonly servers: readonly string[];
      /** base64url */
      readonly serverKey: string;
      readonly license: { readonly firmCode: number; readonly productCode: number };
      readonly clients: number;
      readonly timeoutMs: number;
    }
  | { readonly type: "storm" }
  | { readonly type: "end" };

/** What the parent is told. */
export type Told =
  | { readonly type: "held"; readonly tookMs: number }
  | { readonly type: "asking" }
  | { readonly type: "served"; readonly storm: Storm }
  | { readonly type: "ended" };

export interface Storm {
  /** of each client that was served: ms from the order to its answer, ascending */
  readonly servedMs: readonly number[];
  /** error code of each that was not */
  readonly failed: readonly string[];
  /** clients whose handle did not count any more at some moment */
  readonly lost: number;
  /** connections that were begun, those that came to nothing included */
  readonly dials: number;
  /** CPU time of this process, ms */
  readonly cpuMs: number;
}

/** Sessions that are opened at one time: a factory does not start in one moment, only its failure comes so. */
const AT_ONCE = 128;

interface Client {
  readonly session: Session;
  readonly handle: Handle;
}

const clients: Client[] = [];
let dials = 0;
let lost = 0;
let timeoutMs = 60_000;

async function hold(order: Extract<Order, { type: "hold" }>): Promise<void> {
  const begun = performance.now();
  timeoutMs = order.timeoutMs;
  const dial = socketDialer(loadEngine(), order.servers, Buffer.from(order.serverKey, "base64url"));
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < order.clients) {
      const station = `station-${next++}`;
      const session = await openSession({ station, requestTimeoutMs: timeoutMs }, order.servers, (...call) => {
        dials++;
        return dial(...call);
      });
      session.events.on("handle-lost", () => lost++);
      session.events.on("lease-lost", () => lost++);
      clients.push({ session, handle: await session.access(order.license) });
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, order.clients) }, work));
  tell({ type: "held", tookMs: performance.now() - begun });
}

async function storm(): Promise<void> {
  const begun = performance.now();
  const cpu = process.cpuUsage();
  const dialsBefore = dials;
  const servedMs: number[] = [];
  const failed: string[] = [];
  const asking = clients.map(async ({ handle }) => {
    try {
      await handle.info();
      servedMs.push(performance.now() - begun);
      if (!handle.valid) lost++;
    } catch (error) {
      failed.push(error instanceof TmrError ? error.code : String(error));
    }
  });
  tell({ type: "asking" });
  await Promise.all(asking);
  const { user, system } = process.cpuUsage(cpu);
  servedMs.sort((a, b) => a - b);
  const cpuMs = (user + system) / 1_000;
  tell({ type: "served", storm: { servedMs, failed, lost, dials: dials - dialsBefore, cpuMs } });
}

async function end(): Promise<void> {
  await Promise.all(clients.map(({ session }) => session.close()));
  tell({ type: "ended" });
  process.disconnect();
}

function tell(told: Told): void {
  process.send?.(told);
}

process.on("message", (order: Order) => {
  const work = order.type === "hold" ? hold(order) : order.type === "storm" ? storm() : end();
  work.catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
});
