/**
 * The license rules a second time, as simply as possible: Maps of objects, every question answered by searching
 * everything. The oracle of the state machine. It numbers handles 1, 2, 3 and so on.
 */
import assert from "node:assert/strict";
import type { LicenseLimits } from "../../ts/license/limits.js";
import type { Terms } from "../../ts/license/terms.js";
import { Kind } from "../../ts/wire/kinds.js";
import type { Asked } from "./license-kit.js";

/** What is compared: a status by name, and the fields that a kind of result has. */
export interface Outcome {
  readonly status: string;
  readonly mode: number;
  readonly quantity: number;
  readonly handle: number;
  readonly firmCode: number;
  readonly productCode: number;
  readonly itemRef: number;
  readonly free: number;
  readonly total: number;
  readonly validUntilMs: number;
  readonly units: number;
  readonly timeoutMs: number;
  readonly nextExpiryMs: number;
  /** a list, parsed; null when the result has none */
  readonly list: unknown;
}

/** What a session says of itself; the oracle takes it from the story, not from the bytes. */
export interface NaiveNames {
  readonly host: string;
  readonly user: string;
  readonly station: string;
  readonly program: string;
}

/** A rule of an access list that has one set of rules, all global. */
export interface NaiveRule {
  readonly kind: "user" | "host" | "default";
  readonly value: string;
  readonly effect: "allow" | "deny";
  readonly reserved?: number;
  readonly limit?: number;
}

interface Session {
  readonly slot: number;
  readonly timeoutMs: number;
  deadline: number;
  below: number;
  readonly results: Map<number, Outcome>;
}

interface Handle {
  readonly number: number;
  /** null once it only lingers */
  session: string | null;
  readonly names: NaiveNames;
  readonly terms: Terms;
  seats: number;
  readonly mode: number;
  state: "held" | "queued" | "lingering" | "cancelled" | "overdue" | "denied";
  sinceMs: number;
  deadline: number;
  readonly featureMap: number;
  /** when it got its place among those that share, wait, linger or are lost */
  turn: number;
}

const SHARE = 2;
const EXCLUSIVE = 3;
const NO_LIMIT = 4;

interface Shown {
  readonly terms: Terms;
  readonly holders: readonly number[];
  readonly odd: number | undefined;
}

/** A statement as the oracle is told it: whether its bytes are right was decided by whoever made them. */
export interface Stated {
  readonly upstream: 1 | 2 | 3;
  readonly version: number;
  readonly items: readonly Terms[];
  readonly genuine: boolean;
}

const keyOf = ({ firmCode, productCode, tmrId, actId }: Terms): string =>
  JSON.stringify([firmCode, productCode, tmrId, actId]);
const termsText = (terms: Terms): string => JSON.stringify(Object.entries(terms).sort(([a], [b]) => (a < b ? -1 : 1)));

export class NaiveLicense {
  readonly sessions = new Map<string, Session>();
  readonly handles = new Map<number, Handle>();
  readonly ended = new Map<string, { request: number; outcome: Outcome }>();
  readonly statements = new Map<number, Stated>();
  /** by join key; never forgotten */
  readonly unitsUsed = new Map<string, number>();
  readonly firstUse = new Map<string, number>();
  logMs = 0;
  calendarMs = 0;
  reached = 7;
  rules: readonly NaiveRule[] = [];
  /** the place of a handle in the machine's table, by the oracle's number: equal deadlines come in that order */
  slotOf: (handle: number) => number = (handle) => handle;
  #granted = 0;
  #turn = 0;
  readonly #freeSlots: number[] = [];

  constructor(
    readonly limits: LicenseLimits,
    readonly namesOf: (session: string) => NaiveNames,
  ) {}

  begin(logMs: number, calendarMs: number, reached: number): void {
    this.logMs = Math.max(this.logMs, logMs);
    this.calendarMs = Math.max(this.calendarMs, calendarMs);
    this.reached = reached;
    const due = [...this.handles.values()].filter(({ deadline }) => deadline > 0 && deadline <= this.logMs);
    due.sort((a, b) => a.deadline - b.deadline || this.slotOf(a.number) - this.slotOf(b.number));
    for (const handle of due) {
      if (handle.state === "queued") this.#lose(handle, "overdue");
      else this.handles.delete(handle.number);
    }
    this.#settle();
  }

  #of(terms: Terms, ...states: string[]): Handle[] {
    return [...this.handles.values()]
      .filter((handle) => keyOf(handle.terms) === keyOf(terms) && states.includes(handle.state))
      .sort((a, b) => a.turn - b.turn);
  }

  /** Handles that are not only there to be told lost. */
  get shownHandles(): number {
    return [...this.handles.values()].filter((handle) => !isLost(handle)).length;
  }

  /** Seats in use. */
  used(terms: Terms): number {
    return sum(this.#of(terms, "held"));
  }

  /** Seats that cannot be taken by just anybody, though nobody uses them. */
  lingering(terms: Terms): number {
    return sum(this.#of(terms, "lingering"));
  }

  queued(terms: Terms): number {
    return this.#of(terms, "queued").length;
  }

  #ruleOf(names: NaiveNames): NaiveRule | undefined {
    const fits = ({ kind, value }: NaiveRule): boolean =>
      (kind === "user" && value === names.user) || (kind === "host" && value === names.host);
    return this.rules.find(fits) ?? this.rules.find(({ kind }) => kind === "default");
  }

  #takenBy(terms: Terms, rule: NaiveRule): number {
    return sum(this.#of(terms, "held", "lingering").filter(({ names }) => this.#ruleOf(names) === rule));
  }

  /** Seats that a rule keeps and that those for whom it does do not use. */
  #kept(terms: Terms, rule: NaiveRule | undefined): number {
    return rule === undefined ? 0 : Math.max(0, (rule.reserved ?? 0) - this.#takenBy(terms, rule));
  }

  #allKept(terms: Terms): number {
    return this.rules.reduce((total, rule) => total + this.#kept(terms, rule), 0);
  }

  #left(terms: Terms): number {
    return terms.quantity - this.used(terms) - this.lingering(terms);
  }

  /** What at least two upstreams state alike. */
  get items(): Shown[] {
    const all = new Map<string, Terms>();
    for (const stated of this.statements.values()) for (const terms of stated.items) all.set(keyOf(terms), terms);
    const shown: Shown[] = [];
    for (const key of all.keys()) {
      const copies = [1, 2, 3].flatMap((upstream) => {
        const terms = this.statements.get(upstream)?.items.find((item) => keyOf(item) === key);
        return terms === undefined ? [] : [{ upstream, terms }];
      });
      const agreeing = (to: Terms): number[] =>
        copies.filter((copy) => termsText(copy.terms) === termsText(to)).map((copy) => copy.upstream);
      const winner = copies.find((copy) => agreeing(copy.terms).length >= 2);
      if (winner === undefined) continue;
      const holders = agreeing(winner.terms);
      const odd = copies.find((copy) => !holders.includes(copy.upstream))?.upstream;
      shown.push({ terms: winner.terms, holders, odd });
    }
    return shown.sort(
      (a, b) =>
        a.terms.firmCode - b.terms.firmCode ||
        a.terms.productCode - b.terms.productCode ||
        a.terms.tmrId - b.terms.tmrId ||
        a.terms.actId - b.terms.actId,
    );
  }

  state(stated: Stated): Outcome {
    if (!stated.genuine || stated.version <= (this.statements.get(stated.upstream)?.version ?? 0)) {
      return outcome("bad-request");
    }
    this.statements.set(stated.upstream, stated);
    this.#settle();
    return outcome("ok");
  }

  setRules(rules: readonly NaiveRule[]): Outcome {
    this.rules = rules;
    const denied = [...this.handles.values()].filter(
      ({ state, names }) => state === "queued" && this.#ruleOf(names)?.effect === "deny",
    );
    denied.sort((a, b) => this.slotOf(a.number) - this.slotOf(b.number));
    for (const handle of denied) this.#lose(handle, "denied");
    this.#settle();
    return outcome("ok");
  }

  cancel(number: number): Outcome {
    const handle = this.handles.get(number);
    if (handle === undefined || isLost(handle)) return outcome("handle-unknown");
    if (handle.state === "lingering") this.handles.delete(number);
    else this.#lose(handle, "cancelled");
    this.#settle();
    const { terms, mode } = handle;
    return outcome("ok", { handle: number, mode, ...codesOf(terms), ...this.#seats(terms) });
  }

  expire(): Outcome {
    const late = [...this.sessions].filter(([, session]) => session.deadline <= this.logMs);
    late.sort(([, a], [, b]) => a.deadline - b.deadline || a.slot - b.slot);
    for (const [name] of late) this.#drop(name);
    this.#settle();
    const deadlines = [...this.sessions.values(), ...this.handles.values()].map(({ deadline }) => deadline);
    return outcome("ok", { nextExpiryMs: Math.min(...deadlines.filter((deadline) => deadline > 0), NEVER) % NEVER });
  }

  /** `asked.handle` is the oracle's number of the handle. */
  execute(name: string, asked: Asked, reached: number): Outcome {
    const session = this.sessions.get(name);
    return session === undefined ? this.#withoutSession(name, asked) : this.#inSession(name, session, asked, reached);
  }

  #withoutSession(name: string, asked: Asked): Outcome {
    const ended = this.ended.get(name);
    if (ended?.request === asked.request) return ended.outcome;
    if (asked.kind !== Kind.openSession || asked.request < (ended?.request ?? 0)) return outcome("session-unknown");
    const below = Math.max(1, asked.answeredBelow ?? 0);
    if (asked.request < below || asked.request > below + 255 || this.sessions.size >= this.limits.maxSessions) {
      const refused = outcome("bad-request");
      this.#end(name, asked.request, refused);
      return refused;
    }
    if (this.#stored() >= this.limits.maxStoredResults) return outcome("busy");
    const timeoutMs = asked.durationMs ?? 0;
    const opened = outcome("ok", { timeoutMs });
    const results = new Map([[asked.request, opened]]);
    const slot = this.#freeSlots.pop() ?? this.sessions.size;
    this.sessions.set(name, { slot, timeoutMs, deadline: this.logMs + timeoutMs, below, results });
    this.ended.delete(name);
    return opened;
  }

  #inSession(name: string, session: Session, asked: Asked, reached: number): Outcome {
    const { timeoutMs } = session;
    session.deadline = this.logMs + timeoutMs;
    const claimed = asked.answeredBelow ?? 0;
    if (asked.request < Math.max(claimed, session.below)) return outcome("stale-request", { timeoutMs });
    session.below = Math.max(session.below, claimed);
    for (const request of session.results.keys()) if (request < session.below) session.results.delete(request);
    const before = session.results.get(asked.request);
    if (before !== undefined) return before;
    if (asked.request > session.below + 255) return outcome("busy", { timeoutMs });
    switch (asked.kind) {
      case Kind.heartbeat:
        return outcome("ok", { timeoutMs });
      case Kind.info:
        return { ...this.#handle(name, asked.handle ?? 0), timeoutMs };
      case Kind.items:
        return outcome("ok", { timeoutMs, list: this.#list(reached) });
      case Kind.handles:
        return outcome("ok", { timeoutMs, list: this.#listHandles() });
      case Kind.closeSession: {
        this.#drop(name);
        this.#settle();
        this.#end(name, asked.request, outcome("ok"));
        return outcome("ok");
      }
      default:
    }
    if (this.#stored() >= this.limits.maxStoredResults) return outcome("busy", { timeoutMs });
    const result = { ...this.#write(name, asked, reached), timeoutMs };
    session.results.set(asked.request, result);
    return result;
  }

  #write(name: string, asked: Asked, reached: number): Outcome {
    switch (asked.kind) {
      case Kind.openSession:
        return outcome("ok");
      case Kind.release: {
        const handle = this.handles.get(asked.handle ?? 0);
        const before = this.#handle(name, asked.handle ?? 0);
        if (handle?.session !== name) return before;
        if (isLost(handle)) {
          this.handles.delete(handle.number);
          return before;
        }
        this.#giveBack(handle);
        this.#settle();
        return { ...before, status: "ok", ...this.#seats(handle.terms) };
      }
      case Kind.access:
        return this.#access(name, asked, reached);
      case Kind.consume:
        return this.#consume(name, asked, reached);
      default:
        return outcome("bad-request");
    }
  }

  #access(name: string, asked: Asked, reached: number): Outcome {
    const { firmCode = 0, productCode = 0, mode = 0, quantity = 0, itemRef = 0, durationMs = 0 } = asked;
    const codes = { firmCode, productCode };
    if (mode < 1 || mode > NO_LIMIT || quantity === 0) return outcome("bad-request", codes);
    if (quantity > 1 && (mode === SHARE || mode === EXCLUSIVE)) return outcome("bad-request", codes);
    const names = this.namesOf(name);
    let candidates = this.items.filter(
      ({ terms }) =>
        terms.firmCode === firmCode && terms.productCode === productCode && (itemRef === 0 || terms.tmrId === itemRef),
    );
    const shared = candidates.filter(({ terms }) => this.#shares(terms, name).length > 0);
    if (mode === SHARE) candidates = [...shared, ...candidates.filter((item) => !shared.includes(item))];
    const judged = candidates.map((item) => ({ item, ...this.#judge(item, asked, name, reached) }));
    const fit = judged.find(({ reason }) => reason === "ok");
    const worst =
      judged.find(({ reason }) => reason === "no-free-license") ??
      judged.find(({ reason }) => reason !== "not-found") ??
      judged[0];
    const waits =
      fit === undefined &&
      worst?.reason === "no-free-license" &&
      !worst.isRunning &&
      durationMs > 0 &&
      quantity <= worst.item.terms.quantity;
    if (fit === undefined && !waits) {
      if (worst === undefined) return outcome("not-found", codes);
      return outcome(worst.reason, { ...codes, itemRef: worst.item.terms.tmrId, ...this.#seats(worst.item.terms) });
    }
    const own = [...this.handles.values()].filter((handle) => handle.session === name);
    if (this.handles.size >= this.limits.maxHandles || own.length >= this.limits.maxHandlesPerSession) {
      return outcome("bad-request", codes);
    }
    const { terms } = (fit ?? worst ?? assert.fail()).item;
    this.#granted += 1;
    const handle: Handle = {
      number: this.#granted,
      session: name,
      names,
      terms,
      seats: mode === NO_LIMIT ? 0 : quantity,
      mode,
      state: "queued",
      sinceMs: this.calendarMs,
      deadline: this.logMs + durationMs,
      featureMap: asked.featureMap ?? 0,
      turn: ++this.#turn,
    };
    this.handles.set(handle.number, handle);
    if (fit !== undefined) this.#take(handle);
    const told = this.#handle(name, handle.number);
    this.#settle();
    return told;
  }

  /** Grants what a handle waits for, lingering seats of its user first. */
  #take(handle: Handle): void {
    const { terms, names } = handle;
    if (handle.mode === SHARE) handle.seats = this.#shares(terms, handle.session ?? "").length > 0 ? 0 : 1;
    let more = handle.seats;
    for (const one of this.#lingeringFor(terms, names)) {
      const given = Math.min(more, one.seats);
      one.seats -= given;
      more -= given;
      if (one.seats === 0) this.handles.delete(one.number);
    }
    const key = keyOf(terms);
    if (terms.usagePeriodSeconds !== undefined && !this.firstUse.has(key)) {
      this.firstUse.set(key, Math.max(1, this.calendarMs));
    }
    handle.state = "held";
    handle.deadline = 0;
    handle.sinceMs = this.calendarMs;
    handle.turn = ++this.#turn;
  }

  #lingeringFor(terms: Terms, names: NaiveNames): Handle[] {
    return this.#of(terms, "lingering").filter(({ names: other }) => {
      if (names.user !== "" || other.user !== "") return names.user === other.user;
      return stationOf(names) !== "" && stationOf(names) === stationOf(other);
    });
  }

  /** Handles that share a seat with a session's station, longest first. */
  #shares(terms: Terms, session: string): Handle[] {
    const station = stationOf(this.namesOf(session)) || session;
    return this.#of(terms, "held").filter(
      (handle) => handle.mode === SHARE && (stationOf(handle.names) || handle.session) === station,
    );
  }

  #judge(
    { terms, holders }: Shown,
    asked: Asked,
    name: string,
    reached: number,
  ): { reason: string; isRunning?: boolean } {
    if (holders.filter((upstream) => (reached >> (upstream - 1)) % 2 === 1).length < 2) return { reason: "not-found" };
    if (this.calendarMs < (terms.activationMs ?? 0)) return { reason: "not-yet-valid" };
    if (this.calendarMs > (terms.expirationMs ?? Number.POSITIVE_INFINITY)) return { reason: "expired" };
    if (this.calendarMs > this.#usageEnd(terms)) return { reason: "usage-period-over" };
    if (terms.unitCounter !== undefined && this.#unitsLeft(terms) === 0) return { reason: "units-used-up" };
    for (let bit = 0; bit < 32; bit++) {
      const has = (map: number): boolean => Math.floor(map / 2 ** bit) % 2 === 1;
      if (has(asked.featureMap ?? 0) && !has(terms.featureMap)) return { reason: "feature-missing" };
    }
    const { mode = 0, quantity = 0 } = asked;
    const names = this.namesOf(name);
    const rule = this.#ruleOf(names);
    if (rule?.effect === "deny") return { reason: "access-list" };
    const isSame = (handle: Handle): boolean =>
      handle.mode === EXCLUSIVE &&
      (handle.state === "held" || handle.state === "queued") &&
      handle.terms.productCode === terms.productCode &&
      handle.names.program === names.program &&
      (stationOf(handle.names) || handle.session) === (stationOf(names) || name);
    if (mode === EXCLUSIVE && [...this.handles.values()].some(isSame)) {
      return { reason: "no-free-license", isRunning: true };
    }
    return { reason: this.#judgeSeats(terms, name, mode === NO_LIMIT ? 0 : quantity, mode, this.#of(terms, "queued")) };
  }

  #judgeSeats(terms: Terms, name: string, asked: number, mode: number, ahead: readonly Handle[]): string {
    const seats = mode === SHARE && this.#shares(terms, name).length > 0 ? 0 : asked;
    if (seats === 0) return "ok";
    const names = this.namesOf(name);
    const rule = this.#ruleOf(names);
    const own = Math.min(seats, sum(this.#lingeringFor(terms, names)));
    // In these stories lingering seats of the same user are counted by the same rule, but for those of no user.
    const extra = seats - own;
    if (rule !== undefined && this.#isOver(terms, rule, seats - this.#ownOfRule(terms, names, seats, rule))) {
      return "access-list";
    }
    if (extra === 0) return this.#left(terms) >= 0 ? "ok" : "no-free-license";
    const kept = this.#kept(terms, rule);
    if (extra > this.#left(terms) - this.#allKept(terms) + kept) return "no-free-license";
    const counted = (of: NaiveNames): NaiveRule | undefined => {
      const found = this.#ruleOf(of);
      return (found?.reserved ?? 0) > 0 || (found?.limit ?? 0) > 0 ? found : undefined;
    };
    const isBefore = ahead.some((one) => {
      const theirs = counted(one.names);
      if (theirs === counted(names)) return true;
      return extra > kept && !(theirs !== undefined && this.#isOver(terms, theirs, one.seats));
    });
    return isBefore ? "no-free-license" : "ok";
  }

  #ownOfRule(terms: Terms, names: NaiveNames, most: number, rule: NaiveRule): number {
    let [left, same] = [most, 0];
    for (const one of this.#lingeringFor(terms, names)) {
      const given = Math.min(left, one.seats);
      left -= given;
      if (this.#ruleOf(one.names) === rule) same += given;
    }
    return same;
  }

  #isOver(terms: Terms, rule: NaiveRule, more: number): boolean {
    return (rule.limit ?? 0) > 0 && more > 0 && this.#takenBy(terms, rule) + more > (rule.limit ?? 0);
  }

  /** Grants to all who wait what they can have, again and again until nobody can have more. */
  #settle(): void {
    if (![...this.handles.values()].some(({ state }) => state === "queued")) return;
    for (let isSettled = false; !isSettled; ) {
      isSettled = true;
      for (const item of this.items) {
        const ahead: Handle[] = [];
        for (const handle of this.#of(item.terms, "queued")) {
          if (this.#canHave(handle, item, ahead)) {
            this.#take(handle);
            isSettled = false;
          } else ahead.push(handle);
        }
      }
    }
  }

  #canHave({ session, seats, mode, featureMap }: Handle, item: Shown, ahead: readonly Handle[]): boolean {
    const name = session ?? assert.fail();
    const { reason } = this.#judge(item, { ...blank, mode: NO_LIMIT, featureMap }, name, this.reached);
    return reason === "ok" && this.#judgeSeats(item.terms, name, seats, mode, ahead) === "ok";
  }

  #lose(handle: Handle, state: "cancelled" | "overdue" | "denied"): void {
    this.#leaveShare(handle);
    handle.state = state;
    handle.seats = 0;
    handle.deadline = 0;
    handle.turn = ++this.#turn;
    const lost = [...this.handles.values()].filter(isLost).sort((a, b) => a.turn - b.turn);
    for (const { number } of lost.slice(0, -this.limits.maxLostHandles)) this.handles.delete(number);
  }

  #leaveShare(handle: Handle): void {
    if (handle.mode !== SHARE || handle.state !== "held") return;
    const heir = this.#shares(handle.terms, handle.session ?? "").find((one) => one !== handle);
    if (heir === undefined || handle.seats === 0) return;
    heir.seats = 1;
    handle.seats = 0;
  }

  #giveBack(handle: Handle): void {
    this.#leaveShare(handle);
    const now = this.items.find(({ terms }) => keyOf(terms) === keyOf(handle.terms))?.terms;
    const end = Math.min(now?.expirationMs ?? NEVER, now === undefined ? NEVER : this.#usageEnd(now));
    const lingerMs = Math.min(1_000 * (now?.lingerSeconds ?? 0), end - this.calendarMs);
    if (handle.state !== "held" || handle.seats === 0 || lingerMs <= 0) {
      this.handles.delete(handle.number);
      return;
    }
    handle.session = null;
    handle.state = "lingering";
    handle.deadline = this.logMs + lingerMs;
    handle.turn = ++this.#turn;
  }

  /** Everything it asks for, or nothing. */
  #consume(name: string, asked: Asked, reached: number): Outcome {
    const before = this.#handle(name, asked.handle ?? 0);
    if (before.status !== "ok") return before;
    const { terms: held } = this.handles.get(asked.handle ?? 0) as Handle;
    const item = this.items.find(({ terms }) => keyOf(terms) === keyOf(held));
    const told = { ...before, handle: 0, mode: 0, quantity: 0 };
    if (item === undefined) return { ...told, status: "not-found" };
    const { terms, holders } = item;
    const quantity = asked.quantity ?? 0;
    if (holders.filter((upstream) => (reached >> (upstream - 1)) % 2 === 1).length < 2) {
      return { ...told, status: "not-found" };
    }
    if (this.calendarMs < (terms.activationMs ?? 0)) return { ...told, status: "not-yet-valid" };
    if (this.calendarMs > (terms.expirationMs ?? Number.POSITIVE_INFINITY)) return { ...told, status: "expired" };
    if (this.calendarMs > this.#usageEnd(terms)) return { ...told, status: "usage-period-over" };
    if (quantity === 0 || terms.unitCounter === undefined) return { ...told, status: "bad-request" };
    if (quantity > this.#unitsLeft(terms)) return { ...told, status: "units-used-up" };
    this.unitsUsed.set(keyOf(terms), (this.unitsUsed.get(keyOf(terms)) ?? 0) + quantity);
    return this.#handle(name, asked.handle ?? 0);
  }

  #unitsLeft(terms: Terms): number {
    return Math.max(0, (terms.unitCounter ?? 0) - (this.unitsUsed.get(keyOf(terms)) ?? 0));
  }

  #usageEnd(terms: Terms): number {
    const first = this.firstUse.get(keyOf(terms));
    if (first === undefined || terms.usagePeriodSeconds === undefined) return Number.POSITIVE_INFINITY;
    return first + 1000 * terms.usagePeriodSeconds;
  }

  #handle(name: string, number: number): Outcome {
    const handle = this.handles.get(number);
    if (handle?.session !== name) return outcome("handle-unknown");
    const { terms, mode } = handle;
    const told = outcome("ok", { handle: number, mode, ...codesOf(terms), ...this.#seats(terms) });
    switch (handle.state) {
      case "queued":
        return { ...told, status: "queued", free: this.#of(terms, "queued").indexOf(handle) + 1 };
      case "cancelled":
        return { ...told, status: "handle-lost" };
      case "overdue":
        return { ...told, status: "no-free-license" };
      case "denied":
        return { ...told, status: "access-list" };
      default:
        return { ...told, quantity: handle.seats };
    }
  }

  #seats(terms: Terms): { free: number; total: number; validUntilMs: number; units: number } {
    const now = this.items.find((item) => keyOf(item.terms) === keyOf(terms))?.terms;
    if (now === undefined) return { free: 0, total: 0, validUntilMs: 0, units: 0 };
    const free = Math.max(0, this.#left(now) - this.#allKept(now));
    const end = Math.min(now.expirationMs ?? Number.POSITIVE_INFINITY, this.#usageEnd(now));
    const used = this.unitsUsed.get(keyOf(now)) ?? 0;
    const units = now.unitCounter === 0xffff_ffff ? used : this.#unitsLeft(now);
    return { free, total: now.quantity, validUntilMs: Number.isFinite(end) ? end : 0, units };
  }

  #list(reached: number): unknown[] {
    return this.items
      .filter(({ holders }) => holders.filter((upstream) => (reached >> (upstream - 1)) % 2 === 1).length >= 2)
      .map(({ terms: { actId: _actId, tmrId, ...terms }, holders, odd }) => ({
        ...terms,
        ...this.#remembered({ ...terms, actId: _actId, tmrId }),
        itemRef: tmrId,
        ...this.#shown({ ...terms, actId: _actId, tmrId }),
        holders,
        ...(odd === undefined ? {} : { odd }),
      }));
  }

  #remembered(terms: Terms): object {
    const first = this.firstUse.get(keyOf(terms));
    return {
      ...(terms.unitCounter === undefined ? {} : { unitsUsed: this.unitsUsed.get(keyOf(terms)) ?? 0 }),
      ...(first === undefined || terms.usagePeriodSeconds === undefined ? {} : { firstUseMs: first }),
    };
  }

  #shown(terms: Terms): Record<string, number> {
    const kept = this.#allKept(terms);
    return {
      used: this.used(terms),
      reserved: Math.max(0, Math.min(kept, this.#left(terms))),
      lingering: this.lingering(terms),
      queued: this.queued(terms),
      free: Math.max(0, this.#left(terms) - kept),
    };
  }

  #listHandles(): unknown[] {
    return [...this.handles.values()]
      .filter((handle) => !isLost(handle))
      .map(({ number, terms, seats, mode, names, sinceMs, state }) => ({
        handle: number,
        ...codesOf(terms),
        seats,
        mode,
        ...names,
        sinceMs,
        state,
      }));
  }

  #stored(): number {
    return [...this.sessions.values()].reduce((sum, session) => sum + session.results.size, 0);
  }

  #drop(name: string): void {
    this.#freeSlots.push(this.sessions.get(name)?.slot ?? assert.fail());
    this.sessions.delete(name);
    for (const handle of this.handles.values()) {
      if (handle.session !== name) continue;
      if (isLost(handle)) this.handles.delete(handle.number);
      else this.#giveBack(handle);
    }
  }

  #end(name: string, request: number, told: Outcome): void {
    this.ended.delete(name);
    this.ended.set(name, { request, outcome: told });
    for (const oldest of [...this.ended.keys()].slice(0, -this.limits.maxEndedSessions)) this.ended.delete(oldest);
  }
}

const NEVER = Number.MAX_SAFE_INTEGER;
const blank = { kind: Kind.access, request: 1, session: new Uint8Array(16) };

function isLost({ state }: Handle): boolean {
  return state === "cancelled" || state === "overdue" || state === "denied";
}

function sum(handles: readonly Handle[]): number {
  return handles.reduce((total, { seats }) => total + seats, 0);
}

function stationOf({ host, station }: NaiveNames): string {
  return host === "" && station === "" ? "" : JSON.stringify([host, station]);
}

function codesOf({ firmCode, productCode, tmrId }: Terms): { firmCode: number; productCode: number; itemRef: number } {
  return { firmCode, productCode, itemRef: tmrId };
}

function outcome(status: string, fields: Partial<Outcome> = {}): Outcome {
  return {
    status,
    mode: 0,
    quantity: 0,
    handle: 0,
    firmCode: 0,
    productCode: 0,
    itemRef: 0,
    free: 0,
    total: 0,
    validUntilMs: 0,
    units: 0,
    timeoutMs: 0,
    nextExpiryMs: 0,
    list: null,
    ...fields,
  };
}
