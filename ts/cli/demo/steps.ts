/**
 * What the demo shows, one step per line of its table. A step does one thing to real processes, checks what came of
 * it, and returns what it measured; a check that does not hold throws.
 */
import { connect } from "../../client/connect.js";
import { RefusedError } from "../../client/errors.js";
import type { Handle } from "../../client/handle.js";
import { queryStatus } from "../../client/query-status.js";
import type { Session } from "../../client/session.js";
import type { ServerStatus } from "../../wire/server-status.js";
import { FIRM_CODE, LONELY_PRODUCT, UNEQUAL_PRODUCT } from "./licenses.js";
import type { Plant } from "./plant.js";
import type { ProcessDescription, Processes } from "./processes.js";

export interface DemoContext {
  readonly plant: Plant;
  readonly processes: Processes;
  session: Session | null;
  handle: Handle | null;
}

export interface Step {
  readonly title: string;
  run(context: DemoContext): Promise<string>;
}

const PATIENCE_MS = 20_000;
const POLL_MS = 20;

class DemoError extends Error {}

function expect(condition: boolean, what: string): asserts condition {
  if (!condition) throw new DemoError(what);
}

/** Asks until the answer is there or patience ends; the reason of the last failure is kept. */
async function eventually<T>(what: string, ask: () => Promise<T | null>): Promise<T> {
  const endMs = performance.now() + PATIENCE_MS;
  let last: unknown = null;
  while (performance.now() < endMs) {
    try {
      const answer = await ask();
      if (answer !== null) return answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new DemoError(`${what}: not within ${PATIENCE_MS / 1000} s`, { cause: last });
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await run();
  return performance.now() - startMs;
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

function statusOf(context: DemoContext, twin: 0 | 1): Promise<ServerStatus> {
  const { system } = context.plant.system;
  const server = system.servers[twin];
  expect(server !== undefined, "the system has two servers");
  return queryStatus(server.clients, system.clientKey, 1_000);
}

/** The twin that is active now, with its status. */
function activeTwin(context: DemoContext, condition: (status: ServerStatus) => boolean): Promise<ServerStatus> {
  return eventually("an active TMR server", async () => {
    for (const twin of [0, 1] as const) {
      const status = await statusOf(context, twin).catch(() => null);
      if (status?.role === "active" && condition(status)) return status;
    }
    return null;
  });
}

function streaming(status: ServerStatus): number {
  return status.upstreams.filter((upstream) => upstream.state === "streaming").length;
}

function sessionOf(context: DemoContext): Session {
  expect(context.session !== null, "a session is open");
  return context.session;
}

function handleOf(context: DemoContext): Handle {
  expect(context.handle !== null, "a license is checked out");
  return context.handle;
}

async function reasonOf(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
    return "ok";
  } catch (error) {
    if (error instanceof RefusedError) return error.reason;
    throw error;
  }
}

function upstream(context: DemoContext, id: 1 | 2 | 3): ProcessDescription {
  return context.plant.upstreams[id - 1] as ProcessDescription;
}

/** The license is still held by this very handle, and the seat was not counted twice. */
async function sameHandle(context: DemoContext): Promise<void> {
  const handle = handleOf(context);
  const info = await handle.info();
  expect(info.item === handle.item, "the handle names the same item");
  expect(info.free === info.total - 1, `one seat is taken: expected ${info.total - 1} free, received ${info.free}`);
}

async function checkOutAndBack(context: DemoContext): Promise<number> {
  return timed(async () => {
    const handle = await sessionOf(context).access({ firmCode: FIRM_CODE, productCode: 20 });
    await handle.release();
  });
}

const start: Step = {
  title: "five processes start, the system is founded",
  async run(context) {
    const { plant, processes } = context;
    const startMs = performance.now();
    for (const process of [...plant.upstreams, ...plant.servers]) processes.start(process);
    const status = await activeTwin(context, (seen) => streaming(seen) === 3);
    context.session = await connect({ system: plant.system.systemFile, program: "demo", suspectMs: 300 });
    await eventually("the licenses", async () => ((await sessionOf(context).items()).length > 0 ? true : null));
    return `${status.name} active after ${ms(performance.now() - startMs)}, epoch ${status.epoch}`;
  },
};

const checkOut: Step = {
  title: "a client checks out 6000010:13, encrypted, voted 2 of 3, durable",
  async run(context) {
    await eventually("all three statements", async () => {
      const items = await sessionOf(context).items();
      return items.some((item) => item.productCode === UNEQUAL_PRODUCT && item.odd === 3) ? true : null;
    });
    const access = { firmCode: FIRM_CODE, productCode: UNEQUAL_PRODUCT };
    const took = await timed(async () => {
      context.handle = await sessionOf(context).access(access);
    });
    const handle = handleOf(context);
    expect(handle.total === 20, `the two equal copies say 20 seats, received ${handle.total}`);
    return `handle ${handle.id} in ${handle.granted.container}, ${handle.free} of ${handle.total} free, ${ms(took)}`;
  },
};

const list: Step = {
  title: "the virtual container: the odd copy is outvoted, the lonely one absent",
  async run(context) {
    const startMs = performance.now();
    const items = await sessionOf(context).items();
    const took = performance.now() - startMs;
    const expected = context.plant.issued.licenses.length - 1;
    expect(items.length === expected, `expected ${expected} items, received ${items.length}`);
    expect(!items.some((item) => item.productCode === LONELY_PRODUCT), "one copy alone is absent");
    const odd = items.find((item) => item.productCode === UNEQUAL_PRODUCT)?.odd;
    expect(odd === 3, `upstream 3's copy is named odd, received ${odd}`);
    return `${items.length} licenses, upstream ${odd} odd for product ${UNEQUAL_PRODUCT}, ${ms(took)}`;
  },
};

const refusals: Step = {
  title: "refusals say why: expired, not yet valid, not found, no free license",
  async run(context) {
    const session = sessionOf(context);
    const ask = (productCode: number, quantity = 1) =>
      reasonOf(() => session.access({ firmCode: FIRM_CODE, productCode, quantity }));
    const reasons = [await ask(41), await ask(51), await ask(LONELY_PRODUCT), await ask(UNEQUAL_PRODUCT, 20)];
    const text = reasons.join(", ");
    expect(text === "expired, not-yet-valid, not-found, no-free-license", `received ${text}`);
    return text;
  },
};

const directRefused: Step = {
  title: "a direct connection to upstream 1 for a TMR license",
  async run(context) {
    const { system } = context.plant.system;
    const entry = system.upstreams[0];
    expect(entry !== undefined, "the system has upstream 1");
    await using direct = await connect({ servers: [entry.address], serverKey: entry.key, requestTimeoutMs: 3_000 });
    const reason = await reasonOf(() => direct.access({ firmCode: FIRM_CODE, productCode: 20 }));
    expect(reason === "tmr-only", `expected tmr-only, received ${reason}`);
    return `refused: ${reason}`;
  },
};

const firstUpstreamDies: Step = {
  title: "kill -9 upstream-3: still served",
  async run(context) {
    await context.processes.kill(upstream(context, 3).name);
    const first = await checkOutAndBack(context);
    await sameHandle(context);
    const took = await Promise.all([0, 0, 0, 0].map(() => checkOutAndBack(context)));
    return `first checkout ${ms(first)}, then ${ms(Math.max(...took))} at most`;
  },
};

const secondUpstreamDies: Step = {
  title: "kill -9 upstream-2: no-quorum, handles kept",
  async run(context) {
    await context.processes.kill(upstream(context, 2).name);
    const startMs = performance.now();
    const request = { firmCode: FIRM_CODE, productCode: 20, timeoutMs: 3_000 };
    const reason = await reasonOf(() => sessionOf(context).access(request));
    expect(reason === "no-quorum", `expected no-quorum, received ${reason}`);
    return `refused: ${reason} after ${ms(performance.now() - startMs)}`;
  },
};

const bothReturn: Step = {
  title: "both start again: served, re-aligned, same handles",
  async run(context) {
    const startMs = performance.now();
    context.processes.start(upstream(context, 2));
    context.processes.start(upstream(context, 3));
    await checkOutAndBack(context);
    const served = performance.now() - startMs;
    await sameHandle(context);
    const status = await activeTwin(context, (seen) => streaming(seen) === 3);
    return `served after ${ms(served)}, three in step at position ${status.carried}, same handle`;
  },
};

const activeTwinDies: Step = {
  title: "kill -9 the active TMR server: its twin serves the same handle",
  async run(context) {
    const before = await activeTwin(context, () => true);
    const handle = handleOf(context);
    const victim = context.plant.servers[before.twin];
    await handle.info();
    await context.processes.kill(victim.name);
    const gap = await timed(() => sameHandle(context));
    const after = await activeTwin(context, (status) => status.twin !== before.twin);
    expect(handle.valid, "the handle is still held");
    return `gap ${ms(gap)}, ${after.name} active, epoch ${before.epoch} → ${after.epoch}`;
  },
};

const oldOneReturns: Step = {
  title: "the old one comes back, as the passive twin",
  async run(context) {
    const active = await activeTwin(context, () => true);
    const returning = context.plant.servers[1 - active.twin] as ProcessDescription;
    context.processes.start(returning);
    const status = await eventually("the passive twin", async () => {
      const seen = await statusOf(context, (1 - active.twin) as 0 | 1);
      return seen.role === "passive" && seen.peer.connected && seen.peer.role === "active" ? seen : null;
    });
    await sameHandle(context);
    return `${status.name} passive, ${active.name} active`;
  },
};

const release: Step = {
  title: "the license is given back",
  async run(context) {
    const took = await timed(() => handleOf(context).release());
    const items = await sessionOf(context).items();
    const item = items.find((candidate) => candidate.productCode === UNEQUAL_PRODUCT);
    expect(item?.used === 0, `expected 0 seats in use, received ${item?.used}`);
    return `0 of ${item.quantity} in use, ${ms(took)}`;
  },
};

/** In the order in which they are shown. */
export const steps: readonly Step[] = [
  start,
  checkOut,
  list,
  refusals,
  directRefused,
  firstUpstreamDies,
  secondUpstreamDies,
  bothReturn,
  activeTwinDies,
  oldOneReturns,
  release,
];
