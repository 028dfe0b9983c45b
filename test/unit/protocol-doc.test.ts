/** The tables of docs/protocol-clients.md say what the wire format is: another implementation is written from them. */
import assert from "node:assert/strict";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { MessageField, MessageType } from "../../ts/wire/message.js";
import { REQUEST_BYTES, RequestField } from "../../ts/wire/request.js";
import { RESULT_BYTES, ResultField } from "../../ts/wire/result.js";
import { textOf } from "../support/source-tree.js";

/** The cells of the first table below a heading. */
function tableBelow(heading: string): string[][] {
  const [, below = ""] = textOf("docs/protocol-clients.md").split(`\n${heading}\n`);
  const rows = /(?:^\|.*\|\n)+/m.exec(below)?.[0].trimEnd().split("\n") ?? [];
  return rows.slice(2).map((row) =>
    row
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}

function sizeInBytes(size: string): number {
  return size.startsWith("u") ? Number(size.slice(1)) / 8 : Number(size);
}

/** Names and offsets as in the code, and every field begins where the one before it ends. */
function assertRecord(heading: string, fields: Readonly<Record<string, number>>, bytes: number): void {
  const rows = tableBelow(heading);
  assert.deepEqual(Object.fromEntries(rows.map(([offset, , name]) => [name, Number(offset)])), fields);
  const end = rows.reduce((at, [offset, size = ""]) => {
    assert.equal(Number(offset), at);
    return at + sizeInBytes(size);
  }, 0);
  assert.equal(end, bytes);
}

describe("docs/protocol-clients.md", () => {
  it("lays out request and result records as the code does, without gaps", () => {
    assertRecord("### Request record", RequestField, REQUEST_BYTES);
    assertRecord("### Result record", ResultField, RESULT_BYTES);
  });

  it("lays out the message header as the code does", () => {
    const rows = tableBelow("## 3. Messages");
    assert.deepEqual(
      rows.map(([offset]) => Number(offset)),
      Object.values(MessageField),
    );
    assert.match(rows[0]?.[2] ?? "", new RegExp(`${MessageType.requests} requests .*${MessageType.results} results`));
  });

  it("numbers every kind that a client may send or receive", () => {
    // 128 to 191 are the server's own, refused when a client sends them.
    const kinds = Object.fromEntries(Object.entries(Kind).filter(([, number]) => number < 128 || number >= 192));
    assert.deepEqual(
      Object.fromEntries(tableBelow("## 4. Kinds").map(([name, number]) => [name, Number(number)])),
      kinds,
    );
  });

  it("numbers every status", () => {
    assert.deepEqual(
      Object.fromEntries(tableBelow("## 5. Status").map(([name, number]) => [name, Number(number)])),
      Status,
    );
  });

  it("says that exactly the retryable outcomes are repeated", () => {
    const repeated = tableBelow("## 5. Status").filter(([, , what]) => what?.startsWith("**repeats**"));
    assert.deepEqual(
      repeated.map(([name]) => name),
      ["no-quorum", "not-active", "busy"],
    );
  });
});
