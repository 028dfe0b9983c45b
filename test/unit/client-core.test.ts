import assert from "node:assert/strict";
import { leaseOf } from "../../ts/client/lease.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { ClientScenario, LEASE, resultsPacket } from "../support/client-scenario.js";

const access = { kind: Kind.access, firmCode: 6_000_010, productCode: 13, quantity: 1 };

describe("client core: a session", () => {
  it("is opened with the first call, and calls go out when it is open", () => {
    const client = new ClientScenario({ sessionTimeoutMs: 60_000 });
    assert.deepEqual(client.call(1, { kind: Kind.openSession }), ["connect 1 to server 0"]);
    assert.deepEqual(client.call(2, access), []);
    assert.deepEqual(client.connected(1), ["send 1: openSession#1"]);
    assert.equal(client.sent[0]?.durationMs, 60_000);
    assert.equal(client.sent[0]?.blob.toString("latin1"), "\x04host\x04user\x07station\x07program\x051.0.0");
    assert.deepEqual(client.answer(1, 1), ["call 1: ok", "send 1: access#2"]);
    assert.deepEqual(client.answer(1, 2, { handle: 7 }), ["call 2: ok"]);
    assert.equal(client.core.holds(7, client.nowMs), true);
  });

  it("refuses all waiting calls when opening is refused for good, and tries anew with the next call", () => {
    const client = new ClientScenario();
    client.call(1, { kind: Kind.openSession });
    client.call(2, access);
    client.connected(1);
    assert.deepEqual(client.answer(1, 1, { status: "bad-request", text: "too many sessions" }), [
      "call 1: bad-request",
      "call 2: bad-request",
    ]);
    assert.deepEqual(client.call(3, access), ["send 1: openSession#1"]);
    assert.notDeepEqual(client.sent[0]?.session, client.sent[1]?.session);
  });

  it("sends the calls of one turn in one packet", () => {
    const client = new ClientScenario().opened();
    for (const id of [2, 3, 4]) {
      const call = { id, fields: access, deadlineMs: client.nowMs + 1_000 };
      assert.deepEqual(client.step({ type: "call", call }), []);
    }
    assert.deepEqual(client.tick(), ["send 1: access#2 access#3 access#4"]);
  });

  it("keeps at most 256 numbers outstanding, and admits more as the oldest are answered", () => {
    const client = new ClientScenario().opened();
    for (let id = 2; id < 302; id++) {
      client.step({ type: "call", call: { id, fields: access, deadlineMs: client.nowMs + 1_000 } });
    }
    client.tick();
    assert.equal(client.sent.at(-1)?.number, 257);
    client.answer(1, 3, { handle: 2 });
    assert.equal(client.sent.at(-1)?.number, 257, "request 2 still holds the window");
    assert.deepEqual(client.answer(1, 2, { handle: 1 }), ["call 2: ok", "send 1: access#258 access#259"]);
  });

  it("says up to where everything is answered, and proves the highest position that it was answered from", () => {
    const client = new ClientScenario().opened();
    client.call(2, access);
    client.call(3, access);
    client.answer(1, 3, { handle: 1, mark: 90, markProof: Buffer.alloc(8, 9) });
    client.call(4, access);
    assert.deepEqual([client.sent.at(-1)?.answeredBelow, client.sent.at(-1)?.mark], [2, 90]);
    assert.equal(client.sent.at(-1)?.markProof, "0909090909090909");
    client.answer(1, 2, { handle: 2, mark: 89 });
    client.answer(1, 4, { handle: 3, mark: 88 });
    client.call(5, access);
    assert.deepEqual([client.sent.at(-1)?.answeredBelow, client.sent.at(-1)?.mark], [5, 90]);
  });
});

describe("client core: connections", () => {
  it("sends everything outstanding again on a new connection, in order and with the same numbers", () => {
    const client = new ClientScenario().opened();
    client.call(2, access);
    client.call(3, access);
    assert.deepEqual(client.disconnected(1), ["connect 2 to server 1"]);
    client.call(4, { kind: Kind.containers });
    assert.deepEqual(client.connected(2), ["send 2: access#2 access#3 containers#4"]);
    assert.deepEqual(client.answer(2, 2, { handle: 1 }), ["reconnected to server 1", "call 2: ok"]);
  });

  it("never asks for a second seat when an answer was lost", () => {
    const client = new ClientScenario().opened();
    client.call(2, access);
    client.disconnected(1);
    client.connected(2);
    client.answer(2, 2, { handle: 7 });
    const asked = client.sent.filter(({ kind }) => kind === Kind.access);
    assert.deepEqual(
      asked.map(({ number }) => number),
      [2, 2],
    );
    assert.deepEqual(asked[0]?.session, asked[1]?.session);
  });

  it("takes an answer once, whichever connection brings it, and ignores it the second time", () => {
    const client = new ClientScenario().opened();
    client.call(2, access);
    client.step({ type: "message", link: 1, message: resultsPacket([notActive()]) });
    client.connected(2);
    assert.deepEqual(client.answer(1, 2, { handle: 7 }), ["disconnect 2", "call 2: ok"]);
    assert.deepEqual(client.answer(1, 2, { handle: 8 }), []);
    assert.equal(client.core.holds(8, client.nowMs), false);
  });

  it("switches to the peer at once when told not-active, and keeps the connection until the peer answers", () => {
    const client = new ClientScenario();
    client.call(1, { kind: Kind.openSession });
    client.connected(1);
    assert.deepEqual(client.answer(1, 1, { status: "not-active", text: "10.0.0.2:7101" }), ["connect 2 to server 1"]);
    assert.deepEqual(client.connected(2), ["send 2: openSession#1"]);
    assert.deepEqual(client.answer(2, 1), ["disconnect 1", "call 1: ok"]);
  });

  it("follows a notice of a server that steps down, also with nothing outstanding", () => {
    const client = new ClientScenario().opened();
    const message = resultsPacket([notActive()]);
    assert.deepEqual(client.step({ type: "message", link: 1, message }), ["connect 2 to server 1"]);
  });

  it("asks both servers in turn over open connections while neither is active, with growing pauses", () => {
    const client = new ClientScenario();
    client.call(1, { kind: Kind.openSession });
    client.connected(1);
    client.answer(1, 1, { status: "not-active" });
    client.connected(2);
    assert.deepEqual(client.answer(2, 1, { status: "not-active" }), []);
    assert.deepEqual(client.wait(24), []);
    assert.deepEqual(client.wait(1), ["send 1: openSession#1"]);
    assert.deepEqual(client.answer(1, 1, { status: "not-active" }), ["send 2: openSession#1"]);
    assert.deepEqual(client.answer(2, 1, { status: "not-active" }), []);
    assert.deepEqual(client.wait(37), []);
    assert.deepEqual(client.wait(1), ["send 1: openSession#1"]);
    assert.deepEqual(client.answer(1, 1), ["disconnect 2", "call 1: ok"]);
  });

  it("pauses after both servers refused, at first up to 50 ms, in the end up to a second", () => {
    const client = new ClientScenario({ random: () => 0.999_999 });
    client.call(1, { kind: Kind.openSession }, 60_000);
    const pauses: number[] = [];
    for (let link = 1; link < 30; link += 2) {
      client.disconnected(link);
      client.disconnected(link + 1);
      const pauseMs = (client.timerMs ?? 0) - client.nowMs;
      pauses.push(Math.round(pauseMs));
      client.wait(pauseMs);
    }
    assert.deepEqual(pauses.slice(0, 4), [50, 75, 112, 169]);
    assert.deepEqual(pauses.slice(-3), [1_000, 1_000, 1_000]);
  });

  it("suspects a connection that says nothing for a second while it owes an answer", () => {
    const client = new ClientScenario().opened();
    assert.deepEqual(client.wait(10_000), [], "an idle connection owes nothing");
    client.call(2, access);
    assert.deepEqual(client.wait(999), []);
    assert.deepEqual(client.wait(1), ["connect 2 to server 1"]);
  });

  it("keeps a silent connection while the other server is tried: what answers first is used", () => {
    const client = new ClientScenario().opened();
    client.call(2, access);
    client.wait(1_000);
    assert.deepEqual(client.connected(2), ["send 2: access#2"]);
    assert.deepEqual(client.answer(2, 2, { status: "not-active" }), []);
    assert.deepEqual(client.wait(50), ["send 1: access#2"]);
    assert.deepEqual(client.answer(1, 2, { handle: 1 }), ["disconnect 2", "call 2: ok"]);
  });

  it("gives a connection up that is found silent a second time, and makes it anew", () => {
    const client = new ClientScenario().opened();
    client.call(2, access);
    client.wait(1_000);
    client.connected(2);
    client.answer(2, 2, { status: "not-active" });
    client.wait(50);
    assert.deepEqual(client.wait(1_949), []);
    assert.deepEqual(client.wait(1), ["disconnect 1", "send 2: access#2"]);
    client.answer(2, 2, { status: "not-active" });
    assert.deepEqual(client.wait(100), ["connect 3 to server 0"]);
  });

  it("does not suspect a connection that answers something", () => {
    const client = new ClientScenario().opened();
    client.call(2, access);
    client.call(3, access);
    client.wait(800);
    client.answer(1, 3, { handle: 1 });
    assert.deepEqual(client.wait(800), []);
    assert.deepEqual(client.wait(200), ["connect 2 to server 1"]);
  });

  it("is more patient each time, so that a slow system gets an answer through", () => {
    const client = new ClientScenario().opened();
    client.call(2, access);
    client.wait(1_000);
    client.connected(2);
    assert.deepEqual(client.wait(1_999), []);
    assert.deepEqual(client.wait(1), ["disconnect 1"], "silent for the second time");
    assert.deepEqual(client.wait(1_999), []);
    assert.deepEqual(client.wait(1 + 25), ["connect 3 to server 0"], "four seconds after it was asked");
  });

  it("tries the other server while a connection is slow to be made, and uses whichever is there first", () => {
    const client = new ClientScenario();
    client.call(1, { kind: Kind.openSession });
    assert.deepEqual(client.wait(250), ["connect 2 to server 1"]);
    assert.deepEqual(client.connected(1), ["send 1: openSession#1"]);
    assert.deepEqual(client.answer(1, 1), ["disconnect 2", "call 1: ok"]);
  });

  it("polls the passive server while the other one's machine does not answer at all", () => {
    const client = new ClientScenario();
    client.call(1, { kind: Kind.openSession });
    client.wait(250);
    client.connected(2);
    client.answer(2, 1, { status: "not-active" });
    assert.deepEqual(client.wait(25), ["send 2: openSession#1"]);
    assert.deepEqual(client.answer(2, 1), ["disconnect 1", "call 1: ok"]);
  });

  it("repeats a request that is passed over while others are answered", () => {
    const client = new ClientScenario().opened();
    client.call(2, access, 60_000);
    for (let second = 1; second < 16; second++) {
      client.wait(500);
      const id = second + 2;
      client.call(id, { kind: Kind.containers });
      client.answer(1, id);
    }
    assert.deepEqual(client.wait(500), ["send 1: access#2"]);
  });

  it("drops a connection that brings anything but results", () => {
    const client = new ClientScenario().opened();
    const message = Buffer.alloc(16, 0xff);
    assert.deepEqual(client.step({ type: "message", link: 1, message }), ["disconnect 1", "connect 2 to server 1"]);
  });

  it("works with a single server", () => {
    const client = new ClientScenario({ servers: 1 });
    assert.deepEqual(client.call(1, { kind: Kind.openSession }), ["connect 1 to server 0"]);
    assert.deepEqual(client.disconnected(1), []);
    assert.deepEqual(client.wait(25), ["connect 2 to server 0"]);
    client.connected(2);
    assert.deepEqual(client.answer(2, 1, { status: "not-active" }), []);
    assert.deepEqual(client.wait(38), ["send 2: openSession#1"]);
  });
});

describe("client core: refusals for the moment", () => {
  for (const status of ["busy", "no-quorum"] as const) {
    it(`repeats the same number after ${status}, with growing pauses`, () => {
      const client = new ClientScenario().opened();
      client.call(2, access);
      assert.deepEqual(client.answer(1, 2, { status }), []);
      assert.deepEqual(client.wait(24), []);
      assert.deepEqual(client.wait(1), ["send 1: access#2"]);
      client.answer(1, 2, { status });
      assert.deepEqual(client.wait(37), []);
      assert.deepEqual(client.wait(1), ["send 1: access#2"]);
      assert.deepEqual(client.answer(1, 2, { handle: 5 }), ["call 2: ok"]);
    });
  }

  it("gives up at the call's deadline with the reason that the server gave", () => {
    const client = new ClientScenario().opened();
    client.call(2, access, 100);
    client.answer(1, 2, { status: "no-quorum", text: "1 of 3 upstreams answers" });
    client.wait(60);
    client.answer(1, 2, { status: "no-quorum", text: "1 of 3 upstreams answers" });
    assert.ok(client.wait(40).includes("call 2: no-quorum"));
    const outcome = client.outcomes.get(2);
    assert.deepEqual(outcome, {
      fault: { code: "ERR_TMR_REFUSED", reason: "no-quorum", text: "1 of 3 upstreams answers" },
    });
  });

  it("says which refusal kept the session from opening", () => {
    const client = new ClientScenario();
    client.call(1, { kind: Kind.openSession }, 500);
    client.call(2, access, 400);
    client.connected(1);
    client.answer(1, 1, { status: "no-quorum", text: "0 of 3 upstreams answer" });
    const lines = client.wait(500);
    assert.ok(lines.includes("call 1: no-quorum") && lines.includes("call 2: no-quorum"), lines.join());
  });

  it("says that no server was reached when none was", () => {
    const client = new ClientScenario();
    client.call(1, { kind: Kind.openSession }, 10);
    client.disconnected(1);
    client.disconnected(2, "connect ECONNREFUSED");
    assert.deepEqual(client.wait(10), ["call 1: ERR_TMR_CONNECT"]);
    const outcome = client.outcomes.get(1);
    assert.ok(outcome !== undefined && "fault" in outcome && outcome.fault.text.includes("ECONNREFUSED"));
  });

  it("says that time ran out when a connected server did not answer", () => {
    const client = new ClientScenario().opened();
    client.call(2, access, 500);
    assert.deepEqual(client.wait(500), ["call 2: ERR_TMR_TIMEOUT"]);
  });

  it("asks the other server when one lacks a quorum for two seconds, and comes back if that one is passive", () => {
    const client = new ClientScenario().opened();
    client.call(2, access);
    let lines: string[] = [];
    for (let round = 0; round < 20 && !lines.includes("connect 2 to server 1"); round++) {
      lines = client.answer(1, 2, { status: "no-quorum" });
      if (lines.length === 0) client.wait(500);
    }
    assert.deepEqual(lines, ["connect 2 to server 1"]);
    assert.deepEqual(client.connected(2), ["send 2: access#2"]);
    client.answer(2, 2, { status: "not-active" });
    assert.ok(client.wait(1_000).includes("send 1: access#2"));
    assert.deepEqual(client.answer(1, 2, { handle: 4 }), ["disconnect 2", "call 2: ok"]);
  });
});

describe("client core: callers that stop waiting", () => {
  it("forgets a call that was not sent", () => {
    const client = new ClientScenario();
    client.call(1, { kind: Kind.openSession });
    client.call(2, access);
    client.step({ type: "abandon", id: 2 });
    client.connected(1);
    assert.deepEqual(client.answer(1, 1), ["call 1: ok"]);
  });

  for (const how of ["abort", "deadline"] as const) {
    it(`gives back a seat that was granted after the ${how}`, () => {
      const client = new ClientScenario().opened();
      client.call(2, access, 500);
      if (how === "abort") client.step({ type: "abandon", id: 2 });
      else client.wait(500);
      assert.deepEqual(client.answer(1, 2, { handle: 7 }), ["send 1: release#3"]);
      assert.equal(client.sent.at(-1)?.handle, 7);
      assert.equal(client.core.holds(7, client.nowMs), false);
    });
  }

  it("goes on with a release whose caller gave up", () => {
    const client = new ClientScenario().opened();
    client.granted(2, 7);
    client.disconnected(1);
    client.call(3, { kind: Kind.release, handle: 7 }, 100);
    assert.deepEqual(client.wait(100), ["call 3: ERR_TMR_CONNECT"]);
    assert.deepEqual(client.connected(2), ["send 2: release#3"]);
  });

  it("drops a read whose caller gave up", () => {
    const client = new ClientScenario().opened();
    client.call(2, { kind: Kind.items });
    client.step({ type: "abandon", id: 2 });
    client.call(3, { kind: Kind.items });
    assert.deepEqual([client.sent.at(-1)?.number, client.sent.at(-1)?.answeredBelow], [3, 3]);
  });
});

describe("client core: the lease", () => {
  it("is counted from the first sending of the request that was answered, however late the answer", () => {
    const client = new ClientScenario().opened();
    const handle = 7;
    client.granted(2, handle);
    client.wait(15_000);
    const firstSentMs = client.nowMs;
    assert.equal(client.sent.at(-1)?.name, "heartbeat");
    client.wait(900);
    client.answer(1, 3, { status: "no-quorum" });
    client.wait(500);
    client.answer(1, 3, { status: "no-quorum" });
    client.wait(200);
    client.answer(1, 3);
    const leaseMs = leaseOf(LEASE.timeoutMs);
    assert.ok(leaseMs < LEASE.timeoutMs, "the client's clock may be slow");
    assert.equal(client.core.holds(handle, firstSentMs + leaseMs - 1), true);
    assert.equal(client.core.holds(handle, firstSentMs + leaseMs), false);
  });

  it("is kept by heartbeats at the interval that the server names, less some jitter", () => {
    const client = new ClientScenario({ random: () => 0.5 }).opened();
    assert.deepEqual(client.wait(22_499), []);
    assert.deepEqual(client.wait(1), ["send 1: heartbeat#2"]);
    client.answer(1, 2, { heartbeatMs: 10_000 });
    assert.deepEqual(client.wait(7_499), []);
    assert.deepEqual(client.wait(1), ["send 1: heartbeat#3"]);
  });

  it("needs no heartbeat while other requests are answered", () => {
    const client = new ClientScenario().opened();
    for (let id = 2; id < 8; id++) {
      assert.deepEqual(client.wait(14_000), []);
      client.granted(id, id);
    }
  });

  it("runs out unanswered: the handles do not count, until a heartbeat is answered", () => {
    const client = new ClientScenario().opened();
    client.granted(2, 7);
    client.disconnected(1);
    const lines = client.wait(LEASE.timeoutMs);
    assert.ok(lines.includes("lease-lost"));
    assert.equal(client.core.holds(7, client.nowMs), false);
    const link = Number(/connect (\d+)/.exec(lines.findLast((line) => line.startsWith("connect")) ?? "")?.[1]);
    // The heartbeat that was due long ago was not sent yet, so its first sending is now.
    assert.deepEqual(client.connected(link), [`send ${link}: heartbeat#3`]);
    const answered = client.answer(link, 3);
    assert.ok(answered.includes("lease-restored"), answered.join());
    assert.equal(client.core.holds(7, client.nowMs), true);
  });

  it("is not restored by the answer to a request that was first sent too long ago", () => {
    const client = new ClientScenario({ suspectMs: 1_000_000 }).opened();
    client.granted(2, 7);
    client.wait(15_000);
    assert.equal(client.sent.at(-1)?.name, "heartbeat");
    const lines = client.wait(LEASE.timeoutMs);
    assert.deepEqual(lines, ["lease-lost"]);
    client.wait(LEASE.timeoutMs);
    assert.deepEqual(client.answer(1, 3), ["send 1: heartbeat#4"], "asks again at once");
    assert.equal(client.core.holds(7, client.nowMs), false);
    assert.deepEqual(client.answer(1, 4), ["lease-restored"]);
    assert.equal(client.core.holds(7, client.nowMs), true);
  });
});

describe("client core: loss on the server", () => {
  it("reports every handle lost when the session is unknown, and opens a new one for new calls only", () => {
    const client = new ClientScenario().opened();
    client.granted(2, 7);
    client.granted(3, 8);
    client.wait(15_000);
    assert.deepEqual(client.answer(1, 4, { status: "session-unknown" }), ["handle-lost 7", "handle-lost 8"]);
    assert.deepEqual(client.wait(1_000_000), []);
    assert.deepEqual(client.call(4, access), ["send 1: openSession#1"]);
    assert.notDeepEqual(client.sent.at(-1)?.session, client.sent[0]?.session);
    assert.deepEqual(client.answer(1, 1), ["send 1: access#2"]);
  });

  it("asks again in a new session for what was outstanding, except what hangs on a lost handle", () => {
    const client = new ClientScenario().opened();
    client.granted(2, 7);
    client.call(3, access);
    client.call(4, { kind: Kind.info, handle: 7 });
    client.call(5, { kind: Kind.release, handle: 7 });
    assert.deepEqual(client.answer(1, 3, { status: "session-unknown" }), [
      "call 4: handle-lost",
      "call 5: handle-lost",
      "send 1: openSession#1",
    ]);
    assert.deepEqual(client.answer(1, 1), ["send 1: access#2"]);
    assert.deepEqual(client.answer(1, 2, { handle: 9 }), ["call 3: ok"]);
  });

  it("ignores late answers to the session before", () => {
    const client = new ClientScenario().opened();
    client.call(2, access);
    const old = client.sent.at(-1);
    client.answer(1, 2, { status: "session-unknown" });
    client.answer(1, 1);
    const reply = { kind: Kind.access, request: 2, session: old?.session ?? Buffer.alloc(16), handle: 66 };
    assert.deepEqual(client.step({ type: "message", link: 1, message: resultsPacket([reply]) }), []);
    assert.equal(client.core.holds(66, client.nowMs), false);
  });

  it("reports a handle lost that the server does not know any more", () => {
    const client = new ClientScenario().opened();
    client.granted(2, 7);
    client.call(3, { kind: Kind.info, handle: 7 });
    assert.deepEqual(client.answer(1, 3, { status: "handle-lost", text: "cancelled" }), [
      "handle-lost 7",
      "call 3: handle-lost",
    ]);
  });

  it("does not report a handle lost whose release is under way", () => {
    const client = new ClientScenario().opened();
    client.granted(2, 7);
    client.call(3, { kind: Kind.release, handle: 7 });
    assert.deepEqual(client.answer(1, 3, { status: "session-unknown" }), ["call 3: handle-lost"]);
  });
});

describe("client core: closing", () => {
  it("ends the session on the server, refuses what waits, and is done with the answer", () => {
    const client = new ClientScenario().opened();
    client.call(2, access);
    assert.deepEqual(client.step({ type: "close" }), ["call 2: ERR_TMR_CLOSED", "send 1: closeSession#3"]);
    assert.equal(client.sent.at(-1)?.answeredBelow, 3);
    assert.deepEqual(client.answer(1, 3), ["disconnect 1", "closed"]);
    assert.deepEqual(client.call(3, access), ["call 3: ERR_TMR_CLOSED"].slice(1));
    assert.deepEqual(client.outcomes.get(3), { fault: { code: "ERR_TMR_CLOSED", text: "the session was closed" } });
    assert.equal(client.timerMs, null);
  });

  it("is done at once when the session was not confirmed: it holds no seat", () => {
    const client = new ClientScenario();
    client.call(1, { kind: Kind.openSession });
    client.connected(1);
    assert.deepEqual(client.step({ type: "close" }), ["call 1: ERR_TMR_CLOSED", "disconnect 1", "closed"]);
  });

  it("repeats itself on another connection, and gives up after its time", () => {
    const client = new ClientScenario().opened();
    client.step({ type: "close" });
    assert.deepEqual(client.disconnected(1), ["connect 2 to server 1"]);
    assert.deepEqual(client.connected(2), ["send 2: closeSession#2"]);
    client.answer(2, 2, { status: "no-quorum" });
    const lines = client.wait(2_000);
    assert.ok(lines.at(-1) === "closed" && lines.includes("send 2: closeSession#2"), lines.join());
  });

  it("is done when the server does not know the session any more", () => {
    const client = new ClientScenario().opened();
    client.step({ type: "close" });
    assert.deepEqual(client.answer(1, 2, { status: "session-unknown" }), ["disconnect 1", "closed"]);
  });
});

function notActive(): Parameters<typeof resultsPacket>[0][number] {
  return { kind: Kind.notice, request: 0, session: Buffer.alloc(16), status: Status["not-active"] };
}

describe("client core: a handle that waits in a queue", () => {
  function waiting(): ClientScenario {
    const client = new ClientScenario().opened();
    client.call(2, access);
    assert.deepEqual(client.answer(1, 2, { status: "queued", handle: 7, free: 3 }), ["call 2: ok"]);
    return client;
  }
  const info = { kind: Kind.info, handle: 7 };

  it("is not held before an answer says so", () => {
    const client = waiting();
    assert.equal(client.core.holds(7, client.nowMs), false);
    client.call(3, info);
    assert.deepEqual(client.answer(1, 3, { status: "queued", handle: 7, free: 1 }), ["call 3: ok"]);
    assert.equal(client.core.holds(7, client.nowMs), false);
    client.call(4, info);
    assert.deepEqual(client.answer(1, 4, { handle: 7 }), ["call 4: ok"]);
    assert.equal(client.core.holds(7, client.nowMs), true);
  });

  it("that was refused in the end is not held by a later answer", () => {
    const client = waiting();
    client.call(3, info);
    assert.deepEqual(client.answer(1, 3, { status: "no-free-license" }), ["call 3: no-free-license"]);
    client.call(4, info);
    client.answer(1, 4, { handle: 7 });
    assert.equal(client.core.holds(7, client.nowMs), false);
  });

  it("is given back when its caller has gone", () => {
    const client = new ClientScenario().opened();
    client.call(2, access);
    client.step({ type: "abandon", id: 2 });
    assert.deepEqual(client.answer(1, 2, { status: "queued", handle: 7 }), ["send 1: release#3"]);
  });
});

describe("client core: what is done with a handle", () => {
  for (const kind of ["consume", "crypt", "readData", "writeUserData", "info"] as const) {
    it(`is not asked again in another session: ${kind}`, () => {
      const client = new ClientScenario().opened();
      client.granted(2, 7);
      client.call(3, { kind: Kind[kind], handle: 7 });
      const told = client.answer(1, 3, { status: "session-unknown" });
      assert.ok(told.includes("call 3: handle-lost"), told.join());
      assert.equal(client.sent.filter((sent) => sent.kind === Kind[kind]).length, 1);
    });
  }
});
