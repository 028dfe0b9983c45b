/**
 * Random stories for the license state machine: abstract steps that fast-check makes and shrinks, told to a machine and
 * to the naive oracle at once. The player behaves like clients that are sometimes confused: it repeats, skips numbers,
 * releases what others hold and acknowledges what it likes.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { ed25519PublicKey } from "../../ts/config/key-files.js";
import { genesisDigest } from "../../ts/license/genesis.js";
import type { LicenseLimits } from "../../ts/license/limits.js";
import { LicenseMachine } from "../../ts/license/machine.js";
import { type Terms, termsBytes } from "../../ts/license/terms.js";
import { Kind } from "../../ts/wire/kinds.js";
import { documentIn, returnOf, seedOf } from "./borrow-kit.js";
import {
  type Asked,
  EXPIRE,
  encodeBatch,
  identityText,
  readAnswers,
  sessionOf,
  signedStatement,
  stating,
  type Told,
  terms,
} from "./license-kit.js";
import { licensePorts, testGenesis } from "./license-ports.js";
import { NaiveLicense, type NaiveNames, type NaiveRule, type Outcome, type Stated } from "./naive-license.js";

/** Small, so that stories reach every limit. */
export const STORY_LIMITS: LicenseLimits = {
  maxSessions: 3,
  maxHandles: 10,
  maxHandlesPerSession: 6,
  maxStoredResults: 30,
  maxEndedSessions: 2,
  maxLostHandles: 2,
  maxBorrowings: 2,
  maxWaiting: 3,
  maxRemembered: 3,
  maxEventBytes: 3_000,
};

export interface Step {
  readonly what:
    | "open"
    | "close"
    | "heartbeat"
    | "access"
    | "wait"
    | "release"
    | "info"
    | "items"
    | "consume"
    | "borrow"
    | "return"
    | "handles"
    | "cancel"
    | "rules"
    | "name"
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

/** The variant with few seats. */
export const SCARCE = 6;

const small = fc.nat({ max: 9 });
const about = { who: small, a: small, b: small, skip: fc.constant(0), keep: fc.constant(0) };
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
    { weight: 3, arbitrary: fc.constant("borrow" as const) },
    { weight: 1, arbitrary: fc.constant("return" as const) },
    { weight: 1, arbitrary: fc.constant("handles" as const) },
    { weight: 1, arbitrary: fc.constant("cancel" as const) },
    { weight: 1, arbitrary: fc.constant("rules" as const) },
    { weight: 1, arbitrary: fc.constant("name" as const) },
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

/** Few seats and many who want them, in sessions that are open: who waits, lingers, shares and is held back. */
export const crowdedStory: fc.Arbitrary<Chapter[]> = fc.array(
  fc.record({
    logMs: fc.nat({ max: 250 }),
    calendarMs: fc.nat({ max: 40 }),
    reached: fc.oneof({ weight: 9, arbitrary: fc.constant(7) }, fc.constantFrom(1, 3, 6)),
    steps: fc.array(
      fc.record({
        what: fc.oneof(
          { weight: 1, arbitrary: fc.constantFrom("open", "close", "heartbeat", "state", "expire", "again", "items") },
          { weight: 1, arbitrary: fc.constantFrom("cancel", "rules", "handles", "name") },
          { weight: 1, arbitrary: fc.constantFrom("borrow", "return") },
          { weight: 2, arbitrary: fc.constant("info" as const) },
          { weight: 3, arbitrary: fc.constant("release" as const) },
          { weight: 7, arbitrary: fc.constant("access" as const) },
        ),
        ...about,
      }),
      { minLength: 1, maxLength: 8 },
    ),
  }),
  { maxLength: 40, size: "max" },
);

const keyNames = ["key 0", "key 1", "key 2"];
const publicKeys = new Map<string, string>();

/** base64url */
function publicKeyOf(name: string): string {
  let key = publicKeys.get(name);
  if (key === undefined) {
    key = ed25519PublicKey(seedOf(name)).toString("base64url");
    publicKeys.set(name, key);
  }
  return key;
}

/** Those who wait, and licenses that become others in one batch at all upstreams: who can still be served. */
export const changingStory: fc.Arbitrary<Chapter[]> = fc.array(
  fc.record({
    logMs: fc.nat({ max: 400 }),
    calendarMs: fc.nat({ max: 300 }),
    reached: fc.oneof({ weight: 9, arbitrary: fc.constant(7) }, fc.constantFrom(1, 3, 6)),
    steps: fc
      .array(
        fc.oneof(
          { weight: 8, arbitrary: fc.record({ what: fc.constant("wait" as const), ...about }).map((one) => [one]) },
          {
            weight: 4,
            arbitrary: fc
              .record({ what: fc.constantFrom("release", "info", "name", "open", "cancel", "rules"), ...about })
              .map((one) => [one]),
          },
          {
            weight: 2,
            arbitrary: fc
              .record({ ...about, what: fc.constant("state" as const), a: fc.nat({ max: SCARCE }), b: fc.constant(9) })
              .map((one) => [0, 1, 2].map((who): Step => ({ ...one, who }))),
          },
        ),
        { minLength: 1, maxLength: 6 },
      )
      .map((steps) => steps.flat()),
  }),
  { maxLength: 30, size: "max" },
);

const sessionNames = ["red", "green", "blue", "grey"];

/** Two of one user, one without a user on the first one's station, one who says nothing. */
const namesOf: Readonly<Record<string, NaiveNames>> = {
  red: { host: "h1", user: "u1", station: "", program: "p" },
  green: { host: "h2", user: "u1", station: "s", program: "p" },
  blue: { host: "h1", user: "", station: "", program: "p" },
  grey: { host: "", user: "", station: "", program: "" },
};

const accessLists: readonly (readonly NaiveRule[])[] = [
  [],
  [{ kind: "user", value: "u1", effect: "allow", reserved: 2 }],
  [
    { kind: "host", value: "h1", effect: "allow", reserved: 1, limit: 2 },
    { kind: "user", value: "u1", effect: "allow", reserved: 1 },
  ],
  [
    { kind: "user", value: "u1", effect: "allow", limit: 2 },
    { kind: "default", value: "", effect: "allow", limit: 3 },
  ],
  [
    { kind: "host", value: "h2", effect: "deny" },
    { kind: "default", value: "", effect: "allow", reserved: 1 },
  ],
  [
    { kind: "user", value: "u1", effect: "allow" },
    { kind: "default", value: "", effect: "deny" },
  ],
];

const ofItem4 = (variant: number): Partial<Terms> => ({
  usagePeriodSeconds: 2,
  borrowSeconds: 2,
  borrowRevocable: true,
  ...([1, 4, 5].includes(variant) ? { namedUser: "", namedUserIntervalSeconds: 1 } : {}),
});

/** Four items over two products, one with units, one with a usage period; `variant` makes unequal copies, `present` which of them are there. */
function itemsOf(variant: number, present: number): Terms[] {
  const all = [
    terms({
      productCode: 1,
      tmrId: 1,
      quantity: variant === SCARCE ? 2 : 3,
      unitCounter: variant === 3 ? 0xffff_ffff : 12 + variant,
      lingerSeconds: 1,
    }),
    terms({
      productCode: 1,
      tmrId: 2,
      quantity: variant % 3 === 1 || variant === SCARCE ? 1 : 5,
      featureMap: variant === 5 ? 4 : 6,
      // Another license has this Product Code too.
      ...(variant % 2 === 0 ? { modules: [{ productCode: 2, text: "Module", featureMap: 2 }] } : {}),
    }),
    terms({
      productCode: 2,
      tmrId: 3,
      quantity: variant === SCARCE ? 2 : 4,
      activationMs: 500,
      lingerSeconds: 2,
      borrowSeconds: 1,
      ...(variant === 2 ? {} : { expirationMs: 9_000 }),
    }),
    terms({ productCode: 2, tmrId: 4, quantity: variant === 5 ? 2 : 1, text: "Ü", ...ofItem4(variant) }),
  ];
  return all.filter((_, i) => present > 7 || i !== present % 5);
}

interface Plan {
  readonly name: string | null;
  readonly asked: Asked;
  readonly stated: Stated | null;
  readonly rules?: readonly NaiveRule[];
  /** who a license is to be bound to */
  readonly user?: string;
  /** the return of a borrowing is signed by the key that borrowed it */
  readonly genuine?: boolean;
}

function rulesPlan(one: Step): Plan {
  const rules = accessLists[one.a % accessLists.length] ?? [];
  const document = { format: "tmr-access-list/1", rules: rules.map((rule) => ({ level: "global", ...rule })) };
  const asked = { ...EXPIRE, kind: Kind.setAccessList, blob: Buffer.from(JSON.stringify(document)) };
  return { name: null, asked, stated: null, rules };
}

function namePlan(one: Step): Plan {
  const user = ["", "u1", "u2"][one.b % 3] ?? "";
  const license = { firmCode: 6000010, productCode: 2, itemRef: one.a === 9 ? 3 : 4 };
  const asked = { ...EXPIRE, kind: Kind.setNamedUser, ...license, blob: Buffer.from(user) };
  return { name: null, asked, stated: null, user };
}

interface Sent {
  readonly name: string;
  readonly asked: Asked;
  readonly genuine: boolean;
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
  /** what was borrowed, last first: the document and by which key */
  readonly #borrowed: { readonly told: Told; readonly key: string }[] = [];

  constructor(readonly limits: LicenseLimits = STORY_LIMITS) {
    this.machine = LicenseMachine.create(testGenesis, licensePorts, limits);
    this.naive = new NaiveLicense(limits, (session) => namesOf[session] ?? assert.fail());
    const slots = (naive: number): number => {
      for (const [handle, number] of this.#naiveHandle) if (number === naive) return handle % 2 ** 18;
      return assert.fail(`the machine told no handle ${naive}`);
    };
    this.naive.slotOf = slots;
  }

  /** Plays a chapter on both and compares them. */
  play(chapter: Chapter): Told[] {
    this.logMs += chapter.logMs;
    this.calendarMs = Math.max(0, this.calendarMs + chapter.calendarMs);
    const plans = chapter.steps.map((one) => this.#plan(one));
    const asked = plans.map((plan) => plan.asked);
    const told = this.tell(asked, chapter.reached);
    this.naive.begin(this.logMs, this.calendarMs, chapter.reached);
    plans.forEach((plan, i) => {
      const result = told[i];
      assert.ok(result !== undefined);
      this.#compare(result, this.#ask(plan, chapter.reached));
      if (result.kind === Kind.borrow && result.outcome === "ok") {
        const { key } = documentIn(result);
        this.#borrowed.unshift({
          told: result,
          key: keyNames.find((name) => publicKeyOf(name) === key) ?? assert.fail(),
        });
      }
      const { name, genuine = false } = plan;
      if (name !== null) this.sent.push({ name, asked: plan.asked, told: result, genuine });
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

  #plan(one: Step): Plan {
    if (one.what === "expire") return { name: null, asked: EXPIRE, stated: null };
    if (one.what === "rules") return rulesPlan(one);
    if (one.what === "name") return namePlan(one);
    if (one.what === "cancel") {
      const handle = this.#handles.at(-1 - one.a) ?? 1;
      return { name: null, asked: { ...EXPIRE, kind: Kind.cancelHandle, handle }, stated: null };
    }
    if (one.what === "state") return this.#statement(one);
    if (one.what === "again" && this.sent.length > 0) {
      const sent = this.sent[this.sent.length - 1 - (one.who % Math.min(10, this.sent.length))] as Sent;
      return { ...sent, stated: null };
    }
    const name = sessionNames[one.who % sessionNames.length] as string;
    const request = (this.#numbers.get(name) ?? 0) + 1 + one.skip;
    if (one.skip < 300) this.#numbers.set(name, request);
    const base = { request, answeredBelow: Math.max(0, request - one.keep), session: sessionOf(name) };
    if (one.what === "return") return this.#returnPlan(one, name, base);
    return { name, asked: { ...base, ...this.#fields(one, name) }, stated: null };
  }

  #returnPlan(one: Step, name: string, base: Pick<Asked, "request" | "session">): Plan {
    const [borrowed] = this.#borrowed.slice(one.a % 2);
    if (borrowed === undefined) return { name, asked: { ...base, kind: Kind.heartbeat }, stated: null };
    const { told, key } = borrowed;
    const by = one.b > 6 ? "somebody else" : key;
    return {
      name,
      asked: { ...base, ...returnOf(told, by), kind: Kind.returnBorrow },
      stated: null,
      genuine: by === key,
    };
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
        return {
          kind: Kind.openSession,
          durationMs: 1_000 + 500 * one.a * one.a,
          blob: identityText(namesOf[name] ?? {}),
        };
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
      case "handles":
        return { kind: Kind.handles };
      case "borrow":
        return {
          kind: Kind.borrow,
          mode: one.b === 9 ? 2 : 1,
          durationMs: [0, 300, 800, 1_500, 3_000][one.a % 5] ?? 0,
          quantity: one.b > 6 ? one.b % 3 : 1,
          firmCode: 6000010,
          productCode: one.a === 9 ? 1 : 2,
          featureMap: one.a === 4 ? 2 : 0,
          itemRef: one.a === 7 ? 4 : 0,
          blob: one.b === 8 ? Buffer.alloc(31) : Buffer.from(publicKeyOf(keyNames[one.b % 3] ?? ""), "base64url"),
        };
      case "access":
        return {
          kind: Kind.access,
          mode: one.b === 9 ? 5 : one.b === 8 ? 4 : one.b === 5 || one.b === 4 ? 2 : one.b === 3 ? 3 : 1,
          durationMs: one.a % 3 === 0 ? 100 * (one.b + 1) : 0,
          quantity: one.b > 5 ? one.b % 3 : 1,
          firmCode: 6000010,
          productCode: 1 + (one.a % 2),
          featureMap: one.a === 4 ? 2 : one.a === 5 ? 9 : 0,
          itemRef: one.a === 7 ? 2 : 0,
        };
      case "wait":
        return {
          kind: Kind.access,
          mode: 1,
          durationMs: 1_000 + 500 * one.b,
          quantity: one.a % 3 === 0 ? 2 : 1,
          firmCode: 6000010,
          productCode: 1 + (one.b % 2),
          featureMap: one.a > 6 ? 2 : 0,
          itemRef: [0, 2, 4][one.a % 4] ?? 0,
        };
      default:
        return { kind: Kind.heartbeat };
    }
  }

  #statement(one: Step): { readonly name: null; readonly asked: Asked; readonly stated: Stated } {
    const upstream = ((one.who % 3) + 1) as 1 | 2 | 3;
    const version = this.machine.statementVersion(upstream) + (one.skip === 0 ? 1 : 0);
    const items = itemsOf(one.a > SCARCE ? 0 : one.a, one.b);
    const genuine = one.keep !== 100;
    const blob = signedStatement({ items, upstream, version });
    if (!genuine) blob[blob.length - 3] = 0;
    return { name: null, asked: stating(upstream, blob), stated: { upstream, version, items, genuine } };
  }

  #ask(plan: Plan, reached: number): Outcome {
    if (plan.stated !== null) return this.naive.state(plan.stated);
    if (plan.rules !== undefined) return this.naive.setRules(plan.rules);
    if (plan.user !== undefined) return this.naive.setNamedUser(plan.asked, plan.user, reached);
    const handle = this.#naiveHandle.get(plan.asked.handle ?? 0) ?? 0;
    if (plan.asked.kind === Kind.cancelHandle) return this.naive.cancel(handle);
    if (plan.name === null) return this.naive.expire();
    return this.naive.execute(plan.name, { ...plan.asked, handle, genuine: plan.genuine ?? false }, reached);
  }

  #compare(told: Told, expected: Outcome): void {
    if (told.handle !== 0 && !this.#naiveHandle.has(told.handle)) {
      this.#naiveHandle.set(told.handle, expected.handle);
      this.#handles.push(told.handle);
    }
    const isHandles = told.kind === Kind.handles && told.outcome === "ok";
    const isList = isHandles || (told.kind === Kind.items && told.outcome === "ok");
    const isBorrow = told.kind === Kind.borrow && told.outcome === "ok";
    const list = isList ? (JSON.parse(told.text) as { handle: number }[]) : null;
    if (isHandles) {
      for (const one of list ?? []) one.handle = this.#naiveHandle.get(one.handle) ?? 0;
      list?.sort((a, b) => a.handle - b.handle);
    }
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
        list: isBorrow ? null : list,
      },
      isBorrow ? { ...expected, list: null } : expected,
    );
    if (isBorrow) this.#compareDocument(told, expected.list as { handle: number; terms: Terms });
    assert.equal(told.heartbeatMs, Math.floor(timeoutMs / 4));
    assert.equal(told.text.length > 0, isList || isBorrow || status !== "ok");
    assert.ok(Buffer.byteLength(told.text) <= (isList || isBorrow ? 32_768 : 200));
  }

  #compareDocument(told: Told, about: { readonly handle: number; readonly terms: Terms }): void {
    const terms = createHash("sha256").update(termsBytes(about.terms)).digest("base64url");
    const { system, container, ...document } = documentIn(told);
    const handle = this.#naiveHandle.get(document.handle);
    assert.deepEqual({ ...document, handle }, { ...about, terms });
    assert.equal(system, Buffer.from(genesisDigest(testGenesis, licensePorts.sha256)).toString("base64url"));
    assert.equal(container, testGenesis.virtualContainer);
  }
}
