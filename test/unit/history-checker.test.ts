import assert from "node:assert/strict";
import { checkHistory } from "../chaos/checker.js";
import {
  type EndLine,
  type EventLine,
  HISTORY_FORMAT,
  type HistoryLine,
  historyText,
  joinCalls,
  type OperationLine,
  type OperationResult,
  type RunLine,
  readHistory,
} from "../chaos/history.js";
import { type ViolationKind, violationKinds } from "../chaos/violation.js";

const ONE = "6000010:1";
const FEW = "6000010:2";
/** Seconds of the run in nanoseconds. */
const s = (seconds: number) => Math.round(seconds * 1e9);

const run: RunLine = {
  type: "run",
  format: HISTORY_FORMAT,
  seed: 1,
  sessionTimeoutMs: 8_000,
  licenses: [
    { license: ONE, quantity: 1 },
    { license: FEW, quantity: 4 },
  ],
};
const upstream = (id: number, position = 9) => ({ id, position, digest: `d${position}`, stateDigest: `s${position}` });
const end: EndLine = {
  type: "end",
  atNs: s(100),
  upstreams: [upstream(1), upstream(2), upstream(3)],
  items: [
    { license: ONE, used: 0, quantity: 1 },
    { license: FEW, used: 0, quantity: 4 },
  ],
};

type Change = Partial<Omit<OperationLine, "type">>;

function operation(client: string, from: number, to: number | null, change: Change): OperationLine {
  return {
    type: "operation",
    process: client,
    session: `${client}/1`,
    operation: "items",
    license: null,
    arguments: {},
    callNs: s(from),
    returnNs: to === null ? null : s(to),
    result: "unknown",
    position: null,
    ...change,
  };
}

/** A granted access. `free` as it says. */
function granted(
  client: string,
  from: number,
  to: number,
  license: string,
  handle: number,
  free: number,
  quantity = 1,
) {
  const total = license === ONE ? 1 : 4;
  const result = { ok: { handle, free, total } };
  return operation(client, from, to, { operation: "access", license, arguments: { quantity }, result });
}

function released(
  client: string,
  from: number,
  to: number | null,
  license: string,
  handle: number,
  result?: OperationResult,
) {
  const outcome = result ?? (to === null ? "unknown" : { ok: {} });
  return operation(client, from, to, { operation: "release", license, arguments: { handle }, result: outcome });
}

function refused(client: string, from: number, to: number, license: string, reason: string, quantity = 1) {
  const result = { refused: reason, text: "why" };
  return operation(client, from, to, { operation: "access", license, arguments: { quantity }, result });
}

function info(client: string, from: number, to: number, license: string, handle: number, result: OperationResult) {
  return operation(client, from, to, { operation: "info", license, arguments: { handle }, result });
}

function listed(client: string, from: number, to: number, one: number, few: number) {
  const items = [
    { license: ONE, used: one, quantity: 1 },
    { license: FEW, used: few, quantity: 4 },
  ];
  return operation(client, from, to, { operation: "items", result: { ok: { items } } });
}

const lost = (reason: string): OperationResult => ({ refused: reason, text: "why" });

function check(...lines: readonly HistoryLine[]) {
  return checkHistory([run, ...lines, end]);
}

function kindsOf(...lines: readonly HistoryLine[]): ViolationKind[] {
  return [...new Set(check(...lines).violations.map(({ kind }) => kind))];
}

function died(event: EventLine["event"]): EventLine {
  return { type: "event", event, process: "upstream-1", atNs: s(3), detail: "why" };
}

/** Of every kind one history that no correct system can have. */
const known: Readonly<Record<ViolationKind, readonly HistoryLine[]>> = {
  // Asked at the same time, so that neither answer had to count the other.
  "over-allocated": [granted("a", 1, 4, ONE, 7, 0), granted("b", 2, 5, ONE, 8, 0)],
  "double-grant": [
    granted("a", 1, 2, FEW, 7, 3),
    released("a", 3, 4, FEW, 7),
    granted("b", 5, 6, FEW, 7, 3),
    released("b", 7, 8, FEW, 7),
  ],
  "missed-grant": [granted("a", 1, 2, FEW, 7, 2, 2), listed("b", 3, 4, 0, 1)],
  "missed-release": [granted("a", 1, 2, ONE, 7, 0), released("a", 3, 4, ONE, 7), listed("b", 5, 6, 1, 0)],
  "refused-though-free": [
    granted("a", 1, 2, ONE, 7, 0),
    released("a", 3, 4, ONE, 7),
    refused("b", 5, 6, ONE, "no-free-license"),
  ],
  "license-missing": [operation("a", 1, 2, { result: { ok: { items: [{ license: ONE, used: 0, quantity: 1 }] } } })],
  "wrong-quantity": [
    operation("a", 1, 2, {
      operation: "access",
      license: FEW,
      arguments: { quantity: 1 },
      result: { ok: { handle: 7, free: 3, total: 5 } },
    }),
  ],
  "lost-handle": [granted("a", 1, 2, ONE, 7, 0), info("a", 3, 4, ONE, 7, lost("handle-unknown"))],
  "held-after-release": [
    granted("a", 1, 2, FEW, 7, 3),
    released("a", 3, 4, FEW, 7),
    info("a", 5, 6, FEW, 7, { ok: { total: 4 } }),
  ],
  "out-of-order": [
    { ...listed("a", 1, 2, 0, 0), position: 9 },
    { ...listed("b", 3, 4, 0, 0), position: 9 },
  ],
  "not-released": [{ ...end, items: [{ license: ONE, used: 1, quantity: 1 }] }],
  "upstreams-differ": [{ ...end, upstreams: [upstream(1), upstream(2), upstream(3, 8)] }],
  "process-died": [died("died")],
  "not-whole": [died("not-whole")],
  unfinished: [],
};

describe("history checker", () => {
  for (const kind of violationKinds) {
    it(`finds ${kind} and nothing else`, () => {
      const lines = known[kind];
      const complete = kind === "unfinished" || lines.some(({ type }) => type === "end");
      const { violations } = checkHistory(complete ? [run, ...lines] : [run, ...lines, end]);
      assert.deepEqual([...new Set(violations.map((violation) => violation.kind))], [kind]);
      for (const { text } of violations) assert.notEqual(text, "");
    });
  }

  it("accepts a history in which everything fits", () => {
    const verdict = check(
      granted("a", 1, 2, ONE, 7, 0),
      refused("b", 2.5, 2.6, ONE, "no-free-license"),
      granted("b", 2.7, 2.8, FEW, 9, 1, 3),
      listed("c", 2.9, 3, 1, 3),
      info("a", 3.1, 3.2, ONE, 7, { ok: { free: 0, total: 1 } }),
      released("a", 3.3, 3.4, ONE, 7),
      info("a", 3.5, 3.6, ONE, 7, lost("handle-unknown")),
      granted("c", 3.7, 3.8, ONE, 10, 0),
      released("c", 4, 5, ONE, 10),
      released("b", 4, 5, FEW, 9),
    );
    assert.deepEqual(verdict, { violations: [], errors: [], lostAfterLease: 0 });
  });

  it("leaves open what happened between a call and its return", () => {
    const release = released("a", 3, 5, ONE, 7);
    // While the seat is being given back, all of these can be.
    assert.deepEqual(kindsOf(granted("a", 1, 2, ONE, 7, 0), release, listed("b", 4, 4.5, 1, 0)), []);
    assert.deepEqual(kindsOf(granted("a", 1, 2, ONE, 7, 0), release, listed("b", 4, 4.5, 0, 0)), []);
    assert.deepEqual(kindsOf(granted("a", 1, 2, ONE, 7, 0), release, granted("b", 3.5, 3.6, ONE, 8, 0)), []);
    const refusal = refused("b", 4, 4.5, ONE, "no-free-license");
    assert.deepEqual(kindsOf(granted("a", 1, 2, ONE, 7, 0), release, refusal), []);
  });

  it("counts seats, not handles", () => {
    const first = granted("a", 1, 2, FEW, 7, 1, 3);
    assert.deepEqual(kindsOf(first, granted("b", 3, 4, FEW, 8, 0, 1)), []);
    const { violations } = check(first, granted("b", 3, 4, FEW, 8, 0, 2));
    assert.match(violations[0]?.text ?? "", /5 of 4 seats of 6000010:2 are held at 4\.000 s/);
  });

  it("finds a seat that one access took twice", () => {
    assert.deepEqual(kindsOf(granted("a", 1, 2, FEW, 7, 2, 1)), ["missed-release"]);
  });

  it("holds the seats of a killed client to the end of its lease, and no longer", () => {
    const grant = granted("a", 1, 2, ONE, 7, 0);
    const killed = operation("a", 3, null, { operation: "info", license: ONE, arguments: { handle: 7 } });
    // The lease counts from the call at 1 s.
    assert.deepEqual(kindsOf(grant, killed, granted("b", 8.5, 8.9, ONE, 8, 0)), ["over-allocated", "missed-grant"]);
    assert.deepEqual(kindsOf(grant, killed, granted("b", 9.1, 9.2, ONE, 8, 0)), []);
  });

  it("ends the hold of a killed client's handle at the call of its release, answered or not", () => {
    const grant = granted("a", 1, 2, ONE, 7, 0);
    assert.deepEqual(kindsOf(grant, released("a", 3, null, ONE, 7), granted("b", 3.5, 3.9, ONE, 8, 0)), []);
  });

  it("does not take back a killed client's seat once an answer has shown that it is gone", () => {
    const grant = granted("a", 1, 2, ONE, 7, 0);
    const killed = released("a", 3, null, ONE, 7);
    assert.deepEqual(kindsOf(grant, killed, listed("b", 4, 5, 1, 0)), []);
    assert.deepEqual(kindsOf(grant, killed, listed("b", 4, 5, 0, 0), listed("b", 6, 7, 1, 0)), ["missed-release"]);
  });

  it("allows an access without an answer to have been granted, or not", () => {
    const asked = operation("a", 1, null, { operation: "access", license: ONE, arguments: { quantity: 1 } });
    assert.deepEqual(kindsOf(asked, listed("b", 4, 5, 1, 0)), []);
    assert.deepEqual(kindsOf(asked, listed("b", 4, 5, 0, 0)), []);
    assert.deepEqual(kindsOf(asked, granted("b", 4, 5, ONE, 8, 0)), []);
  });

  it("allows a handle to be lost once its lease had run out, and counts it", () => {
    const grant = granted("a", 1, 2, ONE, 7, 0);
    const verdict = check(grant, info("a", 3, 9.5, ONE, 7, lost("handle-lost")));
    assert.deepEqual(verdict, { violations: [], errors: [], lostAfterLease: 1 });
    const renewed = info("a", 3, 4, ONE, 7, { ok: { free: 0, total: 1 } });
    assert.deepEqual(kindsOf(grant, renewed, info("a", 5, 9.5, ONE, 7, lost("handle-lost"))), ["lost-handle"]);
  });

  it("keeps the sessions of one client apart", () => {
    const grant = granted("a", 1, 2, ONE, 7, 0);
    const later = { ...listed("a", 20, 21, 0, 0), session: "a/2" };
    assert.deepEqual(kindsOf(grant, later, granted("b", 10, 11, ONE, 8, 0), released("b", 12, 13, ONE, 8)), []);
  });

  it("compares positions in real time only", () => {
    const early = { ...listed("a", 1, 4, 0, 0), position: 5 };
    assert.deepEqual(kindsOf(early, { ...listed("b", 3, 5, 0, 0), position: 4 }), []);
    assert.deepEqual(kindsOf(early, { ...listed("b", 4.1, 5, 0, 0), position: 6 }), []);
    assert.deepEqual(kindsOf(early, { ...listed("b", 4.1, 5, 0, 0), position: 4 }), ["out-of-order"]);
  });

  it("tells errors that a client saw from refusals that belong to the workload", () => {
    const failed = operation("a", 1, 31, {
      operation: "access",
      license: ONE,
      arguments: { quantity: 1 },
      result: { error: "ERR_TMR_TIMEOUT", text: "late" },
    });
    const { errors, violations } = check(failed, refused("b", 3, 4, FEW, "no-quorum"));
    assert.deepEqual(violations, []);
    assert.deepEqual(
      errors.map(({ process, operation }) => [process, operation]),
      [
        ["a", "access"],
        ["b", "access"],
      ],
    );
    assert.match(errors[0]?.text ?? "", /ERR_TMR_TIMEOUT: late/);
  });

  it("refuses what is no history", () => {
    assert.throws(() => checkHistory([end]), /begins with its run line/);
    assert.throws(() => check(listed("a", 2, 1, 0, 0)), /returned before its call/);
    assert.throws(() => check(granted("a", 1, 2, "1:1", 7, 0)), /does not name this license/);
    assert.throws(() => readHistory("{}\n"), /line 1 is not a line of tmr-history\/1/);
    assert.throws(() => readHistory(historyText([end])), /the first line does not say tmr-history\/1/);
  });
});

describe("history file", () => {
  it("is read as it was written, in the order of time", () => {
    const lines = [end, listed("b", 3, 4, 0, 0), died("died"), listed("a", 1, 2, 0, 0), run];
    const read = readHistory(historyText(lines));
    assert.deepEqual(read, [run, lines[3], lines[1], lines[2], end]);
  });

  it("joins calls with their returns; a kill leaves a call unknown and a cut line out", () => {
    const call = { type: "call", process: "a", session: "a/0", operation: "open", license: null, arguments: {} };
    const returned = { type: "return", call: 1, session: "a/1", returnNs: 20, result: { ok: {} }, position: 3 };
    const text = [
      { ...call, call: 1, callNs: 10 },
      returned,
      { type: "event", event: "reconnected", process: "a", atNs: 25 },
      { ...call, call: 2, callNs: 30, session: "a/1", operation: "items" },
    ].map((line) => `${JSON.stringify(line)}\n`);
    const [first, event, second, ...more] = joinCalls(`${text.join("")}{"type":"retu`);
    const whole = { type: "operation", process: "a", license: null, arguments: {} };
    const opened = { operation: "open", session: "a/1", callNs: 10, returnNs: 20, result: { ok: {} }, position: 3 };
    assert.deepEqual(first, { ...whole, ...opened });
    assert.equal(event?.type, "event");
    const unknown = {
      operation: "items",
      session: "a/1",
      callNs: 30,
      returnNs: null,
      result: "unknown",
      position: null,
    };
    assert.deepEqual(second, { ...whole, ...unknown });
    assert.deepEqual(more, []);
  });
});
