/** What can be done to one link of the system, each for some time and then undone. */
import type { Random } from "../simulation/random.js";
import type { FaultLog } from "./fault-log.js";
import type { Direction, Proxy } from "./proxy.js";
import { sleep } from "./system.js";

type LinkFault = (proxy: Proxy, random: Random, log: FaultLog, maxMs: number) => Promise<void>;

const directions: readonly Direction[] = ["forward", "backward"];

function duration(random: Random, maxMs: number): number {
  return Math.round(random.between(200, maxMs));
}

const faults: Readonly<Record<string, LinkFault>> = {
  reset: (proxy, _random, log) => log.during("link reset", proxy.name, "every connection", () => proxy.end("reset")),

  dropped: (proxy, _random, log) => log.during("link dropped", proxy.name, "every connection", () => proxy.end("end")),

  connection: async (proxy, random, log) => {
    if (proxy.connections.length === 0) return;
    const connection = random.pick(proxy.connections);
    await log.during("connection reset", proxy.name, "one of them", () => connection.end("reset"));
  },

  connectionStalled: async (proxy, random, log, maxMs) => {
    if (proxy.connections.length === 0) return;
    const [connection, direction] = [random.pick(proxy.connections), random.pick(directions)];
    const ms = duration(random, maxMs);
    await log.during("connection stalled", proxy.name, `one of them, ${direction}, ${ms} ms`, async () => {
      connection.stall(direction, true);
      await sleep(ms);
      connection.stall(direction, false);
    });
  },

  stalled: async (proxy, random, log, maxMs) => {
    const [direction, ms] = [random.pick(directions), duration(random, maxMs)];
    await log.during("link stalled", proxy.name, `${direction}, ${ms} ms`, async () => {
      proxy.stall(direction);
      await sleep(ms);
      proxy.stall(null);
    });
  },

  delayed: async (proxy, random, log, maxMs) => {
    const [delayMs, ms] = [Math.round(random.between(5, 120)), duration(random, maxMs)];
    await log.during("link delayed", proxy.name, `by ${delayMs} ms, ${ms} ms`, async () => {
      proxy.delay(delayMs);
      await sleep(ms);
      proxy.delay(0);
    });
  },

  cut: async (proxy, random, log, maxMs) => {
    const [admission, ms] = [random.pick(["refused", "silent"] as const), duration(random, maxMs)];
    await log.during("link cut", proxy.name, `new connections ${admission}, ${ms} ms`, async () => {
      proxy.admit(admission);
      proxy.end("reset");
      await sleep(ms);
      proxy.admit("open");
    });
  },
};

const names = Object.keys(faults);

/** One fault of a link, chosen by chance; resolves when it is undone. */
export async function hurtLink(proxy: Proxy, random: Random, log: FaultLog, maxMs: number): Promise<void> {
  await faults[random.pick(names)]?.(proxy, random, log, maxMs);
}
