/**
 * Acts out the stories of test/scenarios/twin: two TMR servers (the production core, on an ordering without requests)
 * and three upstreams (the production replica) in one small world. Every message takes one millisecond; only what goes
 * wrong is in the story.
 */

import type { TwinRole } from "../../ts/failover/twin.js";
import { roleNumber } from "../../ts/failover/twin.js";
import { MemoryStore } from "../../ts/store/memory-store.js";
import type { UpstreamId } from "../../ts/tmr/choose.js";
import { TmrCore } from "../../ts/tmr/core.js";
import type { CoreEvent } from "../../ts/tmr/core-ports.js";
import type { Twin } from "../../ts/tmr/epoch.js";
import type { ServerRecord } from "../../ts/tmr/server-state.js";
import { SyncStamps } from "../../ts/tmr/sync-stamps.js";
import { Replica } from "../../ts/upstream/replica.js";
import { encodeLink, type LinkMessageOf } from "../../ts/wire/link.js";
import { IdleOrdering } from "./idle-ordering.js";
import { countingStates, genesisDigest, sha256 } from "./replica-kit.js";
import { disk } from "./scenario-names.js";
import { type Stage, Words } from "./scenario-text.js";

const TIMING = { heartbeatMs: 200, suspectMs: 600, graceMs: 150 };
const TICK_MS = 20;
const DELAY_MS = 1;
const CLOCK_MS = 1_700_000_000_000;
const upstreamIds: readonly UpstreamId[] = [1, 2, 3];
const twins: readonly Twin[] = [0, 1];

interface Server {
  readonly twin: Twin;
  record: ServerRecord;
  core: TmrCore;
  up: boolean;
  frozen: boolean;
  /** what arrived while it was frozen */
  waiting: (() => void)[];
  readonly links: Set<UpstreamId>;
  lastBeatMs: number;
  nextTickMs: number;
}

/** The world between the servers: who is there, which cables are whole, what is on its way. */
class World {
  nowMs = 0;
  lines: string[] = [];
  readonly servers: readonly [Server, Server];
  readonly #replicas = new Map<UpstreamId, Replica>();
  readonly #stores = new Map<UpstreamId, MemoryStore>();
  /** upstreams that are running */
  readonly #upstreamsUp = new Set<UpstreamId>();
  /** cables that carry nothing, by name */
  readonly cut = new Set<string>();
  readonly #flying: { readonly atMs: number; readonly arrive: () => void }[] = [];

  constructor() {
    this.servers = [this.#server(0), this.#server(1)];
    for (const id of upstreamIds) {
      const store = new MemoryStore({ upstream: id, genesisDigest, incarnation: disk(`${id}a`) });
      this.#stores.set(id, store);
      this.#startReplica(id, store);
    }
  }

  // ---- what a story does -------------------------------------------------------------------------------------------

  startTwin(twin: Twin): void {
    const server = this.servers[twin];
    server.core = this.#core(twin);
    Object.assign(server, { up: true, frozen: false, waiting: [], lastBeatMs: Number.NEGATIVE_INFINITY });
    server.nextTickMs = this.nowMs;
  }

  /** The process is gone: every connection breaks at once. */
  killTwin(twin: Twin): void {
    const server = this.servers[twin];
    server.up = false;
    for (const id of server.links) this.#replicas.get(id)?.disconnected(twin);
    server.links.clear();
    this.#lost(twin);
  }

  /** The end that an operator asks for. */
  stopTwin(twin: Twin): void {
    this.servers[twin].core.stop();
    this.killTwin(twin);
  }

  thaw(twin: Twin): void {
    const server = this.servers[twin];
    server.frozen = false;
    // As in Node: the timer that is overdue comes first, then what the sockets hold.
    this.#tick(server);
    for (const arrive of server.waiting.splice(0)) arrive();
    server.core.pump(this.nowMs);
  }

  killUpstream(id: UpstreamId): void {
    this.#upstreamsUp.delete(id);
    const store = this.#stores.get(id)?.crash();
    if (store !== undefined) this.#stores.set(id, store);
    for (const server of this.servers) {
      if (server.links.delete(id)) this.#deliver(server, () => server.core.disconnected(id, this.nowMs));
    }
  }

  startUpstream(id: UpstreamId): void {
    const store = this.#stores.get(id);
    if (store !== undefined) this.#startReplica(id, store);
  }

  // ---- time --------------------------------------------------------------------------------------------------------

  /** Everything that happens before `untilMs`. */
  run(untilMs: number): void {
    for (;;) {
      const arrival = this.#flying[0]?.atMs ?? Number.POSITIVE_INFINITY;
      const ticking = this.servers.filter(({ up, frozen }) => up && !frozen);
      const tick = Math.min(...ticking.map(({ nextTickMs }) => nextTickMs));
      const next = Math.min(arrival, tick);
      if (next >= untilMs) break;
      this.nowMs = next;
      if (arrival <= tick) this.#flying.shift()?.arrive();
      else for (const server of ticking) if (server.nextTickMs === next) this.#tick(server);
    }
    this.nowMs = untilMs;
  }

  #tick(server: Server): void {
    server.nextTickMs = this.nowMs + TICK_MS;
    for (const id of upstreamIds) this.#dial(server, id);
    if (this.nowMs - server.lastBeatMs >= TIMING.heartbeatMs) {
      server.lastBeatMs = this.nowMs;
      this.#beat(server.twin);
    }
    server.core.tick(this.nowMs);
  }

  #later(arrive: () => void): void {
    this.#flying.push({ atMs: this.nowMs + DELAY_MS, arrive });
  }

  #deliver(server: Server, arrive: () => void): void {
    if (!server.up) return;
    if (server.frozen) server.waiting.push(arrive);
    else arrive();
  }

  // ---- connections and messages ------------------------------------------------------------------------------------

  #dial(server: Server, id: UpstreamId): void {
    if (server.links.has(id) || !this.#upstreamsUp.has(id) || this.cut.has(cable(server.twin, id))) return;
    server.links.add(id);
    this.#replicas.get(id)?.connected(server.twin);
    server.core.connected(id, this.nowMs);
  }

  #send(twin: Twin, id: UpstreamId, message: Uint8Array): void {
    const server = this.servers[twin];
    const passes = () => server.links.has(id) && !this.cut.has(cable(twin, id));
    if (!passes()) return;
    this.#later(() => {
      if (!passes()) return;
      for (const reply of this.#replicas.get(id)?.receive(message, twin, this.nowMs, CLOCK_MS) ?? []) {
        this.#later(() => {
          if (!passes()) return;
          this.#deliver(server, () => {
            server.core.control(id, reply, this.nowMs);
            server.core.pump(this.nowMs);
          });
        });
      }
    });
  }

  #beat(twin: Twin): void {
    const peer = this.servers[twin === 0 ? 1 : 0];
    const { core } = this.servers[twin];
    const { role } = core;
    const beat: LinkMessageOf<"heartbeat"> = {
      type: "heartbeat",
      twin,
      role: roleNumber(role),
      ...core.heartbeatPoint(),
    };
    this.#later(() => {
      if (this.cut.has("twins") || !this.servers[twin].up) return;
      this.#deliver(peer, () => peer.core.peerHeard(beat, role, this.nowMs));
    });
  }

  /** The connection that this twin made to its peer broke. */
  #lost(twin: Twin): void {
    const peer = this.servers[twin === 0 ? 1 : 0];
    if (this.cut.has("twins")) return;
    this.#deliver(peer, () => {
      peer.core.peerDisconnected();
      this.#tick(peer);
    });
  }

  // ---- the parts ---------------------------------------------------------------------------------------------------

  #server(twin: Twin): Server {
    return {
      twin,
      record: { highestUsedEpoch: 0, founded: false, forgiven: 0 },
      core: this.#core(twin),
      up: false,
      frozen: false,
      waiting: [],
      links: new Set(),
      lastBeatMs: Number.NEGATIVE_INFINITY,
      nextTickMs: 0,
    };
  }

  #startReplica(id: UpstreamId, store: MemoryStore): void {
    const replica = new Replica({ upstream: id, store, states: countingStates, sha256, statement: () => null });
    this.#replicas.set(id, replica);
    this.#upstreamsUp.add(id);
  }

  #core(twin: Twin): TmrCore {
    const server = () => this.servers[twin];
    return new TmrCore({
      twin,
      ordering: new IdleOrdering(),
      record: this.servers?.[twin].record ?? { highestUsedEpoch: 0, founded: false, forgiven: 0 },
      timing: TIMING,
      minTimeoutMs: 5_000,
      peerAddress: `twin ${1 - twin}`,
      verifyMac: () => true,
      stamps: new SyncStamps(Buffer.alloc(32)),
      ports: {
        send: (upstream, message) => this.#send(twin, upstream, encodeLink(message)),
        durably: (change) => {
          server().record = { ...server().record, ...change };
        },
        beat: () => {
          this.#say(twin, roleInWords(server().core.role));
          this.#beat(twin);
        },
        tellTwin: () => {},
        dropClients: () => this.#say(twin, "sends its clients to the other one"),
        statusDocument: () => new Uint8Array(0),
        holding: () => {},
        say: (event) => this.#say(twin, inWords(event)),
      },
    });
  }

  #say(twin: Twin, text: string): void {
    this.lines.push(`${this.nowMs}ms twin ${twin} ${text}`);
  }

  /** Who is what, as of now. */
  state(): string {
    const roles = this.servers.map((server) => {
      if (!server.up) return `twin ${server.twin} down`;
      const { role, leader } = server.core;
      const epoch = role === "active" ? ` in epoch ${leader.epoch}${leader.hasQuorum ? "" : ", no quorum"}` : "";
      return `twin ${server.twin} ${role}${epoch}${server.frozen ? " (frozen)" : ""}`;
    });
    const promised = upstreamIds.map((id) => this.#stores.get(id)?.meta().promised ?? 0);
    return `= ${roles.join("; ")}; promised ${promised.join(" ")}`;
  }
}

function cable(twin: number, upstream: number): string {
  return `${twin}-${upstream}`;
}

function roleInWords(role: TwinRole): string {
  return `tells its peer: ${role}`;
}

function inWords(event: CoreEvent): string {
  switch (event.event) {
    case "active":
      return `is active in epoch ${event.epoch}`;
    case "suspended":
      return `suspends epoch ${event.epoch}`;
    case "fenced":
      return `is fenced in epoch ${event.epoch}: ${event.promised} is promised`;
    case "founded":
      return "knows that the system is founded";
    case "taking-over":
      return event.reason === "told" ? "takes over: it was told to" : "takes over: nobody leads";
    case "loss-accepted":
      return `was told to accept a loss: ${event.which}`;
    case "alarm":
      return `alarm: ${event.alarm}`;
    default:
      return event satisfies never;
  }
}

export class TwinsStage implements Stage {
  readonly #world = new World();

  act(event: string, next: string | null): string[] {
    const words = new Words(event);
    this.#world.lines = [];
    this.#world.nowMs = words.time();
    this.#happens(words);
    words.end();
    if (next !== null) this.#world.run(new Words(next).time());
    return [...this.#world.lines, this.#world.state()];
  }

  #happens(words: Words): void {
    const world = this.#world;
    const verb = words.take();
    switch (verb) {
      case "start":
        if (words.skip("upstream")) return world.startUpstream(words.number() as UpstreamId);
        for (const twin of words.skip("both") ? twins : [twinOf(words)]) world.startTwin(twin);
        return;
      case "kill":
        if (words.skip("upstream")) return world.killUpstream(words.number() as UpstreamId);
        return world.killTwin(twinOf(words));
      case "stop":
        return world.stopTwin(twinOf(words));
      case "freeze":
        world.servers[twinOf(words)].frozen = true;
        return;
      case "thaw":
        return world.thaw(twinOf(words));
      case "cut":
      case "mend":
        return this.#cable(words, verb);
      case "tell": {
        const { core } = world.servers[twinOf(words)];
        words.demand("to", "take", "over");
        return core.takeOver(world.nowMs);
      }
      case "end":
        return;
      default:
        throw new Error(`nobody can "${verb}"`);
    }
  }

  /** `cut twins`, `cut twin 0 from upstreams 1,2`; `mend` likewise, `mend all`. */
  #cable(words: Words, verb: "cut" | "mend"): void {
    const { cut } = this.#world;
    const change = (name: string) => (verb === "cut" ? cut.add(name) : cut.delete(name));
    if (words.skip("twins")) change("twins");
    else if (words.skip("all")) cut.clear();
    else {
      const twin = twinOf(words);
      words.demand("from");
      words.skip("upstream", "upstreams");
      for (const upstream of words.numbers()) change(cable(twin, upstream));
    }
  }
}

function twinOf(words: Words): Twin {
  return words.demand("twin").number() === 0 ? 0 : 1;
}
