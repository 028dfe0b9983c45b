/** Units: each row is one statement; then random stories against the simplest counter there is. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import { LicenseMachine } from "../../ts/license/machine.js";
import { Kind } from "../../ts/wire/kinds.js";
import { type Asked, LicenseKit, type Told, terms } from "../support/license-kit.js";
import { licensePorts, testGenesis } from "../support/license-ports.js";
import { seeded } from "../support/seeded.js";

const license = "License 6000010:13 item 1 in container 131-729831162";
const CONSUMPTION = 0xffff_ffff;

function held(unitCounter?: number): { kit: LicenseKit; handle: number; consume: (quantity: number) => Told } {
  const kit = new LicenseKit();
  const options = unitCounter === undefined ? {} : { unitCounter };
  kit.holdAll(terms({ tmrId: 1, quantity: 5, ...options }));
  kit.open("a");
  const { handle } = kit.access("a");
  return { kit, handle, consume: (quantity) => kit.ask("a", Kind.consume, { handle, quantity }) };
}

describe("units of a license", () => {
  const rows: readonly (readonly [says: string, counter: number, steps: readonly number[], told: readonly string[]])[] =
    [
      ["count down by any step", 10, [1, 3, 5], ["ok 9", "ok 6", "ok 1"]],
      ["count down to none", 10, [10, 1], ["ok 0", "units-used-up 0"]],
      ["are not taken when there are too few, and stay", 10, [8, 3, 2], ["ok 2", "units-used-up 2", "ok 0"]],
      ["take no step of 0", 10, [0, 1], ["bad-request 10", "ok 9"]],
      [
        "reach beyond 31 bits",
        0xffff_fffe,
        [0x8000_0000, 0x7fff_fffe, 1],
        ["ok 2147483646", "ok 0", "units-used-up 0"],
      ],
      ["that are only counted show what was used", CONSUMPTION, [1, 41], ["ok 1", "ok 42"]],
      [
        "that are only counted end where the counter does",
        CONSUMPTION,
        [0xffff_ffff, 1],
        ["ok 4294967295", "units-used-up 4294967295"],
      ],
    ];
  for (const [says, counter, steps, told] of rows) {
    it(says, () => {
      const { consume } = held(counter);
      assert.deepEqual(
        steps.map((step) => {
          const { outcome, units } = consume(step);
          return `${outcome} ${units}`;
        }),
        told,
      );
    });
  }

  it("are told with how many there are when there are too few", () => {
    assert.equal(held(2).consume(3).text, `${license}: 2 units are left, 3 asked for.`);
  });

  it("are refused by a license that has no counter", () => {
    const { outcome, text, units } = held().consume(1);
    assert.deepEqual([outcome, text, units], ["bad-request", `${license} has no unit counter.`, 0]);
  });

  it("stand in the answers to access, info and release", () => {
    const { kit, handle, consume } = held(9);
    consume(4);
    const asked = { handle };
    assert.equal(kit.ask("a", Kind.info, asked).units, 5);
    assert.equal(kit.ask("a", Kind.release, asked).units, 5);
    assert.equal(kit.access("a").units, 5);
  });

  it("rise only with a higher counter from the issuer, by as much as it is higher", () => {
    const { kit, handle, consume } = held(10);
    consume(10);
    const hold = (unitCounter: number): number => {
      kit.holdAll(terms({ tmrId: 1, quantity: 5, unitCounter }));
      return kit.ask("a", Kind.info, { handle }).units;
    };
    assert.deepEqual([hold(10), hold(25), hold(4), hold(11)], [0, 15, 0, 1]);
    assert.equal(consume(2).outcome, "units-used-up");
    assert.equal(consume(1).outcome, "ok");
  });

  it("are not given back when the license is gone for a while", () => {
    const { kit, handle, consume } = held(10);
    consume(7);
    kit.ask("a", Kind.release, { handle });
    kit.holdAll();
    kit.holdAll(terms({ tmrId: 1, unitCounter: 10 }));
    assert.equal(kit.access("a").units, 3);
  });

  it("are not consumed by who does not hold the license, nor with too few upstreams", () => {
    const { kit, handle } = held(10);
    kit.open("b");
    assert.equal(kit.ask("b", Kind.consume, { handle, quantity: 1 }).outcome, "handle-unknown");
    kit.reached = 4;
    assert.equal(kit.ask("a", Kind.consume, { handle, quantity: 1 }).outcome, "not-found");
    kit.reached = 7;
    assert.equal(kit.ask("a", Kind.info, { handle }).units, 10);
  });

  it("leave a handle that is held when they are used up, and grant no other", () => {
    const { kit, handle, consume } = held(1);
    consume(1);
    assert.equal(kit.ask("a", Kind.info, { handle }).outcome, "ok");
    assert.equal(kit.access("a").outcome, "units-used-up");
  });
});

describe("units, over random stories", () => {
  type Step =
    | { readonly what: "consume"; readonly units: number; readonly repeats: number; readonly reached: number }
    | { readonly what: "issue"; readonly counter: number }
    | { readonly what: "take away" }
    | { readonly what: "restart" };
  const amount = fc.oneof(fc.nat(12), fc.constantFrom(0x7fff_ffff, CONSUMPTION - 1, CONSUMPTION));
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        what: fc.constant("consume" as const),
        units: amount,
        repeats: fc.nat(2),
        reached: fc.constantFrom(7, 7, 7, 3, 1),
      }),
    },
    { weight: 2, arbitrary: fc.record({ what: fc.constant("issue" as const), counter: amount }) },
    { weight: 1, arbitrary: fc.constant({ what: "take away" as const }) },
    { weight: 1, arbitrary: fc.constant({ what: "restart" as const }) },
  );

  it("are never below none, taken exactly once under repeats, and the same on a copy from any snapshot", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { kit, handle } = held(10);
        let copy = LicenseMachine.restore(kit.machine.snapshot(), testGenesis, licensePorts);
        let counter: number | null = 10;
        let used = 0;
        for (const one of steps) {
          const before = kit.machine;
          switch (one.what) {
            case "issue":
              counter = one.counter;
              kit.holdAll(terms({ tmrId: 1, quantity: 5, unitCounter: counter }));
              break;
            case "take away":
              counter = null;
              kit.holdAll();
              break;
            case "restart":
              assert.deepEqual(copy.snapshot(), before.snapshot());
              kit.machine = copy;
              break;
            case "consume": {
              const left: number = counter === null ? 0 : Math.max(0, counter - used);
              const { reached, units } = one;
              const asked: Asked = kit.next("a", Kind.consume, { handle, quantity: units });
              kit.reached = reached;
              const told = kit.one(asked);
              kit.reached = 7;
              const grants: boolean = counter !== null && reached !== 1 && units > 0 && units <= left;
              assert.equal(told.outcome === "ok", grants);
              if (grants) used += units;
              for (let i = 0; i < one.repeats; i++) assert.deepEqual(kit.one(asked).bytes, told.bytes);
              break;
            }
            default:
              one satisfies never;
          }
          const { units } = kit.ask("a", Kind.info, { handle });
          assert.ok(units >= 0);
          if (counter !== null) {
            assert.equal(units, counter === CONSUMPTION ? used : Math.max(0, counter - used));
          }
          const restored = LicenseMachine.restore(kit.machine.snapshot(), testGenesis, licensePorts);
          assert.deepEqual(restored.stateDigest, kit.machine.stateDigest);
          assert.deepEqual(restored.snapshot(), kit.machine.snapshot());
          copy = restored;
        }
      }),
      seeded(150),
    );
  });
});
