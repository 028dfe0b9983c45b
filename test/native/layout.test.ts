/** Both sides of the native boundary write down the wire format; here they are compared, both ways. */
import assert from "node:assert/strict";
import * as types from "../../ts/engine/types.js";
import * as batch from "../../ts/wire/batch.js";
import * as dataKinds from "../../ts/wire/data-kinds.js";
import * as kinds from "../../ts/wire/kinds.js";
import * as link from "../../ts/wire/link.js";
import * as merge from "../../ts/wire/merge.js";
import * as message from "../../ts/wire/message.js";
import * as request from "../../ts/wire/request.js";
import * as result from "../../ts/wire/result.js";
import * as vote from "../../ts/wire/vote.js";
import { engine } from "../support/native-engine.js";

/** Every number that a module exports, alone or in an object of numbers: name or `Object.name` to number. */
function numbersOf(module: object): [string, number][] {
  return Object.entries(module).flatMap(([name, value]: [string, unknown]) => {
    if (typeof value === "number") return [[name, value] as [string, number]];
    if (typeof value !== "object" || value === null) return [];
    return Object.entries(value).map(([field, number]: [string, unknown]): [string, number] => {
      assert.equal(typeof number, "number", `${name}.${field}`);
      return [`${name}.${field}`, number as number];
    });
  });
}

describe("the wire format", () => {
  it("has the same offsets, sizes and numbers in C++ and in TypeScript, none missing on either side", () => {
    const ours = [types, batch, dataKinds, kinds, link, merge, message, request, result, vote].flatMap(numbersOf);
    assert.ok(ours.length > 150);
    assert.deepEqual(new Map(Object.entries(engine.layout())), new Map(ours));
  });
});
