import assert from "node:assert/strict";
import fc from "fast-check";
import { ClientCore } from "../../ts/client/core.js";
import type { CoreEvent, Outcome } from "../../ts/client/types.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { readRequests, resultsPacket } from "../support/client-scenario.js";
import { FakeSeats } from "../support/fake-seats.js";

/**
 * The core against two servers that share exactly-once seats, over links that delay, lose and break, with servers that
 * swap roles, refuse for the moment and fall silent: all by one seed.
 */
class World {
  nowMs = 0;
  readonly seats = new FakeSeats(4);
  readonly granted = new Map<number, number>();
  readonly settled = new Map<number, Outcome>();
  readonly core: ClientCore;
  active = 0;
  faults = true;
  closed = false;
  readonly #random: () => number;
  readonly #pending: { atMs: number; run: () => void }[] = [];
  readonly #links = new Map<number, number>();
  #timerMs: number | null = null;
  #nextCall = 1;

  constructor(random: () => number) {
    this.#random = random;
    this.core = new ClientCore({
      servers: 2,
      names: { host: "h", user: "u", station: "s", program: "p", runtimeVersion: "1.0.0" },
      sessionTimeoutMs: 0,
      suspectMs: 1_000,
      closeTimeoutMs: 2_000,
      random,
      randomBytes: (count) => Buffer.from(Array.from({ length: count }, () => Math.floor(random() * 256))),
    });
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  call(kind: number, fields: { handle?: number } = {}, timeoutMs = 20_000): number {
    const id = this.#nextCall++;
    this.take({ type: "call", call: { id, fields: { kind, ...fields }, deadlineMs: this.nowMs + timeoutMs } });
    this.take({ type: "tick" });
    return id;
  }

  /** Runs everything that is due up to a time. */
  runUntil(untilMs: number): void {
    for (;;) {
      const next = this.#pending.reduce((at, one) => Math.min(at, one.atMs), this.#timerMs ?? Number.POSITIVE_INFINITY);
      if (next > untilMs) break;
      this.nowMs = Math.max(this.nowMs, next);
      if (this.#timerMs !== null && this.#timerMs <= this.nowMs) this.take({ type: "tick" });
      for (const one of this.#pending.filter(({ atMs }) => atMs <= this.nowMs)) {
        this.#pending.splice(this.#pending.indexOf(one), 1);
        one.run();
      }
    }
    this.nowMs = untilMs;
  }

  take(event: CoreEvent): void {
    for (const action of this.core.step(event, this.nowMs)) {
      switch (action.type) {
        case "connect":
          this.#connect(action.link, action.server);
          break;
        case "disconnect":
          this.#links.delete(action.link);
          break;
        case "send":
          this.#later(() => this.#arrive(action.link, action.message));
          break;
        case "settle":
          assert.equal(this.settled.has(action.id), false, "a call is settled once");
          this.settled.set(action.id, action.outcome);
          if ("answer" in action.outcome && action.outcome.answer.result.kind === Kind.access) {
            this.granted.set(action.id, action.outcome.answer.result.handle);
          }
          break;
        case "timer":
          this.#timerMs = action.atMs;
          break;
        case "closed":
          this.closed = true;
          break;
        case "notice":
          assert.notEqual(action.notice.type, "handle-lost", "the servers forget no session here");
          break;
      }
    }
  }

  /** Breaks whatever connection there is. */
  cut(): void {
    for (const link of [...this.#links.keys()]) this.#drop(link);
  }

  #later(run: () => void): void {
    const delayMs = this.faults && this.chance(0.05) ? 3_000 * this.#random() : 1 + 10 * this.#random();
    this.#pending.push({ atMs: this.nowMs + delayMs, run });
  }

  #connect(link: number, server: number): void {
    this.#links.set(link, server);
    if (this.faults && this.chance(0.1)) {
      this.#pending.push({ atMs: this.nowMs + 5_000, run: () => this.#drop(link) });
      return;
    }
    this.#later(() => {
      if (!this.#links.has(link)) return;
      if (this.faults && this.chance(0.2)) this.#drop(link);
      else this.take({ type: "connected", link });
    });
  }

  #drop(link: number): void {
    if (this.#links.delete(link)) this.take({ type: "disconnected", link, why: "broken" });
  }

  #arrive(link: number, message: Buffer): void {
    // What was on its way when the connection broke may still arrive; its answer cannot.
    const server = this.#links.get(link);
    if (server === undefined && this.chance(0.5)) return;
    const replies = readRequests(message).map((request) => {
      const base = { kind: request.kind, request: request.number, session: request.session };
      if ((server ?? this.active) !== this.active) return { ...base, status: Status["not-active"] };
      // Refusals for the moment say nothing: the request may have been executed all the same.
      const refuse = this.faults && this.chance(0.2);
      if (refuse && this.chance(0.5)) return { ...base, status: Status.busy };
      const reply = this.seats.execute(request);
      return refuse ? { ...base, status: Status["no-quorum"] } : reply;
    });
    if (server === undefined || (this.faults && this.chance(0.1))) return;
    this.#later(() => {
      if (this.#links.has(link)) this.take({ type: "message", link, message: resultsPacket(replies) });
    });
  }
}

/** A small generator of uniform numbers, so that a whole run is one seed. */
function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe("client core under random faults", () => {
  it("settles every call once, loses no seat and takes none twice", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = generator(seed);
        const world = new World(random);
        world.call(Kind.openSession);
        const held = new Set<number>();
        const calls: number[] = [];
        for (let step = 0; step < 60; step++) {
          if (world.chance(0.1)) world.cut();
          if (world.chance(0.1)) world.active = 1 - world.active;
          if (world.chance(0.5)) calls.push(world.call(Kind.access, {}, 100 + 20_000 * random()));
          for (const [call, handle] of world.granted) {
            world.granted.delete(call);
            held.add(handle);
          }
          const [handle] = held;
          if (handle !== undefined && world.chance(0.5)) {
            held.delete(handle);
            calls.push(world.call(Kind.release, { handle }, 100 + 20_000 * random()));
          }
          if (world.chance(0.05) && calls.length > 0) {
            const id = calls[Math.floor(random() * calls.length)] ?? 0;
            if (!world.settled.has(id)) {
              world.take({ type: "abandon", id });
              calls.splice(calls.indexOf(id), 1);
            }
          }
          world.runUntil(world.nowMs + 1_000 * random());
        }
        world.faults = false;
        world.runUntil(world.nowMs + 60_000);
        for (const handle of world.granted.values()) held.add(handle);
        for (const id of calls) assert.ok(world.settled.has(id), `call ${id} is settled`);
        assert.deepEqual(new Set(world.seats.taken.keys()), held, "exactly what the callers hold is taken");
        world.take({ type: "close" });
        world.runUntil(world.nowMs + 5_000);
        assert.equal(world.closed, true);
        assert.equal(world.seats.taken.size, 0);
      }),
      { numRuns: 300 },
    );
  });
});
