import assert from "node:assert/strict";
import * as fc from "fast-check";
import { SessionIndex } from "../../ts/license/session-index.js";
import { seeded } from "../support/seeded.js";

const ROW = 6;
const KEY = 2;

/** Rows with a session each; small numbers, so that many of them meet in the table. */
function rowsOf(sessions: readonly (readonly number[])[]): Uint32Array {
  const rows = new Uint32Array(ROW * sessions.length);
  sessions.forEach((session, row) => {
    rows.set(session, row * ROW + KEY);
  });
  return rows;
}

describe("the index of sessions", () => {
  it("finds what a Map finds, whatever was added and taken out", () => {
    const word = fc.constantFrom(0, 1, 2, 0x8000_0000, 0xffff_ffff);
    const sessions = fc.uniqueArray(fc.tuple(word, word, word, word), {
      minLength: 1,
      maxLength: 400,
      size: "max",
      selector: (session) => session.join(),
    });
    fc.assert(
      fc.property(sessions, fc.array(fc.nat(), { maxLength: 1000, size: "max" }), fc.nat(), (keys, steps, seed) => {
        const rows = rowsOf(keys);
        const index = new SessionIndex(ROW, KEY, seed);
        const inside = new Set<number>();
        for (const step of steps) {
          const row = step % keys.length;
          if (inside.delete(row)) {
            index.delete(rows, row);
          } else {
            inside.add(row);
            index.add(rows, row);
          }
        }
        assert.equal(index.size, inside.size);
        for (let row = 0; row < keys.length; row++) {
          assert.equal(index.find(rows, rows, row * ROW + KEY), inside.has(row) ? row : -1);
        }
      }),
      seeded(100),
    );
  });
});
