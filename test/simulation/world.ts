/** One run: three upstreams, two TMR servers and clients on one timeline, faults as planned, and the end that heals. */
import { Kind } from "../../ts/wire/kinds.js";
import { decodeLink } from "../../ts/wire/link.js";
import { MessageField, MessageType } from "../../ts/wire/message.js";
import { allRules, type ProtocolRules } from "../../ts/wire/rules.js";
import { Administrator } from "./administrator.js";
import { ClientNode } from "./client-node.js";
import { Liar } from "./liar.js";
import { Network } from "./network.js";
import { Observer, Violation } from "./observer.js";
import { type ContainerChange, calmManner, type Fault, type Plan } from "./plan.js";
import type { Process } from "./process.js";
import { Random } from "./random.js";
import { ServerNode } from "./server-node.js";
import { allSimRules, type SimRules } from "./sim-rules.js";
import { firstContainer, products, type UpstreamId, upstreamIds } from "./system.js";
import { Timeline } from "./timeline.js";
import { UpstreamNode } from "./upstream-node.js";

export interface WorldOptions {
  readonly rules?: Partial<ProtocolRules>;
  readonly simRules?: Partial<SimRules>;
  /** called with every line of the trace */
  readonly trace?: (line: string) => void;
}

/** What a run amounts to. */
export interface Report {
  readonly seed: number;
  readonly level: string;
  readonly simulatedMs: number;
  readonly operations: number;
  readonly batches: number;
  readonly messages: number;
  readonly counts: Readonly<Record<string, number>>;
  /** checksum of every delivery and every event of the run */
  readonly digest: string;
  readonly violation: { readonly invariant: string; readonly atMs: number; readonly what: string } | null;
  readonly lastEvents: readonly string[];
}

/** After the healing a client must be answered within this time, and the upstreams be in step. */
const LIVENESS_MS = 20_000;
const EVENTS_KEPT = 60;
/** An outage is noticed at a tick, after what was under way has arrived, and once more after what was stalled has. */
const OUTAGE_SLACK_MS = 300;

export class World {
  readonly timeline = new Timeline();
  readonly random: Random;
  readonly clockRandom: Random;
  readonly network: Network;
  readonly rules: ProtocolRules;
  readonly simRules: SimRules;
  readonly observer: Observer;
  readonly upstreams: readonly UpstreamNode[];
  readonly servers: readonly ServerNode[];
  readonly clients: readonly ClientNode[];
  readonly administrator: Administrator;
  /** upstreams that need not be in step at the end: one that lied is out until an operator resets it */
  readonly excused = new Set<UpstreamId>();
  readonly allowedAlarms = new Set<string>();
  readonly counts: Record<string, number> = {};
  readonly #trace: ((line: string) => void) | null;
  readonly #lastEvents: string[] = [];
  readonly #outages: { fromMs: number; toMs: number }[] = [];
  #healed = false;

  constructor(
    readonly plan: Plan,
    options: WorldOptions = {},
  ) {
    this.random = new Random(plan.seed, "world");
    this.clockRandom = new Random(plan.seed, "clocks");
    this.rules = { ...allRules, ...options.rules };
    this.simRules = { ...allSimRules, ...options.simRules };
    this.#trace = options.trace ?? null;
    this.network = new Network(this.timeline, new Random(plan.seed, "network"), { ...plan.manner });
    if (this.#trace !== null) this.network.trace = (what, from, to, bytes) => this.#traceMessage(what, from, to, bytes);
    this.observer = new Observer(this);
    this.upstreams = upstreamIds.map((id) => new UpstreamNode(this, id));
    this.servers = [new ServerNode(this, 0), new ServerNode(this, 1)];
    this.clients = Array.from(
      { length: plan.clients },
      (_, i) => new ClientNode(this, i, new Random(plan.seed, `client ${i}`)),
    );
    this.administrator = new Administrator(this, new Random(plan.seed, "administrator"));
    for (const upstream of this.upstreams) upstream.disk.latencyMs = plan.diskLatencyMs;
    if (plan.liar !== null) {
      const liar = this.upstream(plan.liar.upstream);
      liar.liar = new Liar(plan.liar.lie, plan.liar.share, liar, new Random(plan.seed, "liar"));
      this.excused.add(plan.liar.upstream);
    }
  }

  get nowMs(): number {
    return this.timeline.nowMs;
  }

  upstream(id: UpstreamId): UpstreamNode {
    return this.upstreams[id - 1] as UpstreamNode;
  }

  server(twin: 0 | 1): ServerNode {
    return this.servers[twin] as ServerNode;
  }

  process(name: string): Process | undefined {
    return [...this.upstreams, ...this.servers, ...this.clients].find((node) => node.name === name);
  }

  /** Notes an event for the trace, the report of a violation, and the checksum. */
  say(text: string): void {
    this.network.note(Buffer.from(text));
    const line = `${this.nowMs.toFixed(3).padStart(11)}  ${text}`;
    this.#trace?.(line);
    if (this.#lastEvents.push(line) > 2 * EVENTS_KEPT) this.#lastEvents.splice(0, EVENTS_KEPT);
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  // ---- quorum time -----------------------------------------------------------------------------------------------------

  /** To be called when an upstream comes or goes: while two are away, no quorum is possible. */
  noteQuorum(): void {
    const able = this.upstreams.filter(({ up, frozen }) => up && !frozen).length;
    const last = this.#outages.at(-1);
    const during = last?.toMs === Number.POSITIVE_INFINITY;
    if (able < 2 && !during) this.#outages.push({ fromMs: this.nowMs, toMs: Number.POSITIVE_INFINITY });
    else if (able >= 2 && last !== undefined && during) last.toMs = this.nowMs;
  }

  /** Time up to `atMs` in which a leader could believe in a quorum: each outage is noticed only after a while. */
  quorumTimeAt(atMs: number): number {
    const noticedAfterMs = 2 * this.plan.timing.suspectMs + this.network.slowestMs + OUTAGE_SLACK_MS;
    let outageMs = 0;
    for (const { fromMs, toMs } of this.#outages) {
      outageMs += Math.max(0, Math.min(toMs, atMs) - fromMs - noticedAfterMs);
    }
    return atMs - outageMs;
  }

  // ---- a run -----------------------------------------------------------------------------------------------------------

  /** Starts everything and plans the faults; {@link runUntil} lets time pass. */
  begin(): void {
    for (const upstream of this.upstreams) upstream.start();
    for (const server of this.servers) server.start();
    for (const client of this.clients) this.timeline.at(300 + this.random.float() * 500, () => client.start());
    this.administrator.begin();
    for (const { atMs, fault } of this.plan.faults) this.timeline.at(atMs, () => this.inflict(fault));
  }

  runUntil(atMs: number): void {
    this.timeline.runUntil(atMs);
  }

  /** The whole run. Never throws for a violation. */
  run(story: (world: World) => void = (world) => world.runUntil(world.plan.durationMs), heals = true): Report {
    let violation: Report["violation"] = null;
    try {
      this.begin();
      story(this);
      if (heals) this.finish();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      const { invariant, atMs, what } = error;
      violation = { invariant, atMs, what };
      this.say(`VIOLATION ${error.message}`);
    }
    for (const server of this.servers) if (server.up) server.orderer.close();
    return this.report(violation);
  }

  /** What the run amounts to so far. */
  report(violation: Report["violation"]): Report {
    const { counters, digest } = this.network;
    for (const [name, count] of Object.entries(counters)) this.counts[`network ${name}`] = count;
    for (const upstream of this.upstreams) if (upstream.liar !== null) this.counts["lies"] = upstream.liar.count;
    return {
      seed: this.plan.seed,
      level: this.plan.level,
      simulatedMs: this.nowMs,
      operations: this.observer.answers,
      batches: this.observer.carriedTo,
      messages: counters.delivered,
      counts: this.counts,
      digest: `${digest.toString(16).padStart(8, "0")}-${this.timeline.planned}-${this.observer.carriedTo}`,
      violation,
      lastEvents: violation === null ? [] : this.#lastEvents.slice(-EVENTS_KEPT),
    };
  }

  /** Everything is healed; L1: clients are answered, upstreams come into step. */
  finish(): void {
    this.heal();
    for (const client of this.clients) client.idle = true;
    const asked = this.clients.map((client) => {
      const state = { client, answered: false };
      client.start();
      client.receive(() => this.#askAtLast(state));
      return state;
    });
    const byMs = this.nowMs + LIVENESS_MS;
    while (asked.some(({ answered }) => !answered)) {
      if (this.nowMs >= byMs) {
        const names = asked.filter(({ answered }) => !answered).map(({ client }) => client.name);
        this.observer.fail("L1", `${names.join(", ")} had no answer for ${LIVENESS_MS} ms after everything was healed`);
      }
      this.runUntil(this.nowMs + 50);
    }
    for (const client of this.clients) client.close();
    this.administrator.finish();
    while (!this.administrator.finished) {
      if (this.nowMs >= byMs + LIVENESS_MS) this.observer.fail("L1", "the events were not read to their end");
      this.runUntil(this.nowMs + 50);
    }
    while (!this.observer.inStep()) {
      if (this.nowMs >= byMs + LIVENESS_MS) {
        const where = this.upstreams.map(({ name, replica }) => `${name} at ${replica.position}`).join(", ");
        const seen = this.servers.map(({ name, core }) => {
          const phases = upstreamIds.map((id) => core.leader.peers[id].phase);
          return `${name} is ${core.role}, ${core.leader.phase} and sees ${phases.join(", ")}`;
        });
        this.observer.fail("L1", `the upstreams are not in step: ${where}; ${seen.join("; ")}`);
      }
      this.runUntil(this.nowMs + 50);
    }
  }

  #askAtLast(state: { client: ClientNode; answered: boolean }): void {
    state.client.ask({ kind: Kind.items }, (outcome) => {
      if ("answer" in outcome || outcome.fault.code === "ERR_TMR_REFUSED") state.answered = true;
      else state.client.later(50, () => this.#askAtLast(state));
    });
  }

  heal(): void {
    this.#healed = true;
    this.say("everything is healed");
    this.network.filter = null;
    Object.assign(this.network.manner, calmManner);
    this.network.unblockAll();
    this.network.release();
    for (const upstream of this.upstreams) {
      upstream.disk.nextFault = null;
      upstream.disk.latencyMs = 0.3;
      this.#revive(upstream);
    }
    for (const server of this.servers) {
      server.nextFault = null;
      this.#revive(server);
    }
    for (const client of this.clients) client.thaw();
    this.noteQuorum();
  }

  #revive(node: Process): void {
    node.thaw();
    node.start();
  }

  // ---- faults ----------------------------------------------------------------------------------------------------------

  inflict(fault: Fault): void {
    if (this.#healed) return;
    if (!this.#apply(fault)) return;
    this.count(fault.kind);
    this.noteQuorum();
  }

  /** False: the fault model does not allow it now, or it has no object. */
  #apply(fault: Fault): boolean {
    switch (fault.kind) {
      case "crash":
        return this.#crash(this.process(fault.node), fault.forMs, fault.silently);
      case "crash at write": {
        const node = this.process(fault.node);
        if (node?.up !== true) return false;
        if (node instanceof UpstreamNode) node.disk.nextFault = fault.when;
        else if (node instanceof ServerNode) node.nextFault = fault.when;
        this.say(`${node.name} will fail ${fault.when} its next write`);
        this.#startLater(node, fault.forMs);
        return true;
      }
      case "shut down": {
        const node = this.server(fault.twin);
        if (!node.up) return false;
        this.say(`${node.name} shuts down`);
        node.shutDown();
        this.#startLater(node, fault.forMs);
        return true;
      }
      case "freeze":
        return this.#freeze(this.process(fault.node), fault.forMs);
      case "lose disk":
        return this.#loseDisk(this.upstream(fault.upstream), fault.forMs);
      case "corrupt row": {
        const node = this.upstream(fault.upstream);
        if (!node.up || !this.#mayLoseDisk(node)) return false;
        node.disk.damaged = true;
        this.say(`${node.name}: a stored row is altered`);
        return this.#crash(node, fault.forMs, false);
      }
      case "slow disk": {
        const { disk, name } = this.upstream(fault.upstream);
        this.say(`${name}: the disk takes ${fault.latencyMs} ms`);
        disk.latencyMs = fault.latencyMs;
        this.timeline.after(fault.forMs, () => {
          disk.latencyMs = this.plan.diskLatencyMs;
        });
        return true;
      }
      case "partition":
        return this.#partition(fault.ways, fault.forMs);
      case "reset":
        this.say(`connections of ${fault.a} and ${fault.b} break`);
        this.network.reset(fault.a, fault.b);
        return true;
      case "slow network": {
        this.say(`the network is slow, ${fault.jitterMs} ms`);
        this.network.manner.jitterMs = fault.jitterMs;
        this.timeline.after(fault.forMs, () => {
          this.network.manner.jitterMs = this.#healed ? calmManner.jitterMs : this.plan.manner.jitterMs;
        });
        return true;
      }
      case "clock jump": {
        const node = this.upstream(fault.upstream);
        node.clockErrorMs = fault.byMs;
        this.say(`${node.name}: the wall clock is ${fault.byMs} ms wrong`);
        return true;
      }
      case "take over":
        this.say(`told to take over: ${fault.twins.map((twin) => `tmr${twin}`).join(", ")}`);
        for (const twin of fault.twins) this.server(twin).takeOver();
        return true;
      case "outage":
        for (const id of fault.upstreams) this.#crash(this.upstream(id), fault.forMs, false);
        return true;
      case "containers":
        this.#change(this.upstream(fault.upstream), fault.change);
        return true;
      case "kill client": {
        const client = this.clients[fault.client % this.clients.length] as ClientNode;
        return this.#crash(client, fault.forMs, true);
      }
      default:
        return fault satisfies never;
    }
  }

  #crash(node: Process | undefined, forMs: number, silently: boolean): boolean {
    if (node?.up !== true) return false;
    node.crash(silently);
    this.#startLater(node, forMs);
    return true;
  }

  #startLater(node: Process, forMs: number): void {
    this.timeline.after(forMs, () => {
      if (!this.#healed) node.start();
      this.noteQuorum();
    });
  }

  #freeze(node: Process | undefined, forMs: number): boolean {
    if (node?.up !== true || node.frozen) return false;
    this.say(`${node.name} is frozen for ${Math.round(forMs)} ms`);
    node.freeze();
    this.timeline.after(forMs, () => {
      node.thaw();
      this.noteQuorum();
    });
    return true;
  }

  /** At most one upstream is without its disk: the others are members and none of them is damaged. */
  #mayLoseDisk(node: UpstreamNode): boolean {
    return (
      this.plan.liar === null &&
      !node.disk.damaged &&
      this.upstreams.every(({ disk }) => !disk.damaged && !disk.store.meta().blank && disk.store.meta().logEpoch > 0)
    );
  }

  #loseDisk(node: UpstreamNode, forMs: number): boolean {
    if (!this.#mayLoseDisk(node)) return false;
    this.say(`${node.name} loses its disk`);
    node.crash();
    node.disk.replace();
    this.#startLater(node, forMs);
    return true;
  }

  #partition(ways: readonly (readonly [string, string])[], forMs: number): boolean {
    this.say(`cut: ${ways.map(([from, to]) => `${from}>${to}`).join(" ")}`);
    for (const [from, to] of ways) this.network.block(from, to);
    this.timeline.after(forMs, () => {
      for (const [from, to] of ways) this.network.unblock(from, to);
    });
    return true;
  }

  #change(node: UpstreamNode, { product, to }: ContainerChange): void {
    this.say(`${node.name}: product ${product} is ${to} now`);
    const issued = firstContainer(node.id).items;
    const [held] = node.signer.containers;
    const others = (held?.items ?? []).filter(({ productCode }) => productCode !== product);
    const own = issued.find(({ productCode }) => productCode === product);
    const terms = products.find((candidate) => candidate.terms.productCode === product)?.terms;
    if (terms === undefined) return;
    const now = (() => {
      switch (to) {
        case "as issued":
          return own;
        case "absent":
          return undefined;
        case "other terms":
          return { ...terms, quantity: terms.quantity + node.id };
        case "raised":
          return { ...terms, quantity: terms.quantity + 1 };
        default:
          return to satisfies never;
      }
    })();
    node.hold({ container: `130-${node.id}`, actId: 1, items: now === undefined ? others : [...others, now] });
  }

  #traceMessage(what: string, from: string, to: string, bytes: Buffer | null): void {
    const time = this.nowMs.toFixed(3).padStart(11);
    this.#trace?.(`${time}  ${from} > ${to}  ${what} ${bytes === null ? "" : messageText(bytes)}`);
  }
}

/** One line about a message. */
export function messageText(bytes: Buffer): string {
  const type = bytes[MessageField.type] ?? 0;
  const link = decodeLink(bytes);
  if (link !== null) {
    const fields = Object.entries(link).filter(([, value]) => typeof value === "number");
    return `${link.type} ${fields.map(([name, value]) => `${name}=${String(value)}`).join(" ")}`;
  }
  const name = Object.entries(MessageType).find(([, number]) => number === type)?.[0] ?? `type ${type}`;
  if (type === MessageType.append) return `append epoch=${bytes.readUInt32LE(24)} position=${bytes.readUInt32LE(32)}`;
  if (type === MessageType.vote) return `vote epoch=${bytes.readUInt32LE(16)} position=${bytes.readUInt32LE(24)}`;
  return `${name} records=${bytes.readUInt32LE(MessageField.count)}`;
}
