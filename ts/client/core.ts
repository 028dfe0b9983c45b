/**
 * The client as a pure machine: events in, actions out; time, randomness and sockets are the driver's. One session
 * over any number of connections. In the order of a request's life: call → queue → number and first sending →
 * repeated on every new connection and after every refusal that says nothing about it → one final answer.
 */
import { isRetryable, Kind, Status, statusName } from "../wire/kinds.js";
import type { Request } from "../wire/request.js";
import { allRules } from "../wire/rules.js";
import { backoffMs } from "./backoff.js";
import { Calls, newPending, type Pending } from "./calls.js";
import { Lease, leaseOf } from "./lease.js";
import { type Link, Links } from "./links.js";
import { decodeResults, encodeNames, encodeRequests, RECORDS_PER_PACKET } from "./packet.js";
import type { Answer, Call, CoreAction, CoreEvent, CoreOptions, Fault, Outcome } from "./types.js";

type Phase = "running" | "closing" | "closed";
/** `none`: the next call opens a session of new random bytes. */
type SessionState = "none" | "opening" | "open";

/** A request that gets no answer on a connection that answers others is repeated there after so many suspicion times. */
const REPEAT_AFTER = 8;

export class ClientCore {
  readonly #options: CoreOptions;
  readonly #links: Links;
  readonly #calls = new Calls();
  readonly #handles = new Set<number>();
  /** handles that wait in a queue: not held before an answer says so */
  readonly #queued = new Set<number>();
  #phase: Phase = "running";
  #state: SessionState = "none";
  #session: Uint8Array = new Uint8Array(16);
  #lease = new Lease();
  #opening: Pending | null = null;
  #heartbeat: Pending | null = null;
  #mark = 0;
  #markProof: Uint8Array = new Uint8Array(8);
  #closeByMs = Number.POSITIVE_INFINITY;
  #timerMs: number | null = null;
  #whyNoLink = "";
  #actions: CoreAction[] = [];

  constructor(options: CoreOptions) {
    this.#options = options;
    this.#links = new Links(options);
  }

  /** True while the session is confirmed: its handles are held. */
  holds(handle: number, nowMs: number): boolean {
    return this.#handles.has(handle) && !this.#lease.lost && nowMs < this.#lease.untilMs;
  }

  get closed(): boolean {
    return this.#phase === "closed";
  }

  /** Takes one event and returns what is to be done, in order. `nowMs` never goes backwards. */
  step(event: CoreEvent, nowMs: number): CoreAction[] {
    this.#actions = [];
    if (this.#phase === "closed") {
      if (event.type === "call") this.#settle(event.call.id, { fault: closedFault });
      return this.#actions;
    }
    this.#take(event, nowMs);
    if (event.type !== "call") this.#advance(nowMs);
    this.#setTimer(nowMs);
    return this.#actions;
  }

  #take(event: CoreEvent, nowMs: number): void {
    switch (event.type) {
      case "call":
        this.#call(event.call);
        return;
      case "abandon": {
        const pending = this.#calls.findById(event.id);
        if (pending !== undefined) this.#abandon(pending);
        return;
      }
      case "connected": {
        const link = this.#links.find(event.link);
        if (link !== null) this.#links.connected(link);
        return;
      }
      case "disconnected": {
        const link = this.#links.find(event.link);
        if (link === null) return;
        this.#whyNoLink = event.why;
        this.#links.disconnected(link, nowMs);
        return;
      }
      case "message": {
        const link = this.#links.find(event.link);
        if (link !== null) this.#message(link, event.message, nowMs);
        return;
      }
      case "close":
        this.#close(nowMs);
        return;
      case "tick":
        // The timer may have been a little early: what it was set to must be said again.
        this.#timerMs = Number.NaN;
        return;
      default:
        event satisfies never;
    }
  }

  // ---- calls

  #call(call: Call): void {
    if (this.#phase !== "running") {
      this.#settle(call.id, { fault: closedFault });
      return;
    }
    // From here on the handle is not the caller's any more, whatever becomes of the request.
    if (call.fields.kind === Kind.release) this.#forget(call.fields.handle ?? 0);
    this.#calls.enqueue(newPending(call.fields, call));
  }

  /**
   * Nobody waits any longer. What may have taken or must give back a seat goes on without its caller: an access that
   * was sent until its outcome is known, and then its handle is released; a release until it is done.
   */
  #abandon(pending: Pending): void {
    const { kind } = pending.fields;
    pending.id = 0;
    if (kind === Kind.release || (kind === Kind.access && pending.number !== 0)) return;
    this.#calls.remove(pending);
  }

  #close(nowMs: number): void {
    if (this.#phase !== "running") return;
    this.#phase = "closing";
    for (const pending of this.#calls.takeAll()) this.#settle(pending.id, { fault: closedFault });
    this.#opening = null;
    this.#heartbeat = null;
    this.#handles.clear();
    this.#queued.clear();
    // A session whose opening was not confirmed holds no seat: it needs no goodbye.
    if (this.#state !== "open") {
      this.#finish();
      return;
    }
    this.#closeByMs = nowMs + this.#options.closeTimeoutMs;
    this.#calls.insert(newPending({ kind: Kind.closeSession }));
  }

  #finish(): void {
    this.#phase = "closed";
    this.#links.closeAll(this.#actions);
    this.#actions.push({ type: "closed" });
  }

  // ---- answers

  #message(link: Link, message: Uint8Array, nowMs: number): void {
    const answers = decodeResults(message);
    if (answers === null) {
      this.#whyNoLink = "the server sent bytes that are not this protocol";
      this.#links.drop(link, nowMs, this.#actions);
      return;
    }
    for (const answer of answers) {
      if (answer.result.kind === Kind.notice) {
        if (answer.result.status === Status["not-active"]) this.#notActive(link, nowMs);
      } else {
        this.#answer(link, answer, nowMs);
      }
      if (this.#phase === "closed") return;
    }
    link.waitingSinceMs = Number.POSITIVE_INFINITY;
    for (const { sentOn } of this.#calls.outstanding) {
      if (sentOn === link.id) link.waitingSinceMs = nowMs;
    }
  }

  #answer(link: Link, answer: Answer, nowMs: number): void {
    const { result } = answer;
    const pending = this.#calls.find(result.request);
    // Answers to a session before this one, and second answers to what was repeated, are nobody's.
    if (pending?.fields.kind !== result.kind || !Buffer.from(result.session).equals(this.#session)) return;
    if (isRetryable(result.status)) {
      if (pending.sentOn === link.id) this.#refusedForNow(link, pending, answer, nowMs);
      return;
    }
    if (result.mark > this.#mark) {
      this.#mark = result.mark;
      this.#markProof = result.markProof;
    }
    if (result.kind !== Kind.status) this.#serves(link);
    if (result.status === Status["session-unknown"]) {
      this.#sessionLost();
      return;
    }
    this.#calls.remove(pending);
    this.#final(pending, answer, nowMs);
  }

  #serves(link: Link): void {
    if (!this.#links.answered(link, this.#actions)) return;
    this.#actions.push({ type: "notice", notice: { type: "reconnected", server: link.server } });
  }

  #refusedForNow(link: Link, pending: Pending, answer: Answer, nowMs: number): void {
    const { status } = answer.result;
    pending.fault = refusal(answer);
    if (status === Status["not-active"]) {
      this.#notActive(link, nowMs);
      return;
    }
    pending.sentOn = 0;
    pending.heldOn = link.id;
    pending.retryAtMs = nowMs + backoffMs(pending.attempts++, this.#options.random);
    if (status === Status["no-quorum"]) this.#links.noQuorum(link, nowMs);
    else this.#serves(link);
  }

  /** Whatever was sent there was dropped: it goes to the peer at once, or here again after a pause. */
  #notActive(link: Link, nowMs: number): void {
    for (const pending of this.#calls.outstanding) {
      if (pending.sentOn !== link.id) continue;
      pending.sentOn = 0;
      pending.heldOn = 0;
      pending.fault = { code: "ERR_TMR_REFUSED", reason: "not-active", text: "no TMR server says that it is active" };
    }
    this.#links.notActive(link, nowMs);
  }

  #final(pending: Pending, answer: Answer, nowMs: number): void {
    const { result } = answer;
    const { kind, handle } = pending.fields;
    const ok = result.status === Status.ok;
    const { leaseFromFirstSending, leaseAllowsForDrift } = this.#options.rules ?? allRules;
    const firstSentMs = leaseFromFirstSending ? pending.firstSentMs : nowMs;
    const timeoutMs = leaseAllowsForDrift ? leaseOf(result.timeoutMs) : result.timeoutMs;
    if (pending === this.#opening) this.#opened(answer);
    if (
      this.#state === "open" &&
      result.status !== Status["bad-request"] &&
      result.status !== Status["stale-request"] &&
      this.#lease.answered({ ...result, firstSentMs, timeoutMs }, nowMs, this.#options.random)
    ) {
      this.#actions.push({ type: "notice", notice: { type: "lease-restored" } });
    }
    if (pending === this.#heartbeat) this.#heartbeat = null;
    const waits = result.status === Status.queued;
    if (kind === Kind.access && (ok || waits)) {
      if (pending.id === 0) this.#calls.enqueue(newPending({ kind: Kind.release, handle: result.handle }));
      else (waits ? this.#queued : this.#handles).add(result.handle);
    } else if (kind === Kind.info && !waits && this.#queued.delete(handle ?? 0)) {
      if (ok) this.#handles.add(handle ?? 0);
    }
    if (result.status === Status["handle-lost"] || result.status === Status["handle-unknown"]) {
      this.#handleLost(handle ?? 0);
    }
    if (kind === Kind.closeSession) this.#finish();
    this.#settle(pending.id, ok || waits ? { answer } : { fault: refusal(answer) });
  }

  #forget(handle: number): void {
    this.#handles.delete(handle);
    this.#queued.delete(handle);
  }

  #opened(answer: Answer): void {
    this.#opening = null;
    if (answer.result.status === Status.ok) {
      this.#state = "open";
      for (const waiting of this.#calls.takeQueued(Kind.openSession)) this.#settle(waiting.id, { answer });
      return;
    }
    this.#state = "none";
    for (const waiting of this.#calls.restart()) this.#settle(waiting.id, { fault: refusal(answer) });
  }

  #handleLost(handle: number): void {
    if (!this.#handles.delete(handle)) return;
    this.#actions.push({ type: "notice", notice: { type: "handle-lost", handle } });
  }

  /** The server forgot the session, so its seats are free. What nothing depends on is asked again in a new session. */
  #sessionLost(): void {
    if (this.#phase === "closing") {
      this.#finish();
      return;
    }
    this.#state = "none";
    this.#opening = null;
    this.#heartbeat = null;
    for (const handle of [...this.#handles]) this.#handleLost(handle);
    this.#queued.clear();
    for (const pending of this.#calls.restart()) {
      if (pending.id === 0) continue;
      const { fields, id, deadlineMs } = pending;
      if ((fields.handle ?? 0) !== 0) this.#settle(id, { fault: sessionLostFault });
      else this.#calls.enqueue(newPending(fields, { id, deadlineMs }));
    }
  }

  #settle(id: number, outcome: Outcome): void {
    if (id !== 0) this.#actions.push({ type: "settle", id, outcome });
  }

  // ---- what is due

  #advance(nowMs: number): void {
    if (this.#phase === "closed") return;
    if (nowMs >= this.#closeByMs) {
      this.#finish();
      return;
    }
    for (const pending of this.#calls.overdue(nowMs)) this.#overdue(pending);
    if (this.#state === "open" && this.#phase === "running") {
      if (this.#lease.expire(nowMs)) this.#actions.push({ type: "notice", notice: { type: "lease-lost" } });
      if (this.#heartbeat === null && nowMs >= this.#lease.dueMs) {
        this.#heartbeat = this.#calls.insert(newPending({ kind: Kind.heartbeat }));
      }
    }
    this.#links.tick(nowMs, this.#actions);
    if (!this.#wanted()) return;
    if (this.#state === "none") this.#open();
    const link = this.#links.ready(nowMs, this.#actions);
    if (link !== null) this.#send(link, nowMs);
  }

  #overdue(pending: Pending): void {
    const fault = pending.fault ?? this.#opening?.fault ?? null;
    const seen = this.#links.anyOpen || pending.number !== 0;
    const unreached = this.#whyNoLink === "" ? "no server answered in time" : `no server answered: ${this.#whyNoLink}`;
    this.#settle(pending.id, {
      fault: fault ?? { code: seen ? "ERR_TMR_TIMEOUT" : "ERR_TMR_CONNECT", text: unreached },
    });
    this.#abandon(pending);
  }

  /** True while a connection is of use. */
  #wanted(): boolean {
    return this.#state !== "none" || this.#calls.queued > 0;
  }

  #open(): void {
    this.#state = "opening";
    this.#session = this.#options.randomBytes(16);
    this.#lease = new Lease();
    const pending = newPending({ kind: Kind.openSession }, undefined, encodeNames(this.#options.names));
    this.#opening = this.#calls.insert({ ...pending, durationMs: this.#options.sessionTimeoutMs });
  }

  #send(link: Link, nowMs: number): void {
    if (this.#state === "open" && this.#phase === "running") this.#calls.admit();
    const answeredBelow = this.#calls.answeredBelow;
    const due: Pending[] = [];
    for (const pending of this.#calls.outstanding) {
      if (pending.heldOn !== link.id || pending.retryAtMs <= nowMs) due.push(pending);
    }
    for (let at = 0; at < due.length; at += RECORDS_PER_PACKET) {
      const part = due.slice(at, at + RECORDS_PER_PACKET);
      const requests = part.map((pending) => ({ request: this.#request(pending, answeredBelow), blob: pending.blob }));
      this.#actions.push({ type: "send", link: link.id, message: encodeRequests(requests) });
    }
    for (const pending of due) {
      if (pending.firstSentMs < 0) pending.firstSentMs = nowMs;
      pending.sentOn = link.id;
      pending.heldOn = link.id;
      pending.retryAtMs = nowMs + REPEAT_AFTER * this.#options.suspectMs;
    }
    if (due.length > 0 && link.waitingSinceMs === Number.POSITIVE_INFINITY) link.waitingSinceMs = nowMs;
  }

  #request(pending: Pending, answeredBelow: number): Request {
    return {
      ...pending.fields,
      request: pending.number,
      session: this.#session,
      answeredBelow,
      durationMs: pending.durationMs,
      mark: this.#mark,
      markProof: this.#markProof,
    };
  }

  #setTimer(nowMs: number): void {
    let at = Math.min(this.#closeByMs, this.#calls.nextDeadlineMs, this.#calls.nextRetryMs(nowMs));
    at = Math.min(at, this.#links.nextWakeMs(nowMs, this.#wanted()));
    if (this.#state === "open" && this.#phase === "running") {
      if (!this.#lease.lost) at = Math.min(at, this.#lease.untilMs);
      if (this.#heartbeat === null) at = Math.min(at, this.#lease.dueMs);
    }
    const atMs = this.#phase === "closed" || at === Number.POSITIVE_INFINITY ? null : at;
    if (atMs === this.#timerMs) return;
    this.#timerMs = atMs;
    this.#actions.push({ type: "timer", atMs });
  }
}

const closedFault: Fault = { code: "ERR_TMR_CLOSED", text: "the session was closed" };
const sessionLostFault: Fault = {
  code: "ERR_TMR_REFUSED",
  reason: "handle-lost",
  text: "the session timed out on the server and its handles were given up",
};

/** The server's refusal as a fault: its sentence, or the name of the status where it gave none. */
function refusal(answer: Answer): Fault {
  const reason = statusName(answer.result.status);
  const sentence = reason === "not-active" ? "" : answer.blob.toString("utf8");
  return { code: "ERR_TMR_REFUSED", reason, text: sentence === "" ? `the server answered ${reason}` : sentence };
}
