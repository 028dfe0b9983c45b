/**
 * The license rules a second time, as simply as possible: Maps of objects, every question answered by searching
 * everything. The oracle of the state machine. It numbers handles 1, 2, 3 and so on.
 */
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

interface Session {
  readonly timeoutMs: number;
  deadline: number;
  below: number;
  readonly results: Map<number, Outcome>;
}

interface Handle {
  readonly session: string;
  readonly terms: Terms;
  readonly seats: number;
  readonly mode: number;
}

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
  #granted = 0;

  constructor(readonly limits: LicenseLimits) {}

  begin(logMs: number, calendarMs: number): void {
    this.logMs = Math.max(this.logMs, logMs);
    this.calendarMs = Math.max(this.calendarMs, calendarMs);
  }

  used(terms: Terms): number {
    return [...this.handles.values()].reduce(
      (sum, handle) => sum + (keyOf(handle.terms) === keyOf(terms) ? handle.seats : 0),
      0,
    );
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
    return outcome("ok");
  }

  expire(): Outcome {
    for (const [name, session] of this.sessions) if (session.deadline <= this.logMs) this.#drop(name);
    const deadlines = [...this.sessions.values()].map((session) => session.deadline);
    return outcome("ok", { nextExpiryMs: deadlines.length === 0 ? 0 : Math.min(...deadlines) });
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
    this.sessions.set(name, { timeoutMs, deadline: this.logMs + timeoutMs, below, results });
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
      case Kind.closeSession: {
        this.#drop(name);
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
        const before = this.#handle(name, asked.handle ?? 0);
        if (before.status !== "ok") return before;
        const handle = this.handles.get(asked.handle ?? 0);
        this.handles.delete(asked.handle ?? 0);
        return handle === undefined ? before : { ...before, ...this.#seats(handle.terms) };
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
    const { firmCode = 0, productCode = 0, mode = 0, quantity = 0, itemRef = 0 } = asked;
    const codes = { firmCode, productCode };
    if ((mode !== 1 && mode !== 4) || quantity === 0) return outcome("bad-request", codes);
    const candidates = this.items.filter(
      ({ terms }) =>
        terms.firmCode === firmCode && terms.productCode === productCode && (itemRef === 0 || terms.tmrId === itemRef),
    );
    const judged = candidates.map((item) => ({ item, reason: this.#judge(item, asked, reached) }));
    const fit = judged.find(({ reason }) => reason === "ok");
    if (fit === undefined) {
      const worst =
        judged.find(({ reason }) => reason === "no-free-license") ??
        judged.find(({ reason }) => reason !== "not-found") ??
        judged[0];
      if (worst === undefined) return outcome("not-found", codes);
      return outcome(worst.reason, { ...codes, itemRef: worst.item.terms.tmrId, ...this.#seats(worst.item.terms) });
    }
    const own = [...this.handles.values()].filter((handle) => handle.session === name);
    if (this.handles.size >= this.limits.maxHandles || own.length >= this.limits.maxHandlesPerSession) {
      return outcome("bad-request", codes);
    }
    this.#granted += 1;
    const { terms } = fit.item;
    const key = keyOf(terms);
    if (terms.usagePeriodSeconds !== undefined && !this.firstUse.has(key)) {
      this.firstUse.set(key, Math.max(1, this.calendarMs));
    }
    this.handles.set(this.#granted, { session: name, terms, seats: mode === 4 ? 0 : quantity, mode });
    return this.#handle(name, this.#granted);
  }

  #judge({ terms, holders }: Shown, asked: Asked, reached: number): string {
    if (holders.filter((upstream) => (reached >> (upstream - 1)) % 2 === 1).length < 2) return "not-found";
    if (this.calendarMs < (terms.activationMs ?? 0)) return "not-yet-valid";
    if (this.calendarMs > (terms.expirationMs ?? Number.POSITIVE_INFINITY)) return "expired";
    if (this.calendarMs > this.#usageEnd(terms)) return "usage-period-over";
    if (terms.unitCounter !== undefined && this.#unitsLeft(terms) === 0) return "units-used-up";
    for (let bit = 0; bit < 32; bit++) {
      const has = (map: number): boolean => Math.floor(map / 2 ** bit) % 2 === 1;
      if (has(asked.featureMap ?? 0) && !has(terms.featureMap)) return "feature-missing";
    }
    const wanted = asked.mode === 4 ? 0 : (asked.quantity ?? 0);
    return wanted > 0 && this.used(terms) + wanted > terms.quantity ? "no-free-license" : "ok";
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
    const { firmCode, productCode, tmrId } = handle.terms;
    return outcome("ok", {
      handle: number,
      mode: handle.mode,
      quantity: handle.seats,
      firmCode,
      productCode,
      itemRef: tmrId,
      ...this.#seats(handle.terms),
    });
  }

  #seats(terms: Terms): { free: number; total: number; validUntilMs: number; units: number } {
    const now = this.items.find((item) => keyOf(item.terms) === keyOf(terms))?.terms;
    if (now === undefined) return { free: 0, total: 0, validUntilMs: 0, units: 0 };
    const free = Math.max(0, now.quantity - this.used(now));
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
        used: this.used({ ...terms, actId: _actId, tmrId }),
        reserved: 0,
        lingering: 0,
        queued: 0,
        free: Math.max(0, terms.quantity - this.used({ ...terms, actId: _actId, tmrId })),
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

  #stored(): number {
    return [...this.sessions.values()].reduce((sum, session) => sum + session.results.size, 0);
  }

  #drop(name: string): void {
    this.sessions.delete(name);
    for (const [number, handle] of this.handles) if (handle.session === name) this.handles.delete(number);
  }

  #end(name: string, request: number, told: Outcome): void {
    this.ended.delete(name);
    this.ended.set(name, { request, outcome: told });
    for (const oldest of [...this.ended.keys()].slice(0, -this.limits.maxEndedSessions)) this.ended.delete(oldest);
  }
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
