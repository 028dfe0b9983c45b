/**
 * Random stories for the license state machine: abstract steps that fast-check makes and shrinks, told to a machine and
 * to the naive oracle at once. The player behaves like clients that are sometimes confused: it repeats, skips numbers,
 * releases what others hold and acknowledges what it likes.
 */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import type { LicenseLimits } from "../../ts/license/limits.js";
import { LicenseMachine } from "../../ts/license/machine.js";
import type { Terms } from "../../ts/license/terms.js";
import { Kind } from "../../ts/wire/kinds.js";
import {
  type Asked,
  EXPIRE,
  encodeBatch,
  readAnswers,
  sessionOf,
  signedStatement,
  stating,
  type Told,
  terms,
} from "./license-kit.js";
import { licensePorts, testGenesis } from "./license-ports.js";
import { NaiveLicense, type Outcome, type Stated } from "./naive-license.js";

/** Small, so that stories reach every limit. */
export const STORY_LIMITS: LicenseLimits = {
  maxSessions: 3,
  maxHandles: 10,
  maxHandlesPerSession: 6,
  maxStoredResults: 30,
  maxEndedSessions: 2,
  maxLostHandles: 2,
  maxBorrowings: 2,
  maxRemembered: 3,
};

export interface Step {
  readonly what:
    | "open"
    | "close"
    | "heartbeat"
    | "access"
    | "release"
    | "info"
    | "items"
    | "consume"
    | "state"
    | "expire"
    | "again";
  /** which session, upstream or earlier request */
  readonly who: number;
  readonly a: number;
  readonly b: number;
  /** how many numbers are skipped, and how many of the last ones are not acknowledged */
  readonly skip: number;
  readonly keep: number;
}

export interface Chapter {
  readonly logMs: number;
  readonly calendarMs: number;
  readonly reached: number;
  readonly steps: readonly Step[];
}

const small = fc.nat({ max: 9 });
const step: fc.Arbitrary<Step> = fc.record({
  what: fc.oneof(
    { weight: 3, arbitrary: fc.constant("open" as const) },
    { weight: 1, arbitrary: fc.constant("close" as const) },
    { weight: 1, arbitrary: fc.constant("heartbeat" as const) },
    { weight: 8, arbitrary: fc.constant("access" as const) },
    { weight: 4, arbitrary: fc.constant("release" as const) },
    { weight: 1, arbitrary: fc.constant("info" as const) },
    { weight: 1, arbitrary: fc.constant("items" as const) },
    { weight: 3, arbitrary: fc.constant("consume" as const) },
    { weight: 2, arbitrary: fc.constant("state" as const) },
    { weight: 1, arbitrary: fc.constant("expire" as const) },
    { weight: 3, arbitrary: fc.constant("again" as const) },
  ),
  who: small,
  a: small,
  b: small,
  skip: fc.oneof({ weight: 12, arbitrary: fc.constant(0) }, fc.constantFrom(1, 2, 300)),
  keep: fc.oneof({ weight: 3, arbitrary: fc.nat({ max: 3 }) }, fc.constantFrom(-1, 100)),
});

export const story: fc.Arbitrary<Chapter[]> = fc.array(
  fc.record({
    logMs: fc.oneof({ weight: 6, arbitrary: fc.nat({ max: 300 }) }, fc.integer({ min: -500, max: 4_000 })),
    calendarMs: fc.integer({ min: -50, max: 400 }),
    reached: fc.oneof({ weight: 5, arbitrary: fc.constant(7) }, fc.nat({ max: 7 })),
    steps: fc.array(step, { minLength: 1, maxLength: 8 }),
  }),
  { maxLength: 40, size: "max" },
);

const sessionNames = ["red", "green", "blue", "grey"];

/** Four items over two products, one with units, one with a usage period; `variant` makes unequal copies, `present` which of them are there. */
function itemsOf(variant: number, present: number): Terms[] {
  const all = [
    terms({ productCode: 1, tmrId: 1, quantity: 3, unitCounter: variant === 3 ? 0xffff_ffff : 12 + variant }),
    terms({ productCode: 1, tmrId: 2, quantity: variant % 3 === 1 ? 1 : 5, featureMap: 6 }),
    terms({
      productCode: 2,
      tmrId: 3,
      quantity: 4,
      activationMs: 500,
      ...(variant === 2 ? {} : { expirationMs: 9_000 }),
    }),
    terms({ productCode: 2, tmrId: 4, quantity: variant === 5 ? 2 : 1, text: "Ü", usagePeriodSeconds: 2 }),
  ];
  return all.filter((_, i) => present > 7 || i !== present % 5);
}

interface Sent {
  readonly name: string;
  readonly asked: Asked;
}

export class Storyteller {
  readonly machine: LicenseMachine;
  readonly naive: NaiveLicense;
  /** every batch so far, for other machines */
  readonly batches: Buffer[] = [];
  /** what each session sent, with what it was told last */
  readonly sent: (Sent & { told: Told })[] = [];
  logMs = 0;
  calendarMs = 0;
  readonly #numbers = new Map<string, number>();
  /** the machine's handle number to the oracle's, and back */
  readonly #naiveHandle = new Map<number, number>();
  readonly #handles: number[] = [];

  constructor(readonly limits: LicenseLimits = STORY_LIMITS) {
    this.machine = LicenseMachine.create(testGenesis, licensePorts, limits);
    this.naive = new NaiveLicense(limits);
  }

  /** Plays a chapter on both and compares them. */
  play(chapter: Chapter): Told[] {
    this.logMs += chapter.logMs;
    this.calendarMs = Math.max(0, this.calendarMs + chapter.calendarMs);
    const plans = chapter.steps.map((one) => this.#plan(one));
    const asked = plans.map((plan) => plan.asked);
    const told = this.tell(asked, chapter.reached);
    this.naive.begin(this.logMs, this.calendarMs);
    plans.forEach((plan, i) => {
      const result = told[i];
      assert.ok(result !== undefined);
      this.#compare(result, this.#ask(plan, chapter.reached));
      if (plan.name !== null) this.sent.push({ name: plan.name, asked: plan.asked, told: result });
    });
    return told;
  }

  /** Applies one batch of these requests to the machine alone. */
  tell(asked: readonly Asked[], reached = 7): Told[] {
    const { logMs, calendarMs } = this;
    const batch = encodeBatch(this.machine.position + 1, { reached, logMs: Math.max(0, logMs), calendarMs, asked });
    this.batches.push(batch);
    return readAnswers(this.machine.apply(batch));
  }

  #plan(one: Step): { readonly name: string | null; readonly asked: Asked; readonly stated: Stated | null } {
    if (one.what === "expire") return { name: null, asked: EXPIRE, stated: null };
    if (one.what === "state") return this.#statement(one);
    if (one.what === "again" && this.sent.length > 0) {
      const { name, asked } = this.sent[this.sent.length - 1 - (one.who % Math.min(10, this.sent.length))] as Sent;
      return { name, asked, stated: null };
    }
    const name = sessionNames[one.who % sessionNames.length] as string;
    const request = (this.#numbers.get(name) ?? 0) + 1 + one.skip;
    if (one.skip < 300) this.#numbers.set(name, request);
    const base = { request, answeredBelow: Math.max(0, request - one.keep), session: sessionOf(name) };
    return { name, asked: { ...base, ...this.#fields(one, name) }, stated: null };
  }

  /** Mostly one of the session's own handles, else a recent one of anybody. */
  #someHandle(one: Step, name: string): number {
    const own = this.#handles.filter(
      (handle) => this.naive.handles.get(this.#naiveHandle.get(handle) ?? 0)?.session === name,
    );
    const recent = this.#handles[this.#handles.length - 1 - one.a] ?? one.b;
    return one.b > 7 ? recent : (own[one.a % Math.max(1, own.length)] ?? recent);
  }

  #fields(one: Step, name: string): Omit<Asked, "request" | "session"> {
    const handle = this.#someHandle(one, name);
    switch (one.what) {
      case "open":
        return { kind: Kind.openSession, durationMs: 1_000 + 500 * one.a };
      case "close":
        return { kind: Kind.closeSession };
      case "release":
        return { kind: Kind.release, handle };
      case "info":
        return { kind: Kind.info, handle };
      case "items":
        return { kind: Kind.items };
      case "consume":
        return { kind: Kind.consume, handle, quantity: one.b };
      case "access":
        return {
          kind: Kind.access,
          mode: one.b === 9 ? 5 : one.b === 8 ? 4 : 1,
          quantity: one.b > 5 ? one.b % 3 : 1,
          firmCode: 6000010,
          productCode: 1 + (one.a % 2),
          featureMap: one.a === 4 ? 2 : one.a === 5 ? 9 : 0,
          itemRef: one.a === 7 ? 2 : 0,
        };
      default:
        return { kind: Kind.heartbeat };
    }
  }

  #statement(one: Step): { readonly name: null; readonly asked: Asked; readonly stated: Stated } {
    const upstream = ((one.who % 3) + 1) as 1 | 2 | 3;
    const version = this.machine.statementVersion(upstream) + (one.skip === 0 ? 1 : 0);
    const items = itemsOf(one.a > 5 ? 0 : one.a, one.b);
    const genuine = one.keep !== 100;
    const blob = signedStatement({ items, upstream, version });
    if (!genuine) blob[blob.length - 3] = 0;
    return { name: null, asked: stating(upstream, blob), stated: { upstream, version, items, genuine } };
  }

  #ask(plan: { name: string | null; asked: Asked; stated: Stated | null }, reached: number): Outcome {
    if (plan.stated !== null) return this.naive.state(plan.stated);
    if (plan.name === null) return this.naive.expire();
    const handle = this.#naiveHandle.get(plan.asked.handle ?? 0) ?? 0;
    return this.naive.execute(plan.name, { ...plan.asked, handle }, reached);
  }

  #compare(told: Told, expected: Outcome): void {
    if (told.handle !== 0 && !this.#naiveHandle.has(told.handle)) {
      this.#naiveHandle.set(told.handle, expected.handle);
      this.#handles.push(told.handle);
    }
    const isList = told.kind === Kind.items && told.outcome === "ok";
    const { outcome: status, mode, quantity, firmCode, productCode, itemRef, free, total } = told;
    const { validUntilMs, units, timeoutMs, nextExpiryMs } = told;
    assert.deepEqual(
      {
        status,
        mode,
        quantity,
        handle: this.#naiveHandle.get(told.handle) ?? 0,
        firmCode,
        productCode,
        itemRef,
        free,
        total,
        validUntilMs,
        units,
        timeoutMs,
        nextExpiryMs,
        list: isList ? (JSON.parse(told.text) as unknown) : null,
      },
      expected,
    );
    assert.equal(told.heartbeatMs, Math.floor(timeoutMs / 4));
    assert.equal(told.text.length > 0, isList || status !== "ok");
    assert.ok(Buffer.byteLength(told.text) <= (isList ? 32_768 : 200));
  }
}
