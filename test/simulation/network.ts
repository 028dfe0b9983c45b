/**
 * The simulated network: connections between nodes, and everything that can happen to what is sent on them. A
 * connection is normally what TCP gives (in order, late rather than lost); `loose` networks lose, repeat and reorder
 * messages inside a connection too, which is more than the protocol meets in production.
 */
import { crc32 } from "node:zlib";
import type { Random } from "./random.js";
import type { Timeline } from "./timeline.js";

export type NodeName = string;

/** A process on the network. */
export interface NetworkNode {
  readonly name: NodeName;
  readonly up: boolean;
  /** Runs what has arrived: now, or when the process is able to. Dropped when it is not up. */
  receive(run: () => void): void;
  /** A peer wants to connect. Null: refused. */
  accept(end: End, purpose: Purpose): EndHandlers | null;
}

/** `client`: to a TMR server. `link`: TMR server to upstream. `twin`: TMR server to TMR server. */
export type Purpose = "client" | "link" | "twin";

export interface EndHandlers {
  message(bytes: Buffer): void;
  closed(why: string): void;
}

export interface DialHandlers extends EndHandlers {
  opened(end: End): void;
  failed(why: string): void;
}

/** How a network behaves; may be changed while it runs. */
export interface NetworkManner {
  minDelayMs: number;
  /** mean of the exponential part */
  jitterMs: number;
  /** share of messages that take up to `spikeMs` longer */
  spikes: number;
  spikeMs: number;
  /** messages of one connection may overtake each other */
  loose: boolean;
  loss: number;
  repeats: number;
}

/** What a directed scenario does with one message. */
export type Ruling = "pass" | "hold" | "drop";
export type MessageFilter = (from: NodeName, to: NodeName, bytes: Buffer) => Ruling;

export interface NetworkCounters {
  messages: number;
  delivered: number;
  lost: number;
  repeated: number;
  reordered: number;
  stalled: number;
  connections: number;
  resets: number;
}

const CONNECT_TIMEOUT_MS = 1_000;

/** One side of a connection. */
export class End {
  open = true;
  /** what was sent while the way was blocked */
  readonly stalled: Buffer[] = [];
  closing = false;
  arrivesAtMs = 0;
  constructor(
    readonly connection: Connection,
    readonly side: 0 | 1,
    readonly owner: NetworkNode,
  ) {}

  get peer(): End {
    return this.connection.ends[1 - this.side] as End;
  }

  send(bytes: Buffer): void {
    this.connection.network.send(this, bytes);
  }

  /** Both sides hear no more of each other, except what is on its way. */
  close(): void {
    this.connection.network.close(this, "closed by the peer");
  }
}

export class Connection {
  readonly ends: End[] = [];
  readonly handlers: (EndHandlers | null)[] = [null, null];
  constructor(
    readonly network: Network,
    readonly purpose: Purpose,
  ) {}
}

export class Network {
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #nodes = new Map<NodeName, NetworkNode>();
  readonly #open = new Map<NodeName, Set<End>>();
  readonly #blocked = new Set<string>();
  readonly counters: NetworkCounters = {
    messages: 0,
    delivered: 0,
    lost: 0,
    repeated: 0,
    reordered: 0,
    stalled: 0,
    connections: 0,
    resets: 0,
  };
  filter: MessageFilter | null = null;
  readonly #held: { end: End; bytes: Buffer }[] = [];
  trace: ((what: string, from: NodeName, to: NodeName, bytes: Buffer | null) => void) | null = null;
  /** The longest that anything was under way, ms. */
  slowestMs = 0;
  /** Chained checksum of everything delivered, and when. */
  digest = 0;
  readonly #stamp = Buffer.alloc(8);

  constructor(
    timeline: Timeline,
    random: Random,
    readonly manner: NetworkManner,
  ) {
    this.#timeline = timeline;
    this.#random = random;
  }

  register(node: NetworkNode): void {
    this.#nodes.set(node.name, node);
    this.#open.set(node.name, new Set());
  }

  // ---- connections -----------------------------------------------------------------------------------------------

  /** Begins to connect; the returned function gives up. */
  dial(from: NetworkNode, to: NodeName, purpose: Purpose, handlers: DialHandlers): () => void {
    let waiting = true;
    const target = this.#nodes.get(to) as NetworkNode;
    const fail = (why: string): void => {
      from.receive(() => {
        if (!waiting) return;
        waiting = false;
        handlers.failed(why);
      });
    };
    this.#timeline.after(CONNECT_TIMEOUT_MS, () => fail("time-out"));
    if (!this.isBlocked(from.name, to)) {
      this.#timeline.after(this.#delay(), () => {
        if (!target.up) {
          if (!this.isBlocked(to, from.name)) this.#timeline.after(this.#delay(), () => fail("refused"));
          return;
        }
        target.receive(() =>
          this.#accept(
            from,
            target,
            purpose,
            handlers,
            () => waiting,
            () => (waiting = false),
            fail,
          ),
        );
      });
    }
    return () => {
      waiting = false;
    };
  }

  #accept(
    from: NetworkNode,
    target: NetworkNode,
    purpose: Purpose,
    handlers: DialHandlers,
    isWaiting: () => boolean,
    done: () => void,
    fail: (why: string) => void,
  ): void {
    const connection = new Connection(this, purpose);
    const own = new End(connection, 0, from);
    const other = new End(connection, 1, target);
    connection.ends.push(own, other);
    own.open = false;
    const accepted = target.accept(other, purpose);
    if (accepted === null) {
      other.open = false;
      this.#timeline.after(this.#delay(), () => fail("refused"));
      return;
    }
    this.counters.connections++;
    connection.handlers[1] = accepted;
    this.#open.get(target.name)?.add(other);
    const arrive = (): void => {
      if (!isWaiting() || !from.up) {
        if (other.open) this.#arrive(other, () => this.#end(other, "given up"));
        return;
      }
      done();
      connection.handlers[0] = handlers;
      own.open = true;
      this.#open.get(from.name)?.add(own);
      handlers.opened(own);
      if (!other.open) this.#end(own, "reset");
    };
    if (this.isBlocked(target.name, from.name)) return;
    const atMs = this.#timeline.nowMs + this.#delay();
    other.arrivesAtMs = atMs;
    this.#timeline.at(atMs, () => from.receive(arrive));
  }

  close(end: End, why: string): void {
    if (!end.open) return;
    end.open = false;
    this.#open.get(end.owner.name)?.delete(end);
    const { peer } = end;
    if (this.isBlocked(end.owner.name, peer.owner.name)) {
      end.closing = true;
      return;
    }
    this.#arrive(end, () => this.#end(peer, why));
  }

  /** The process is gone: its peers see their connections break, or (power lost) nothing at all until they send. */
  gone(node: NetworkNode, silently: boolean): void {
    for (const end of this.#open.get(node.name) ?? []) {
      end.open = false;
      end.stalled.length = 0;
      if (!silently && !this.isBlocked(node.name, end.peer.owner.name)) {
        this.#arrive(end, () => this.#end(end.peer, "reset"));
      }
    }
    this.#open.get(node.name)?.clear();
  }

  /** Every connection between the two breaks. */
  reset(a: NodeName, b: NodeName): void {
    for (const end of [...(this.#open.get(a) ?? [])]) {
      if (end.peer.owner.name !== b) continue;
      this.counters.resets++;
      const { peer } = end;
      end.owner.receive(() => this.#end(end, "reset"));
      peer.owner.receive(() => this.#end(peer, "reset"));
    }
  }

  #end(end: End, why: string): void {
    if (!end.open) return;
    end.open = false;
    end.stalled.length = 0;
    this.#open.get(end.owner.name)?.delete(end);
    this.trace?.(`closed (${why})`, end.peer.owner.name, end.owner.name, null);
    end.connection.handlers[end.side]?.closed(why);
    // What the peer still sends finds nobody.
  }

  // ---- ways ------------------------------------------------------------------------------------------------------

  isBlocked(from: NodeName, to: NodeName): boolean {
    return this.#blocked.size > 0 && this.#blocked.has(`${from}>${to}`);
  }

  block(from: NodeName, to: NodeName): void {
    this.#blocked.add(`${from}>${to}`);
  }

  /** Opens a way again: what was stalled arrives, or the connections that it was sent on turn out to be broken. */
  unblock(from: NodeName, to: NodeName): void {
    if (!this.#blocked.delete(`${from}>${to}`)) return;
    for (const node of [from, to]) {
      for (const end of [...(this.#open.get(node) ?? [])]) {
        const sender = end.owner.name === from ? end : end.peer;
        if (sender.owner.name !== from || sender.peer.owner.name !== to) continue;
        if (sender.closing) {
          sender.closing = false;
          this.#arrive(sender, () => this.#end(sender.peer, "reset"));
        }
        const stalled = sender.stalled.splice(0);
        if (stalled.length > 0 && this.#random.chance(0.3)) this.reset(from, to);
        else for (const bytes of stalled) this.#carry(sender, bytes);
      }
    }
  }

  unblockAll(): void {
    for (const way of [...this.#blocked]) {
      const [from, to] = way.split(">") as [string, string];
      this.unblock(from, to);
    }
  }

  // ---- messages --------------------------------------------------------------------------------------------------

  send(end: End, bytes: Buffer): void {
    if (!end.open) return;
    this.counters.messages++;
    const from = end.owner.name;
    const to = end.peer.owner.name;
    const ruling = this.filter === null ? "pass" : this.filter(from, to, bytes);
    if (ruling !== "pass") {
      this.trace?.(ruling, from, to, bytes);
      if (ruling === "hold") this.#held.push({ end, bytes });
      return;
    }
    if (this.isBlocked(from, to)) {
      if (this.manner.loose) {
        this.counters.lost++;
        return;
      }
      this.counters.stalled++;
      end.stalled.push(bytes);
      return;
    }
    this.#carry(end, bytes);
  }

  /** Lets go what the filter held and does not hold any more. */
  release(): void {
    for (const { end, bytes } of this.#held.splice(0)) {
      const ruling = this.filter?.(end.owner.name, end.peer.owner.name, bytes) ?? "pass";
      if (ruling === "hold") this.#held.push({ end, bytes });
      else if (ruling === "pass") this.#carry(end, bytes);
    }
  }

  #carry(end: End, bytes: Buffer): void {
    const { loose, loss, repeats } = this.manner;
    if (loose && this.#random.chance(loss)) {
      this.counters.lost++;
      return;
    }
    this.#transmit(end, bytes);
    if (loose && this.#random.chance(repeats)) {
      this.counters.repeated++;
      this.#transmit(end, bytes);
    }
  }

  #transmit(end: End, bytes: Buffer): void {
    this.#arrive(end, () => {
      const { peer } = end;
      if (!peer.open) {
        // Nobody is there (any more): the sender's system says so.
        if (end.open && peer.owner.up) this.#arrive(peer, () => this.#end(end, "reset"));
        return;
      }
      this.counters.delivered++;
      this.note(bytes);
      this.trace?.("message", end.owner.name, peer.owner.name, bytes);
      end.connection.handlers[peer.side]?.message(bytes);
    });
  }

  /** Adds something that happens now to the checksum. */
  note(bytes: Uint8Array): void {
    this.#stamp.writeDoubleLE(this.#timeline.nowMs, 0);
    this.digest = crc32(bytes, crc32(this.#stamp, this.digest));
  }

  #arrive(end: End, run: () => void): void {
    let atMs = this.#timeline.nowMs + this.#delay();
    if (!this.manner.loose) atMs = Math.max(atMs, end.arrivesAtMs);
    else if (atMs < end.arrivesAtMs) this.counters.reordered++;
    end.arrivesAtMs = Math.max(end.arrivesAtMs, atMs);
    const { owner } = end.peer;
    this.#timeline.at(atMs, () => owner.receive(run));
  }

  #delay(): number {
    const { minDelayMs, jitterMs, spikes, spikeMs } = this.manner;
    let delay = minDelayMs + this.#random.around(jitterMs);
    if (spikes > 0 && this.#random.chance(spikes)) delay += this.#random.float() * spikeMs;
    if (delay > this.slowestMs) this.slowestMs = delay;
    return delay;
  }
}
