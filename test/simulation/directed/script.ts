/** What directed scenarios are written in: a calm world in which one message or process at a time is held up. */
import type { CallFields, Outcome } from "../../../ts/client/types.js";
import { AccessMode, Kind } from "../../../ts/wire/kinds.js";
import { MessageField, MessageType } from "../../../ts/wire/message.js";
import type { ProtocolRules } from "../../../ts/wire/rules.js";
import { calmPlan, type Plan } from "../plan.js";
import type { SimRules } from "../sim-rules.js";
import { FIRM, type UpstreamId, upstreamIds } from "../system.js";
import { type Report, World } from "../world.js";

/** A schedule that breaks a system without one of the rules, and must not break one with all of them. */
export interface Directed {
  /** what holds, as a statement */
  readonly name: string;
  /** the rules whose absence it shows */
  readonly shows: readonly (keyof ProtocolRules | keyof SimRules)[];
  readonly plan?: Partial<Plan>;
  readonly allowedAlarms?: readonly string[];
  /** false: what happened is beyond the fault model, so service is not expected to go on */
  readonly heals?: boolean;
  readonly tell: (script: Script) => void;
}

export type MessageName = keyof typeof MessageType;

/** Which messages are held: by sender, receiver and kind; what is left out matches everything. */
export interface Held {
  readonly from?: string | readonly string[];
  readonly to?: string | readonly string[];
  readonly types?: readonly MessageName[];
}

/** The story expected something that did not happen. */
export class ScriptError extends Error {
  override readonly name = "ScriptError";
}

function matches(wanted: string | readonly string[] | undefined, name: string): boolean {
  return wanted === undefined || (typeof wanted === "string" ? wanted === name : wanted.includes(name));
}

export class Script {
  #held: readonly Held[] = [];

  constructor(readonly world: World) {
    for (const client of world.clients) client.idle = true;
    world.network.filter = (from, to, bytes) => (this.#isHeld(from, to, bytes) ? "hold" : "pass");
  }

  #isHeld(from: string, to: string, bytes: Buffer): boolean {
    const type = bytes[MessageField.type];
    return this.#held.some(
      (held) =>
        matches(held.from, from) &&
        matches(held.to, to) &&
        (held.types === undefined || held.types.some((name) => MessageType[name] === type)),
    );
  }

  wait(ms: number): void {
    this.world.runUntil(this.world.nowMs + ms);
  }

  until(what: string, condition: () => boolean, withinMs = 10_000): void {
    const endMs = this.world.nowMs + withinMs;
    while (!condition()) {
      if (this.world.nowMs >= endMs) throw new ScriptError(`${what}: not within ${withinMs} ms`);
      this.wait(1);
    }
  }

  /** From now on these messages wait; those that waited before and are not named any more go on their way. */
  hold(...held: readonly Held[]): void {
    this.#held = held;
    this.world.network.release();
  }

  /** Both ways between two processes are blocked. */
  cut(a: string, ...others: readonly string[]): void {
    for (const b of others) {
      this.world.network.block(a, b);
      this.world.network.block(b, a);
    }
  }

  join(a: string, ...others: readonly string[]): void {
    for (const b of others) {
      this.world.network.unblock(a, b);
      this.world.network.unblock(b, a);
    }
  }

  crash(name: string, silently = false): void {
    this.world.process(name)?.crash(silently);
    this.world.noteQuorum();
  }

  start(name: string): void {
    this.world.process(name)?.start();
    this.world.noteQuorum();
  }

  /** The disk is lost while the process is down. */
  replaceDisk(upstream: UpstreamId): void {
    this.world.upstream(upstream).disk.replace();
  }

  takeOver(twin: 0 | 1): void {
    this.world.server(twin).takeOver();
  }

  untilActive(twin: 0 | 1, withinMs = 10_000): void {
    this.until(
      `tmr${twin} is active`,
      () => this.world.server(twin).active && this.world.server(twin).core.leader.hasQuorum,
      withinMs,
    );
  }

  /** tmr0 leads, all three are in step and the containers are stated. */
  untilSettled(): void {
    this.untilActive(0);
    this.until("all three are in step and stated", () => {
      const { upstreams, server } = { upstreams: this.world.upstreams, server: this.world.server(0) };
      return (
        upstreams.every(
          ({ id, replica }) => replica.state.statementVersion(id) === 1 && replica.position === server.orderer.carried,
        ) && upstreamIds.every((id) => server.core.leader.peers[id].phase === "streaming")
      );
    });
    this.until("the clients run", () => this.world.clients.every(({ up }) => up));
    this.wait(300);
  }

  /** Asks without waiting. */
  begin(client: number, fields: CallFields): { outcome: Outcome | null } {
    const call: { outcome: Outcome | null } = { outcome: null };
    const node = this.world.clients[client];
    node?.receive(() =>
      node.ask(fields, (outcome) => {
        call.outcome = outcome;
      }),
    );
    return call;
  }

  /** Asks and waits for what comes of it. */
  ask(client: number, fields: CallFields, withinMs = 15_000): Outcome {
    const call = this.begin(client, fields);
    this.until(`client${client} is answered`, () => call.outcome !== null, withinMs);
    return call.outcome as Outcome;
  }
}

export function accessTo(productCode: number): CallFields {
  return { kind: Kind.access, mode: AccessMode.userLimit, quantity: 1, firmCode: FIRM, productCode };
}

export const listContainers: CallFields = { kind: Kind.containers };
export const listItems: CallFields = { kind: Kind.items };

/** Upstreams by name. */
export function ups(...ids: readonly UpstreamId[]): string[] {
  return ids.map((id) => `up${id}`);
}

export interface DirectedRun {
  readonly report: Report | null;
  /** the story could not be told to its end */
  readonly stuck: string | null;
}

/** Tells a scenario with some rules left out. */
export function runDirected(
  directed: Directed,
  without: { readonly rules?: Partial<ProtocolRules>; readonly simRules?: Partial<SimRules> } = {},
  trace?: (line: string) => void,
): DirectedRun {
  const plan: Plan = { ...calmPlan(1), clients: 2, ...directed.plan };
  const world = new World(plan, { ...without, ...(trace === undefined ? {} : { trace }) });
  for (const alarm of directed.allowedAlarms ?? []) world.allowedAlarms.add(alarm);
  const script = new Script(world);
  try {
    return { report: world.run(() => directed.tell(script), directed.heals ?? true), stuck: null };
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    return { report: null, stuck: error.message };
  }
}
