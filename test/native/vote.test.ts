/** The native vote against a second implementation by its definition. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Ballot, Verdict } from "../../ts/engine/types.js";
import { RESULT_BYTES, writeResult } from "../../ts/wire/result.js";
import { voteOf } from "../../ts/wire/vote.js";
import { naiveVote } from "../support/naive-vote.js";
import { engine } from "../support/native-engine.js";
import { seeded } from "../support/seeded.js";

interface Drawn {
  readonly epoch: number;
  readonly position: number;
  readonly digest: number;
  readonly state: number;
  readonly padding: number;
  readonly results: readonly { readonly quantity: number; readonly blob: string }[];
}

// Few values per field, so that equal, nearly equal and unequal ballots all come up often.
const drawnBallot: fc.Arbitrary<Drawn> = fc.record({
  epoch: fc.constantFrom(1, 1, 1, 2),
  position: fc.constantFrom(1, 1, 1, 2),
  digest: fc.constantFrom(1, 1, 1, 2),
  state: fc.constantFrom(1, 1, 1, 2),
  padding: fc.constantFrom(0, 0, 1, 5),
  results: fc.array(
    fc.record({ quantity: fc.constantFrom(1, 1, 1, 2), blob: fc.constantFrom("", "", "b", "c", "dd") }),
    {
      maxLength: 4,
    },
  ),
});
const drawn = fc.oneof(
  { weight: 5, arbitrary: drawnBallot },
  { weight: 1, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constant(null) },
);

function ballotOf(upstream: number, ballot: Drawn | undefined | null): Ballot {
  if (ballot === undefined || ballot === null) return ballot;
  const records = Buffer.alloc(ballot.results.length * RESULT_BYTES);
  let blobs = ballot.results.length === 0 ? "" : "p".repeat(ballot.padding);
  ballot.results.forEach(({ quantity, blob }, i) => {
    const result = { kind: 3, status: 0, request: i + 1, session: Buffer.alloc(16, 1), quantity };
    writeResult(records, i * RESULT_BYTES, result, blobs.length, blob.length);
    blobs += blob;
  });
  const header = {
    epoch: ballot.epoch,
    position: ballot.position,
    incarnation: Buffer.alloc(16, upstream),
    digest: Buffer.alloc(32, ballot.digest),
    stateDigest: Buffer.alloc(32, ballot.state),
    clockMs: 1_000 + upstream,
    upstream,
  };
  return voteOf(header, records, Buffer.from(blobs));
}

describe("the vote over three ballots", () => {
  it("has the outcome of the plain definition, whatever the ballots", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(drawn, drawn, drawn, (a, b, c) => {
        const ballots = [ballotOf(1, a), ballotOf(2, b), ballotOf(3, c)] as const;
        const expected = naiveVote(...ballots);
        const outcome = engine.vote(...ballots);
        seen.add(expected.verdict);
        assert.equal(outcome.verdict, Verdict[expected.verdict]);
        assert.deepEqual(
          [...outcome.records],
          expected.records.map((word) => Verdict[word]),
        );
        assert.deepEqual([...outcome.agree], expected.agree);
      }),
      seeded(3_000),
    );
    assert.equal(seen.size, 4, "every verdict came up");
  });

  it("refuses what is not a vote message of that upstream", () => {
    const good = ballotOf(1, { epoch: 1, position: 1, digest: 1, state: 1, padding: 0, results: [] }) as Buffer;
    assert.equal(engine.vote(good, undefined, null).verdict, Verdict.pending);
    const wrong = [good.subarray(1), good.subarray(0, -1), Buffer.concat([good, Buffer.alloc(1)]), "x", 5, {}];
    for (const ballot of wrong) {
      assert.throws(() => engine.vote(ballot as Buffer, null, null), { code: "ERR_TMR_ARGUMENT" });
    }
    assert.throws(() => engine.vote(null, good, null), { code: "ERR_TMR_ARGUMENT" });
  });
});
