import assert from "node:assert/strict";
import { AddressMachine, type AddressView } from "../../ts/failover/address.js";

const SUSPECT_MS = 600;
const active: AddressView = {
  role: "active",
  address: "master",
  peerAnswers: true,
  peerLeadsLater: false,
  reachesTwo: true,
  othersLead: false,
};
const passive: AddressView = { ...active, role: "passive", address: "backup", othersLead: true };

/** What a steady view leads to after so long. */
function after(view: AddressView, ms: number): { mayHold: boolean; takeOver: boolean } {
  const machine = new AddressMachine({ suspectMs: SUSPECT_MS });
  let decision = machine.step(view, 0);
  for (let nowMs = 20; nowMs <= ms; nowMs += 20) decision = machine.step(view, nowMs);
  return decision;
}

describe("who may hold the virtual address", () => {
  const rows: readonly [string, AddressView, number, boolean][] = [
    ["the active server", active, 5_000, true],
    ["one that takes over", { ...active, role: "taking-over" }, 5_000, true],
    ["an active one that reaches no upstream, while its twin is there", { ...active, reachesTwo: false }, 5_000, true],
    ["an active one that hears nobody, for a moment", { ...active, reachesTwo: false, peerAnswers: false }, 580, true],
    ["not one that hears nobody for long", { ...active, reachesTwo: false, peerAnswers: false }, 600, false],
    ["not one whose twin leads in a later epoch", { ...active, peerLeadsLater: true }, 0, false],
    ["the passive twin of one that leads", passive, 5_000, true],
    ["a passive one whose twin died a moment ago", { ...passive, peerAnswers: false }, 580, true],
    ["not one that is cut off from a twin that leads", { ...passive, peerAnswers: false }, 600, false],
    ["a passive one when nobody leads", { ...passive, peerAnswers: false, othersLead: false }, 5_000, true],
    ["not one that stops", { ...active, role: "stopping" }, 0, false],
    ["not one that an operator has to look at", { ...active, role: "stopped" }, 0, false],
  ];
  for (const [name, view, ms, expected] of rows) it(name, () => assert.equal(after(view, ms).mayHold, expected));

  it("takes over when it is given the address while passive, and only then", () => {
    assert.equal(after({ ...passive, address: "master" }, 0).takeOver, true);
    assert.equal(after(passive, 5_000).takeOver, false);
    assert.equal(after({ ...passive, address: null }, 5_000).takeOver, false);
    assert.equal(after(active, 5_000).takeOver, false);
    assert.equal(after({ ...passive, address: "master", peerAnswers: false }, 600).takeOver, false);
  });

  it("gives the address up when it loses the epoch, and does not take it back until the twin has had its time", () => {
    const machine = new AddressMachine({ suspectMs: SUSPECT_MS });
    machine.step(active, 0);
    const fenced: AddressView = { ...passive, address: "master" };
    assert.deepEqual(machine.step(fenced, 100), { mayHold: false, takeOver: false });
    // However long keepalived takes: a passive server that has the address must not claim the epoch back for that.
    assert.deepEqual(machine.step(fenced, 5_000), { mayHold: false, takeOver: false });
    assert.equal(machine.step({ ...fenced, address: "fault" }, 5_020).mayHold, true);

    machine.step(active, 6_000);
    assert.equal(machine.step({ ...fenced, address: "fault" }, 6_100).mayHold, false);
    assert.equal(machine.step({ ...fenced, address: "fault" }, 7_280).mayHold, false);
    assert.equal(machine.step({ ...fenced, address: "fault" }, 7_300).mayHold, true);
  });
});
