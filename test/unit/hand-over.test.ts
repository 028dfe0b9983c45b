import assert from "node:assert/strict";
import { HandOver, type HandOverOutcome, type HandOverView } from "../../ts/failover/hand-over.js";

const able: HandOverView = { role: "active", peerAnswers: true, peerRole: "passive", drained: true };

/** A hand-over with what it said and what came of it. */
function begun(view: HandOverView = able) {
  const told: string[] = [];
  const outcomes: HandOverOutcome[] = [];
  const machine = new HandOver({ suspectMs: 600 }, ({ ask, step }) => told.push(`${ask} ${step === 0 ? "ask" : "go"}`));
  machine.begin(view, 0, (outcome) => outcomes.push(outcome));
  const reply = (role: "passive" | "stopped", reach: number, nowMs: number): void =>
    machine.replied({ type: "handOverReply", ask: 1, role: 0, reach }, role, nowMs);
  return { machine, told, outcomes, reply };
}

describe("a planned hand-over", () => {
  it("asks, waits until everything is carried, tells the twin, and is done when that is active", () => {
    const { machine, told, outcomes, reply } = begun();
    assert.equal(machine.draining, false);
    reply("passive", 3, 10);
    assert.equal(machine.draining, true);
    machine.step({ ...able, drained: false }, 20);
    assert.deepEqual(told, ["1 ask"]);
    machine.step(able, 30);
    assert.deepEqual(told, ["1 ask", "1 go"]);
    machine.step({ ...able, role: "passive" }, 40);
    assert.deepEqual(outcomes, []);
    machine.step({ ...able, role: "passive", peerRole: "active" }, 50);
    assert.deepEqual(outcomes, [null]);
    assert.equal(machine.draining, false);
  });

  it("does not wait for ever for what is under way: the clients repeat it", () => {
    const { machine, told, reply } = begun();
    reply("passive", 2, 0);
    machine.step({ ...able, drained: false }, 299);
    assert.deepEqual(told, ["1 ask"]);
    machine.step({ ...able, drained: false }, 300);
    assert.deepEqual(told, ["1 ask", "1 go"]);
  });

  const refusals: readonly [string, HandOverView, RegExp][] = [
    ["a server that is not active", { ...able, role: "passive" }, /is passive, not active/],
    ["a twin that is away", { ...able, peerAnswers: false }, /does not answer/],
  ];
  for (const [name, view, text] of refusals) {
    it(`is refused at once for ${name}`, () => {
      const { told, outcomes, machine } = begun(view);
      assert.match(outcomes[0] ?? "", text);
      assert.deepEqual(told, []);
      assert.equal(machine.draining, false);
    });
  }

  it("is refused when the twin reaches one upstream, has stopped, or says nothing; and nothing has changed", () => {
    const one = begun();
    one.reply("passive", 1, 10);
    assert.match(one.outcomes[0] ?? "", /reaches 1 of the three upstreams, and needs two/);
    const stopped = begun();
    stopped.reply("stopped", 3, 10);
    assert.match(stopped.outcomes[0] ?? "", /is stopped, not passive/);
    const silent = begun();
    silent.machine.step(able, 599);
    assert.deepEqual(silent.outcomes, []);
    silent.machine.step(able, 600);
    assert.match(silent.outcomes[0] ?? "", /does not answer the question/);
    for (const { machine } of [one, stopped, silent]) assert.equal(machine.draining, false);
  });

  it("serves on when the twin does not become active, and says so", () => {
    const { machine, outcomes, reply } = begun();
    reply("passive", 3, 0);
    machine.step(able, 0);
    machine.step(able, 2_999);
    assert.equal(machine.draining, true);
    machine.step(able, 3_000);
    assert.equal(machine.draining, false);
    assert.match(outcomes[0] ?? "", /did not become active; this one serves on/);
  });

  it("is one at a time, and takes no answer to an older question", () => {
    const { machine, outcomes } = begun();
    machine.begin(able, 10, (outcome) => outcomes.push(outcome));
    assert.match(outcomes[0] ?? "", /under way already/);
    machine.replied({ type: "handOverReply", ask: 7, role: 0, reach: 3 }, "passive", 20);
    assert.equal(machine.draining, false);
  });
});
