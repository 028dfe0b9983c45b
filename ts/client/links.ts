/**
 * Which server to talk to, as rules without sockets. There is at most one connection to each server. One server is the
 * *target*; it is changed when a connection fails, stays silent or says `not-active`. A connection to a server that is
 * not active stays open while the other one is tried, so that a takeover is noticed without a new handshake. So does
 * one that is silent for the first time: a server that thousands have come back to at once is slow, not dead, and new
 * handshakes would make it slower. When every server has failed once, there is a pause, growing from round to round,
 * until one of them gives an answer.
 */
import { backoffMs } from "./backoff.js";
import type { CoreAction } from "./types.js";

/** A connection that takes longer to be made than this part of the suspicion time is overtaken by another attempt. */
const CONNECT_PATIENCE_DIVISOR = 4;
/**
 * With a virtual address besides the two servers' own: one that moved away from a dead machine does not say so, and another
 * server is asked this much sooner, while the connection stays.
 */
const TWO_SERVERS = 2;
const LOOK_DIVISOR = 4;
const VIRTUAL_CONNECT_DIVISOR = 10;
/** A refused quorum for this long makes the client ask the other server, which may have taken over. */
const NO_QUORUM_PATIENCE_MS = 2_000;
/** Silence is borne up to 2^3 times longer when it repeats: else a slow system would never get an answer through. */
const MAX_SUSPICION_DOUBLINGS = 3;

export interface Link {
  readonly id: number;
  readonly server: number;
  open: boolean;
  /** since when an answer is awaited or the connection is being made; Infinity: nothing is awaited */
  waitingSinceMs: number;
  /** when it was last found silent; -Infinity: never since it was made */
  suspectedMs: number;
  /** it was slow to connect and another server is tried meanwhile */
  overtaken: boolean;
}

export class Links {
  readonly #servers: number;
  readonly #suspectMs: number;
  readonly #random: () => number;
  readonly #links: (Link | null)[];
  readonly #failed: boolean[];
  #target = 0;
  #nextId = 1;
  #pauseUntilMs = 0;
  #rounds = 0;
  #suspicions = 0;
  #noQuorumSinceMs = Number.POSITIVE_INFINITY;
  /** the connection that gave the last answer of an active server */
  #serving = 0;

  constructor(options: { servers: number; suspectMs: number; random: () => number }) {
    this.#servers = options.servers;
    this.#suspectMs = options.suspectMs;
    this.#random = options.random;
    this.#links = Array.from({ length: options.servers }, () => null);
    this.#failed = this.#links.map(() => false);
  }

  find(id: number): Link | null {
    return this.#links.find((link) => link?.id === id) ?? null;
  }

  /** True when at least one connection is open. */
  get anyOpen(): boolean {
    return this.#links.some((link) => link?.open === true);
  }

  /** The connection to send on now, or null; begins to connect when there is none. */
  ready(nowMs: number, actions: CoreAction[]): Link | null {
    if (nowMs < this.#pauseUntilMs) return null;
    const link = this.#links[this.#target] ?? null;
    if (link === null) {
      const id = this.#nextId++;
      this.#links[this.#target] = {
        id,
        server: this.#target,
        open: false,
        waitingSinceMs: nowMs,
        suspectedMs: Number.NEGATIVE_INFINITY,
        overtaken: false,
      };
      actions.push({ type: "connect", link: id, server: this.#target });
      return null;
    }
    return link.open ? link : null;
  }

  connected(link: Link): void {
    link.open = true;
    link.waitingSinceMs = Number.POSITIVE_INFINITY;
    // A slow connection that is there at last is better than a pause or another attempt.
    if (this.#links[this.#target]?.open !== true) {
      this.#target = link.server;
      this.#pauseUntilMs = 0;
    }
  }

  disconnected(link: Link, nowMs: number): void {
    this.#links[link.server] = null;
    if (link.server === this.#target) this.#next(link.server, nowMs);
  }

  /** Gives up a connection whose peer does not keep the protocol. */
  drop(link: Link, nowMs: number, actions: CoreAction[]): void {
    actions.push({ type: "disconnect", link: link.id });
    this.disconnected(link, nowMs);
  }

  /** The server said that it is not the active one. */
  notActive(link: Link, nowMs: number): void {
    link.waitingSinceMs = Number.POSITIVE_INFINITY;
    if (link.server === this.#target) this.#next(link.server, nowMs);
  }

  /**
   * An active server answered on this connection: it is the one to use, others are closed. True when it is another
   * connection than the one that answered before.
   */
  answered(link: Link, actions: CoreAction[]): boolean {
    this.#target = link.server;
    this.#pauseUntilMs = 0;
    this.#rounds = 0;
    this.#suspicions = 0;
    this.#noQuorumSinceMs = Number.POSITIVE_INFINITY;
    this.#failed.fill(false);
    this.#closeAllBut(link, actions);
    const before = this.#serving;
    this.#serving = link.id;
    return before !== 0 && before !== link.id;
  }

  /** The target cannot reach two upstreams. It stays the target for a while; then the other server is asked too. */
  noQuorum(link: Link, nowMs: number): void {
    this.#suspicions = 0;
    if (link.server !== this.#target) return;
    if (this.#noQuorumSinceMs === Number.POSITIVE_INFINITY) this.#noQuorumSinceMs = nowMs;
    if (nowMs - this.#noQuorumSinceMs < NO_QUORUM_PATIENCE_MS) return;
    this.#noQuorumSinceMs = nowMs;
    this.#next(link.server, nowMs);
  }

  /**
   * Looks past connections that are slow to be made or owe an answer for too long; gives those up that owe it still when
   * they are found silent again, and at once where there is no other server to ask.
   */
  tick(nowMs: number, actions: CoreAction[]): void {
    for (const link of this.#links) {
      if (link === null || nowMs < this.#suspectAt(link)) continue;
      if (link.open) {
        this.#suspicions = Math.min(MAX_SUSPICION_DOUBLINGS, this.#suspicions + 1);
        const again = link.suspectedMs >= link.waitingSinceMs;
        link.suspectedMs = nowMs;
        if (again || this.#servers === 1) this.drop(link, nowMs, actions);
        else if (link.server === this.#target) this.#next(link.server, nowMs);
      } else {
        link.overtaken = true;
        if (link.server === this.#target) this.#next(link.server, nowMs);
      }
    }
  }

  /** When {@link tick} or {@link ready} has something to do next. `wanted`: a connection is needed. */
  nextWakeMs(nowMs: number, wanted: boolean): number {
    let at = Number.POSITIVE_INFINITY;
    for (const link of this.#links) if (link !== null) at = Math.min(at, this.#suspectAt(link));
    if (wanted && this.#pauseUntilMs > nowMs) at = Math.min(at, this.#pauseUntilMs);
    return at;
  }

  closeAll(actions: CoreAction[]): void {
    this.#closeAllBut(null, actions);
  }

  #closeAllBut(kept: Link | null, actions: CoreAction[]): void {
    this.#links.forEach((link, server) => {
      if (link === null || link === kept) return;
      actions.push({ type: "disconnect", link: link.id });
      this.#links[server] = null;
    });
  }

  #suspectAt(link: Link): number {
    if (link.open) {
      const first = link.suspectedMs < link.waitingSinceMs;
      const patienceMs = first && this.#servers > TWO_SERVERS ? this.#suspectMs / LOOK_DIVISOR : this.#suspectMs;
      return Math.max(link.waitingSinceMs, link.suspectedMs) + patienceMs * 2 ** this.#suspicions;
    }
    if (link.overtaken) return Number.POSITIVE_INFINITY;
    // While an address moves, what is sent to it is lost; TCP repeats the first packet of a connection after 1 s only.
    const divisor = this.#servers > TWO_SERVERS ? VIRTUAL_CONNECT_DIVISOR : CONNECT_PATIENCE_DIVISOR;
    return link.waitingSinceMs + this.#suspectMs / divisor;
  }

  /** Makes the server after `from` the target, passing over those that are still slow to connect or to answer. */
  #next(from: number, nowMs: number): void {
    this.#failed[from] = true;
    let candidate = (from + 1) % this.#servers;
    for (let tried = 1; tried < this.#servers; tried++) {
      if (!this.#isLookedPast(this.#links[candidate] ?? null)) break;
      candidate = (candidate + 1) % this.#servers;
    }
    this.#target = candidate;
    if (this.#failed[candidate] !== true) return;
    this.#failed.fill(false);
    this.#pauseUntilMs = nowMs + backoffMs(this.#rounds++, this.#random);
  }

  /** It was so slow to be made; or it owes an answer for so long, and may be of a virtual address that has moved away. */
  #isLookedPast(link: Link | null): boolean {
    if (link === null) return false;
    return link.open ? this.#servers > TWO_SERVERS && link.suspectedMs >= link.waitingSinceMs : link.overtaken;
  }
}
