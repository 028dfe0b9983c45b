/** The reader of events notices what is wrong with them: each row is one thing. */
import assert from "node:assert/strict";
import { EventReader, type Watched } from "./event-reader.js";
import { eventText } from "./model.js";

/** A handle was taken at 3 and given back at 5. */
function watched(): Watched {
  const tracked = new Map([
    [3, [eventText("access", 7, "")]],
    [5, [eventText("refusal", 0, "no-free-license"), eventText("release", 7, "closed")]],
  ]);
  return {
    model: { tracked },
    fail: (invariant) => {
      throw new Error(invariant);
    },
  };
}

const access = line("3.0.0", 1, { event: "access", handle: 7 });
const release = line("5.0.0", 2, { event: "release", handle: 7, cause: "closed" });
const refusal = line("5.1.0", 3, { event: "refusal", handle: 9, status: "no-free-license" });
const all = [access, release, refusal];

function line(at: string, number: number, what: object): string {
  return `{"firm":1,"number":${number},"at":"${at}","time":0,"what":${JSON.stringify(what)}}`;
}

/** The answers in their order, and what is noticed. */
const rows: readonly (readonly [string, readonly (readonly string[])[], string | null])[] = [
  ["all that happened", [all], null],
  ["an answer that comes again because it was not acknowledged", [[access], all, all], null],
  ["events of the system itself", [[...all, line("6.0.0", 4, { event: "license" })]], null],
  ["an event that is lost at the end", [[access, release]], "E2"],
  [
    "an event that is lost, in its place another",
    [[line("5.0.0", 1, { event: "release", handle: 7, cause: "closed" })]],
    "E2",
  ],
  ["a number that is left out", [[access, line("5.0.0", 3, { event: "release", handle: 7, cause: "closed" })]], "E2"],
  ["an event that comes twice", [[...all, line("5.2.0", 4, { event: "release", handle: 7, cause: "closed" })]], "E2"],
  ["an event of something that did not happen", [[line("3.0.0", 1, { event: "queue", handle: 7 })]], "E2"],
  ["an event that reads otherwise the second time", [[access], [access.replace('"time":0', '"time":1')]], "E1"],
  ["an event that belongs before another", [[access, release, line("4.0.0", 3, { event: "license" })]], "E1"],
];

describe("the reader of what is tracked", () => {
  for (const [what, answers, noticed] of rows) {
    it(`${what}: ${noticed ?? "nothing is wrong"}`, () => {
      const reader = new EventReader(watched());
      const read = (): void => {
        for (const lines of answers) reader.take(lines.map((one) => `${one}\n`).join(""));
        reader.end(9);
      };
      if (noticed === null) assert.doesNotThrow(read);
      else assert.throws(read, { message: noticed });
    });
  }

  it("acknowledges the last event that it has written down", () => {
    const reader = new EventReader(watched());
    assert.deepEqual(reader.acknowledgement(), {});
    reader.take(`${access}\n${release}\n`);
    const { handle, cursor, quantity } = reader.acknowledgement();
    assert.deepEqual([handle, cursor, quantity], [5, 0, 0]);
  });
});
