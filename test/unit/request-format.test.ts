import assert from "node:assert/strict";
import * as fc from "fast-check";
import { areWellFormedRequests, isWellFormedRequest, REQUEST_BYTES, writeRequest } from "../../ts/wire/request.js";
import { seeded } from "../support/seeded.js";

const COUNT = 3;
const BLOB_BYTES = 100;

/** Three sound records somewhere in a buffer. */
function records(offset: number): Buffer {
  const bytes = Buffer.alloc(offset + COUNT * REQUEST_BYTES);
  for (let i = 0; i < COUNT; i++) {
    const request = { kind: 4, mode: 1, quantity: 2, request: 2 ** 53 - 1, session: Buffer.alloc(16, 255) };
    writeRequest(bytes, offset + i * REQUEST_BYTES, { ...request, mark: 5, markProof: Buffer.alloc(8, 1) }, 60, 40);
  }
  return bytes;
}

describe("the format of request records", () => {
  it("is judged alike record by record and for all at once, wherever they lie", () => {
    const edit = fc.tuple(fc.nat({ max: COUNT * REQUEST_BYTES - 1 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.nat({ max: 9 }), fc.array(edit, { maxLength: 2 }), (offset, edits) => {
        const bytes = records(offset);
        for (const [at, value] of edits) bytes[offset + at] = value;
        const each = [0, 1, 2].every((i) => isWellFormedRequest(bytes, offset + i * REQUEST_BYTES, BLOB_BYTES));
        assert.equal(areWellFormedRequests(bytes, offset, COUNT, BLOB_BYTES), each);
      }),
      seeded(2_000),
    );
  });

  it("has every bit in its place, in each record", () => {
    for (let bit = 0; bit < 8 * REQUEST_BYTES; bit++) {
      const bytes = records(4);
      const at = 4 + REQUEST_BYTES + (bit >> 3);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
      assert.equal(
        areWellFormedRequests(bytes, 4, COUNT, BLOB_BYTES),
        isWellFormedRequest(bytes, 4 + REQUEST_BYTES, BLOB_BYTES),
        `bit ${bit}`,
      );
    }
  });
});
