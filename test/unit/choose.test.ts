import assert from "node:assert/strict";
import { type Answer, choose, foundingMembers, type UpstreamId, withMember } from "../../ts/tmr/choose.js";
import { believable, nextEpoch, twinOf } from "../../ts/tmr/epoch.js";

const incarnation = (byte: number) => new Uint8Array(16).fill(byte);
const members = (...bytes: readonly number[]) => Uint8Array.from(bytes.flatMap((byte) => [...incarnation(byte)]));
const MEMBERS = members(1, 2, 3);

function promise(
  own: number,
  logEpoch: number,
  position: number,
  change: { readonly members?: Uint8Array; readonly digest?: number } = {},
): Answer {
  return {
    type: "promise",
    promise: {
      type: "promise",
      ask: 1,
      epoch: 9,
      incarnation: incarnation(own),
      members: change.members ?? MEMBERS,
      stamp: new Uint8Array(32),
      logEpoch,
      position,
      digest: new Uint8Array(32).fill(change.digest ?? position),
      stateDigest: new Uint8Array(32),
      logStart: 1,
      logMs: 0,
      calendarMs: 0,
      clockMs: 0,
    },
  };
}
const blank = (own: number): Answer => ({ type: "blank", incarnation: incarnation(own) });
const answers = (...list: readonly (Answer | null)[]) =>
  new Map(list.flatMap((answer, i) => (answer === null ? [] : [[(i + 1) as UpstreamId, answer] as const])));

describe("the chosen log", () => {
  const rows: readonly [string, readonly (Answer | null)[], UpstreamId | null][] = [
    ["is the one of the highest logEpoch, not the longest", [promise(1, 6, 3), promise(2, 4, 9), null], 1],
    ["is not what two agree on", [promise(1, 4, 5), promise(2, 4, 5), promise(3, 6, 2)], 3],
    ["is the longer one under equal logEpochs", [promise(1, 6, 3), promise(2, 6, 4), promise(3, 6, 4)], 2],
    ["is not chosen by one promise", [promise(1, 6, 3), null, null], null],
    ["is not chosen by a promise and a blank disk", [promise(1, 6, 3), blank(2), null], null],
    ["is not chosen by blank disks", [blank(1), blank(2), blank(3)], null],
  ];
  for (const [name, list, source] of rows) {
    it(name, () => assert.equal(choose(answers(...list))?.source ?? null, source));
  }

  it("does not count the promise of a disk that has since been replaced", () => {
    const replaced = members(1, 7, 3);
    const choice = choose(answers(promise(1, 6, 3, { members: replaced }), promise(2, 4, 9), promise(3, 6, 3)));
    assert.deepEqual([...(choice?.valid.keys() ?? [])], [1, 3]);
  });

  it("needs two that count, also when a third one is void", () => {
    const replaced = members(1, 7, 8);
    assert.equal(choose(answers(promise(1, 6, 3, { members: replaced }), promise(2, 4, 9), promise(3, 4, 3))), null);
  });
});

describe("founding", () => {
  it("takes three blank disks", () => {
    assert.deepEqual(foundingMembers(answers(blank(1), blank(2), blank(3))), MEMBERS);
  });
  it("goes on where a leader stopped", () => {
    assert.deepEqual(foundingMembers(answers(promise(1, 0, 0), blank(2), blank(3))), MEMBERS);
  });
  const refused: readonly [string, readonly (Answer | null)[]][] = [
    ["two blank disks of three", [blank(1), blank(2), null]],
    ["a disk that has a log", [promise(1, 0, 4), blank(2), blank(3)]],
    ["a disk that was ever synced", [promise(1, 2, 0), blank(2), blank(3)]],
    [
      "a disk that was founded with other members",
      [promise(1, 0, 0, { members: members(1, 2, 9) }), blank(2), blank(3)],
    ],
    ["disks of which none is blank", [promise(1, 0, 0), promise(2, 0, 0), promise(3, 0, 0)]],
  ];
  for (const [name, list] of refused) {
    it(`is refused for ${name}`, () => assert.equal(foundingMembers(answers(...list)), null));
  }
});

describe("members and epochs", () => {
  it("replace one incarnation and leave the others", () => {
    assert.deepEqual(withMember(MEMBERS, 2, incarnation(9)), members(1, 9, 3));
    assert.deepEqual(MEMBERS, members(1, 2, 3));
  });
  it("take an epoch above everything seen that only this twin can have", () => {
    assert.equal(nextEpoch(0), 2);
    assert.equal(nextEpoch(1), 3);
    assert.equal(nextEpoch(0, 3), 4);
    assert.equal(nextEpoch(1, 4, 7), 9);
    for (const twin of [0, 1] as const) assert.equal(twinOf(nextEpoch(twin, 12, 5)), twin);
  });
  it("do not follow one upstream that names an epoch far beyond everything else", () => {
    assert.deepEqual(believable(4, [5, 4, 2 ** 53 - 2]), [5, 4]);
    assert.deepEqual(believable(0, [2 ** 40, 2 ** 40 + 1, 2]), [2 ** 40, 2 ** 40 + 1, 2]);
    assert.deepEqual(believable(4, [5, 4, 104]), [5, 4, 104]);
  });
});
