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

/** What is asked, and what whoever made a signature knows of it. */
export interface NaiveAsked extends Asked {
  /** the return of a borrowing is signed by the key that borrowed it */
  readonly genuine?: boolean;
}

/** Something that is tracked, of a handle by the oracle's number; 0 where none was taken or given. */
export interface NaiveEvent {
  readonly event: string;
  readonly handle: number;
  readonly cause: string;
}

/** A rule of an access list, about all licenses or those of one product. */
export interface NaiveRule {
  readonly productCode?: number;
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

/** What a handle became that its client does not know of yet. */
type Lost = "cancelled" | "overdue" | "denied" | Hopeless;
/** Why who waits can never be served: the oracle knows no client libraries and no server of its own. */
type Hopeless = "named-user" | "feature-missing" | "module-gone" | "quantity-lowered";

const lostStatus: Readonly<Record<Lost, string>> = {
  cancelled: "handle-lost",
  overdue: "no-free-license",
  denied: "access-list",
  "named-user": "named-user",
  "feature-missing": "feature-missing",
  "module-gone": "not-found",
  "quantity-lowered": "no-free-license",
};

/** A handle with all that is known of it. */
export interface Handle {
  readonly number: number;
  /** null once it only lingers, and when it is borrowed */
  session: string | null;
  readonly names: NaiveNames;
  readonly terms: Terms;
  seats: number;
  readonly mode: number;
  state: "held" | "queued" | "lingering" | "borrowed" | Lost;
  sinceMs: number;
  deadline: number;
  readonly featureMap: number;
  /** when it got its place among those that share, wait, linger or are lost */
  turn: number;
  borrowing?: { readonly key: string; readonly untilMs: number; readonly isRevocable: boolean };
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

const keys = new WeakMap<Terms, string>();

/** What tells one license from another. Asked for so often that it is remembered. */
export function keyOf(terms: Terms): string {
  const known = keys.get(terms);
  if (known !== undefined) return known;
  const { firmCode, productCode, tmrId, actId } = terms;
  const key = JSON.stringify([firmCode, productCode, tmrId, actId]);
  keys.set(terms, key);
  return key;
}

const modules = new WeakMap<Terms, Map<number, Terms>>();
const parents = new WeakMap<Terms, Terms>();

/** Of a module the license that it is of, of a license itself. */
function parentOf(terms: Terms): Terms {
  return parents.get(terms) ?? terms;
}

/** The license itself, or its module, that is found by this Product Code. */
function byProduct(terms: Terms, productCode: number): Terms | undefined {
  if (terms.productCode === productCode) return terms;
  const module = terms.modules?.find((one) => one.productCode === productCode);
  if (module === undefined) return undefined;
  const known = modules.get(terms) ?? new Map<number, Terms>();
  modules.set(terms, known);
  const { text, featureMap } = module;
  const own = known.get(productCode) ?? { ...terms, productCode, text, featureMap };
  known.set(productCode, own);
  parents.set(own, terms);
  keys.set(own, keyOf(terms));
  return own;
}

const termsText = (terms: Terms): string => JSON.stringify(Object.entries(terms).sort(([a], [b]) => (a < b ? -1 : 1)));

export class NaiveLicense {
  readonly sessions = new Map<string, Session>();
  readonly handles = new Map<number, Handle>();
  readonly ended = new Map<string, { request: number; outcome: Outcome }>();
  readonly statements = new Map<number, Stated>();
  /** by join key; never forgotten */
  readonly unitsUsed = new Map<string, number>();
  readonly firstUse = new Map<string, number>();
  /** by join key: who it is bound to instead of the issued name `of` */
  readonly bound = new Map<string, { readonly user: string; readonly of: string; readonly atMs: number }>();
  tracking = false;
  /** what was tracked since somebody last emptied it */
  readonly events: NaiveEvent[] = [];
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
    for (const handle of [...this.handles.values()]) {
      if (handle.borrowing !== undefined && handle.borrowing.untilMs < this.calendarMs) {
        this.#endBorrowing(handle, "ended");
      }
    }
    const due = [...this.handles.values()].filter(({ deadline }) => deadline > 0 && deadline <= this.logMs);
    due.sort((a, b) => a.deadline - b.deadline || this.slotOf(a.number) - this.slotOf(b.number));
    for (const handle of due) {
      if (handle.state === "queued") this.#lose(handle, "overdue");
      else this.#endLingering(handle);
    }
    this.#settle();
  }

  #endLingering({ number }: Handle): void {
    this.handles.delete(number);
    this.#track("linger-end", number, "lingered");
  }

  #endBorrowing({ number }: Handle, cause: "returned" | "ended" | "cancelled"): void {
    this.handles.delete(number);
    this.#track("return", number, cause);
  }

  #track(event: string, handle = 0, cause = ""): void {
    if (this.tracking) this.events.push({ event, handle, cause });
  }

  /** A record that only asks. */
  readNothing(): Outcome {
    return outcome("ok");
  }

  setTracking(on: boolean): Outcome {
    const was = this.tracking;
    this.tracking = on;
    return outcome("ok", { quantity: was ? 1 : 0 });
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

  /** Seats in use, borrowed ones included. */
  used(terms: Terms): number {
    return sum(this.#of(terms, "held", "borrowed"));
  }

  /** Seats that cannot be taken by just anybody, though nobody uses them. */
  lingering(terms: Terms): number {
    return sum(this.#of(terms, "lingering"));
  }

  queued(terms: Terms): number {
    return this.#of(terms, "queued").length;
  }

  /** The rules that may decide at a license, in the order in which they are asked. */
  rulesAt(terms: Terms): NaiveRule[] {
    const { productCode } = parentOf(terms);
    const asked: NaiveRule[] = [];
    for (const level of [productCode, undefined]) {
      const set = this.rules.filter((rule) => rule.productCode === level);
      const byDefault = set.find(({ kind }) => kind === "default");
      asked.push(...set.filter((rule) => rule !== byDefault));
      if (byDefault !== undefined) return [...asked, byDefault];
    }
    return asked;
  }

  ruleOf(names: NaiveNames, terms: Terms): NaiveRule | undefined {
    return this.rulesAt(terms).find(
      ({ kind, value }) =>
        kind === "default" || (kind === "user" && value === names.user) || (kind === "host" && value === names.host),
    );
  }

  /** Seats that those take about whom a rule decides. */
  takenBy(terms: Terms, rule: NaiveRule): number {
    const taken = this.#of(terms, "held", "lingering", "borrowed");
    return sum(taken.filter(({ names }) => this.ruleOf(names, terms) === rule));
  }

  /** Seats that a rule keeps and that those for whom it does do not use. */
  #kept(terms: Terms, rule: NaiveRule | undefined): number {
    return rule === undefined ? 0 : Math.max(0, (rule.reserved ?? 0) - this.takenBy(terms, rule));
  }

  #allKept(terms: Terms): number {
    return this.rulesAt(terms).reduce((total, rule) => total + this.#kept(terms, rule), 0);
  }

  #left(terms: Terms): number {
    return terms.quantity - this.used(terms) - this.lingering(terms);
  }

  /** Licenses and modules that may be meant, in the order in which they are looked at. */
  #found({ firmCode, productCode = 0, itemRef = 0 }: Asked): Shown[] {
    return this.items
      .flatMap((item) => {
        const terms = item.terms.firmCode === firmCode ? byProduct(item.terms, productCode) : undefined;
        return terms === undefined || (itemRef !== 0 && terms.tmrId !== itemRef) ? [] : [{ ...item, terms }];
      })
      .sort((a, b) => a.terms.tmrId - b.terms.tmrId || parentOf(a.terms).productCode - parentOf(b.terms).productCode);
  }

  /** What a license or module is now. */
  #now(terms: Terms): Shown | undefined {
    const item = this.items.find((one) => keyOf(one.terms) === keyOf(terms));
    const own = item === undefined ? undefined : byProduct(item.terms, terms.productCode);
    return item === undefined || own === undefined ? undefined : { ...item, terms: own };
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
    const denied = [...this.handles.values()].filter(({ state, names, terms, seats }) => {
      const rule = this.ruleOf(names, terms);
      const limit = rule?.limit ?? 0;
      return state === "queued" && (rule?.effect === "deny" || seats > (limit === 0 ? NEVER : limit));
    });
    denied.sort((a, b) => this.slotOf(a.number) - this.slotOf(b.number));
    for (const handle of denied) this.#lose(handle, "denied");
    this.#settle();
    return outcome("ok");
  }

  cancel(number: number): Outcome {
    const handle = this.handles.get(number);
    if (handle === undefined || isLost(handle)) return outcome("handle-unknown");
    if (handle.borrowing?.isRevocable === false) return outcome("not-borrowable");
    if (handle.state === "lingering") this.#endLingering(handle);
    else if (handle.state === "borrowed") this.#endBorrowing(handle, "cancelled");
    else this.#lose(handle, "cancelled");
    this.#settle();
    const { terms, mode } = handle;
    return outcome("ok", { handle: number, mode, ...this.#license(terms) });
  }

  /** An administrator names another user. */
  setNamedUser({ firmCode, productCode, itemRef }: Asked, user: string, reached: number): Outcome {
    const meant = this.items.filter(
      ({ terms, holders }) =>
        terms.firmCode === firmCode &&
        terms.productCode === productCode &&
        terms.tmrId === itemRef &&
        isReached(holders, reached),
    );
    const [item] = meant;
    if (item === undefined) return outcome("not-found");
    if (meant.length > 1) return outcome("bad-request");
    const { terms } = item;
    const told = { ...this.#license(terms) };
    if (terms.namedUser === undefined) return outcome("bad-request", told);
    if (this.#namedUser(terms) === user) return outcome("ok", told);
    if (user === "" && terms.namedUser !== "") return outcome("bad-request", told);
    if (terms.namedUserIntervalSeconds === undefined) return outcome("named-user", told);
    const bound = this.bound.get(keyOf(terms));
    const next = bound?.of === terms.namedUser ? bound.atMs + 1_000 * terms.namedUserIntervalSeconds : 0;
    if (this.calendarMs < next) return outcome("named-user", told);
    this.#bind(terms, user);
    this.#settle();
    return outcome("ok", told);
  }

  #bind(terms: Terms, user: string): void {
    this.bound.set(keyOf(terms), { user, of: terms.namedUser ?? "", atMs: Math.max(1, this.calendarMs) });
  }

  #namedUser(terms: Terms): string | undefined {
    const bound = this.bound.get(keyOf(terms));
    return terms.namedUser !== undefined && bound?.of === terms.namedUser ? bound.user : terms.namedUser;
  }

  expire(): Outcome {
    const late = [...this.sessions].filter(([, session]) => session.deadline <= this.logMs);
    late.sort(([, a], [, b]) => a.deadline - b.deadline || a.slot - b.slot);
    for (const [name] of late) this.#drop(name, "timed-out");
    this.#settle();
    const deadlines = [...this.sessions.values(), ...this.handles.values()].map(({ deadline }) => deadline);
    for (const { borrowing } of this.handles.values()) {
      if (borrowing !== undefined) deadlines.push(this.logMs + borrowing.untilMs - this.calendarMs + 1);
    }
    return outcome("ok", { nextExpiryMs: Math.min(...deadlines.filter((deadline) => deadline > 0), NEVER) % NEVER });
  }

  /** `asked.handle` is the oracle's number of the handle. */
  execute(name: string, asked: NaiveAsked, reached: number): Outcome {
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

  #inSession(name: string, session: Session, asked: NaiveAsked, reached: number): Outcome {
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
        this.#drop(name, "closed");
        this.#settle();
        this.#end(name, asked.request, outcome("ok"));
        return outcome("ok");
      }
      default:
    }
    if (this.#stored() >= this.limits.maxStoredResults) return outcome("busy", { timeoutMs });
    const result = { ...this.#write(name, asked, reached), timeoutMs };
    this.#trackAnswer(asked, result.status);
    session.results.set(asked.request, result);
    return result;
  }

  /** Refusals, and units: what takes or gives seats is told where it does. */
  #trackAnswer({ kind, handle }: Asked, status: string): void {
    if (status === "ok") {
      if (kind === Kind.consume) this.#track("units", handle);
      return;
    }
    const isTold = [Kind.access, Kind.consume, Kind.borrow, Kind.returnBorrow].some((one) => one === kind);
    if (status !== "queued" && isTold) this.#track("refusal", 0, status);
  }

  #write(name: string, asked: NaiveAsked, reached: number): Outcome {
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
        this.#giveBack(handle, "released");
        this.#settle();
        return { ...before, status: "ok", ...this.#license(handle.terms) };
      }
      case Kind.access:
        return this.#access(name, asked, reached);
      case Kind.consume:
        return this.#consume(name, asked, reached);
      case Kind.borrow:
        return this.#borrow(name, asked, reached);
      case Kind.returnBorrow:
        return this.#return(asked);
      default:
        return outcome("bad-request");
    }
  }

  #access(name: string, asked: Asked, reached: number): Outcome {
    const { firmCode = 0, productCode = 0, mode = 0, quantity = 0, durationMs = 0 } = asked;
    const codes = { firmCode, productCode };
    if (mode < 1 || mode > NO_LIMIT || quantity === 0) return outcome("bad-request", codes);
    if (quantity > 1 && (mode === SHARE || mode === EXCLUSIVE)) return outcome("bad-request", codes);
    const names = this.namesOf(name);
    let candidates = this.#found(asked);
    const shared = candidates.filter(({ terms }) => this.#shares(terms, name).length > 0);
    if (mode === SHARE) candidates = [...shared, ...candidates.filter((item) => !shared.includes(item))];
    const judged = candidates.map((item) => ({ item, ...this.#judge(item, asked, name, reached) }));
    const fit = judged.find(({ reason }) => reason === "ok");
    const worst = worstOf(judged);
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
    if (waits && this.queued(terms) >= this.limits.maxWaiting) {
      return outcome("no-free-license", { ...codes, itemRef: terms.tmrId, ...this.#seats(terms) });
    }
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
    else this.#track("queue", handle.number);
    const told = this.#handle(name, handle.number);
    this.#settle();
    return told;
  }

  /** Judged like an access with user limit; the list of the outcome is the document, terms and handle as the oracle has them. */
  #borrow(name: string, asked: Asked, reached: number): Outcome {
    const { firmCode = 0, productCode = 0, mode = 0, quantity = 0, durationMs = 0, featureMap = 0 } = asked;
    const codes = { firmCode, productCode };
    const key = Buffer.from(asked.blob ?? []).toString("base64url");
    if (mode !== 1 || quantity === 0 || asked.blob?.length !== 32) return outcome("bad-request", codes);
    const known = [...this.handles.values()].find(({ borrowing }) => borrowing?.key === key);
    if (known !== undefined) {
      const { terms, seats } = known;
      const isSame = terms.firmCode === firmCode && terms.productCode === productCode && seats === quantity;
      return isSame ? this.#borrowed(known) : outcome("bad-request", codes);
    }
    const judged = this.#found(asked).map((item) => {
      const mayBe = durationMs <= 1_000 * (item.terms.borrowSeconds ?? -1);
      return { item, reason: this.#judge(item, asked, name, reached, mayBe ? "ok" : "not-borrowable").reason };
    });
    const fit = judged.find(({ reason }) => reason === "ok")?.item;
    if (fit === undefined) {
      const worst = worstOf(judged);
      if (worst === undefined) return outcome("not-found", codes);
      return outcome(worst.reason, { ...codes, itemRef: worst.item.terms.tmrId, ...this.#seats(worst.item.terms) });
    }
    const lent = [...this.handles.values()].filter(({ state }) => state === "borrowed").length;
    if (lent >= this.limits.maxBorrowings || this.handles.size >= this.limits.maxHandles) {
      return outcome("bad-request", codes);
    }
    const { terms } = fit;
    const handle: Handle = {
      number: ++this.#granted,
      session: name,
      names: this.namesOf(name),
      terms,
      seats: quantity,
      mode,
      state: "queued",
      sinceMs: 0,
      deadline: 0,
      featureMap,
      turn: 0,
    };
    this.#take(handle, true);
    const untilMs = Math.min(
      this.calendarMs + (durationMs || 1_000 * (terms.borrowSeconds ?? 0)),
      this.#validUntil(terms),
    );
    handle.borrowing = { key, untilMs, isRevocable: terms.borrowRevocable === true };
    handle.session = null;
    handle.state = "borrowed";
    this.handles.set(handle.number, handle);
    this.#track("borrow", handle.number);
    const told = this.#borrowed(handle);
    this.#settle();
    return told;
  }

  #borrowed({
    number,
    names: { user, host, station },
    terms,
    seats,
    mode,
    sinceMs,
    featureMap,
    borrowing,
  }: Handle): Outcome {
    const { key, untilMs, isRevocable } = borrowing ?? assert.fail();
    const document = {
      format: "tmr-borrow/1",
      actId: terms.actId,
      ...codesOf(terms),
      tmrId: terms.tmrId,
      terms: parentOf(terms),
      featureMap,
      quantity: seats,
      handle: number,
      user,
      host,
      station,
      key,
      fromMs: sinceMs,
      untilMs,
      revocable: isRevocable,
    };
    const told = { handle: number, mode, quantity: seats, ...this.#license(terms) };
    return outcome("ok", { ...told, validUntilMs: untilMs, list: document });
  }

  #return({ handle: number = 0, genuine = false }: NaiveAsked): Outcome {
    const handle = this.handles.get(number);
    if (handle?.borrowing === undefined) return outcome("handle-unknown");
    if (!genuine) return outcome("bad-request");
    this.#endBorrowing(handle, "returned");
    this.#settle();
    const { terms, mode, seats } = handle;
    return outcome("ok", { handle: number, mode, quantity: seats, ...this.#license(terms) });
  }

  /** Grants what a handle waits for, lingering seats of its user first. */
  #take(handle: Handle, isLent = false): void {
    const { names } = handle;
    // The license may have become another one while the handle waited.
    const { terms } = this.#now(handle.terms) ?? assert.fail();
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
    if (this.#namedUser(terms) === "") this.#bind(terms, names.user);
    handle.state = "held";
    handle.deadline = 0;
    handle.sinceMs = this.calendarMs;
    handle.turn = ++this.#turn;
    if (!isLent) this.#track("access", handle.number);
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
    ofTerms = "ok",
  ): { reason: string; isRunning?: boolean } {
    const names = this.namesOf(name);
    if (!isReached(holders, reached)) return { reason: "not-found" };
    if (this.calendarMs < (terms.activationMs ?? 0)) return { reason: "not-yet-valid" };
    if (this.calendarMs > (terms.expirationMs ?? Number.POSITIVE_INFINITY)) return { reason: "expired" };
    if (this.calendarMs > this.#usageEnd(terms)) return { reason: "usage-period-over" };
    const user = this.#namedUser(terms);
    if (user !== undefined && (names.user === "" || (user !== "" && user !== names.user)))
      return { reason: "named-user" };
    if (terms.unitCounter !== undefined && this.#unitsLeft(terms) === 0) return { reason: "units-used-up" };
    for (let bit = 0; bit < 32; bit++) {
      const has = (map: number): boolean => Math.floor(map / 2 ** bit) % 2 === 1;
      if (has(asked.featureMap ?? 0) && !has(terms.featureMap)) return { reason: "feature-missing" };
    }
    if (ofTerms !== "ok") return { reason: ofTerms };
    const { mode = 0, quantity = 0 } = asked;
    const rule = this.ruleOf(names, terms);
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
    const rule = this.ruleOf(names, terms);
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
      const found = this.ruleOf(of, terms);
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
      if (this.ruleOf(one.names, terms) === rule) same += given;
    }
    return same;
  }

  #isOver(terms: Terms, rule: NaiveRule, more: number): boolean {
    return (rule.limit ?? 0) > 0 && more > 0 && this.takenBy(terms, rule) + more > (rule.limit ?? 0);
  }

  /** Grants to all who wait what they can have, again and again until nobody can have more. */
  #settle(): void {
    if (![...this.handles.values()].some(({ state }) => state === "queued")) return;
    for (let isSettled = false; !isSettled; ) {
      isSettled = true;
      for (const item of this.items) {
        for (const handle of this.#of(item.terms, "queued")) {
          const why = this.#whyHopeless(handle, item);
          if (why === null) continue;
          this.#lose(handle, why);
          isSettled = false;
        }
        const ahead: Handle[] = [];
        for (const handle of this.#of(item.terms, "queued")) {
          const own = this.#now(handle.terms);
          if (own !== undefined && this.#canHave(handle, own, ahead)) {
            this.#take(handle);
            isSettled = false;
          } else ahead.push(handle);
        }
      }
    }
  }

  /** Of a license that can be used now: why somebody who waits can never be served as it is. */
  #whyHopeless({ session, terms, seats, featureMap }: Handle, item: Shown): Hopeless | null {
    const judge = (shown: Shown, bits: number): string =>
      this.#judge(shown, { ...blank, mode: NO_LIMIT, featureMap: bits }, session ?? assert.fail(), this.reached).reason;
    const itself = judge(item, 0);
    if (["not-found", "not-yet-valid", "expired", "usage-period-over"].includes(itself)) return null;
    const own = this.#now(terms);
    if (own === undefined) return "module-gone";
    const reason = judge(own, featureMap);
    if (reason === "named-user" || reason === "feature-missing") return reason;
    return seats > own.terms.quantity ? "quantity-lowered" : null;
  }

  #canHave({ session, seats, mode, featureMap }: Handle, item: Shown, ahead: readonly Handle[]): boolean {
    const name = session ?? assert.fail();
    const { reason } = this.#judge(item, { ...blank, mode: NO_LIMIT, featureMap }, name, this.reached);
    return reason === "ok" && this.#judgeSeats(item.terms, name, seats, mode, ahead) === "ok";
  }

  #lose(handle: Handle, state: Lost): void {
    const cause = state === "overdue" ? "waited-too-long" : state;
    this.#track(handle.state === "queued" ? "queue-end" : "release", handle.number, cause);
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

  #giveBack(handle: Handle, cause: "released" | "closed" | "timed-out"): void {
    this.#track(handle.state === "queued" ? "queue-end" : "release", handle.number, cause);
    this.#leaveShare(handle);
    const now = this.items.find(({ terms }) => keyOf(terms) === keyOf(handle.terms))?.terms;
    const end = now === undefined ? NEVER : this.#validUntil(now);
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
    const item = this.#now(held);
    const told = { ...before, handle: 0, mode: 0, quantity: 0 };
    if (item === undefined) return { ...told, status: "not-found" };
    const { terms, holders } = item;
    const quantity = asked.quantity ?? 0;
    if (!isReached(holders, reached)) return { ...told, status: "not-found" };
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

  /** Last ms of the license, whatever ends it. */
  #validUntil(terms: Terms): number {
    return Math.min(terms.expirationMs ?? Number.POSITIVE_INFINITY, this.#usageEnd(terms));
  }

  #handle(name: string, number: number): Outcome {
    const handle = this.handles.get(number);
    if (handle?.session !== name) return outcome("handle-unknown");
    const { terms, mode } = handle;
    const told = outcome("ok", { handle: number, mode, ...this.#license(terms) });
    switch (handle.state) {
      case "queued":
        return { ...told, status: "queued", free: this.#of(terms, "queued").indexOf(handle) + 1 };
      case "held":
      case "lingering":
      case "borrowed":
        return { ...told, quantity: handle.seats };
      default:
        return { ...told, status: lostStatus[handle.state] };
    }
  }

  /** Which license is meant and how it stands; of a module that is gone the license that it was of. */
  #license(terms: Terms): Partial<Outcome> {
    return { ...codesOf(this.#now(terms) === undefined ? parentOf(terms) : terms), ...this.#seats(terms) };
  }

  #seats(terms: Terms): { free: number; total: number; validUntilMs: number; units: number } {
    const now = this.#now(terms)?.terms;
    if (now === undefined) return { free: 0, total: 0, validUntilMs: 0, units: 0 };
    const free = Math.max(0, this.#left(now) - this.#allKept(now));
    const end = this.#validUntil(now);
    const used = this.unitsUsed.get(keyOf(now)) ?? 0;
    const units = now.unitCounter === 0xffff_ffff ? used : this.#unitsLeft(now);
    return { free, total: now.quantity, validUntilMs: Number.isFinite(end) ? end : 0, units };
  }

  #list(reached: number): unknown[] {
    return this.items
      .filter(({ holders }) => isReached(holders, reached))
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
    const user = this.#namedUser(terms);
    return {
      ...(user === undefined ? {} : { namedUser: user }),
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
      .map(({ number, terms, seats, mode, names: { host, user, station, program }, sinceMs, state, borrowing }) => ({
        handle: number,
        ...codesOf(terms),
        seats,
        mode,
        host,
        user,
        station,
        program,
        sinceMs,
        state,
        ...(borrowing === undefined ? {} : { untilMs: borrowing.untilMs }),
      }));
  }

  #stored(): number {
    return [...this.sessions.values()].reduce((sum, session) => sum + session.results.size, 0);
  }

  #drop(name: string, cause: "closed" | "timed-out"): void {
    this.#freeSlots.push(this.sessions.get(name)?.slot ?? assert.fail());
    this.sessions.delete(name);
    for (const handle of this.handles.values()) {
      if (handle.session !== name) continue;
      if (isLost(handle)) this.handles.delete(handle.number);
      else this.#giveBack(handle, cause);
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
  return state in lostStatus;
}

/** The reason that is told, of several. */
function worstOf<T extends { readonly reason: string }>(judged: readonly T[]): T | undefined {
  return (
    judged.find(({ reason }) => reason === "no-free-license") ??
    judged.find(({ reason }) => reason !== "not-found") ??
    judged[0]
  );
}

function isReached(holders: readonly number[], reached: number): boolean {
  return holders.filter((upstream) => (reached >> (upstream - 1)) % 2 === 1).length >= 2;
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
