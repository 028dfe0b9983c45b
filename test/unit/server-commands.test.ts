import assert from "node:assert/strict";
import { type CommandOutcome, Commands } from "../../ts/server/commands.js";
import { getU64 } from "../../ts/wire/bytes.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { RequestField } from "../../ts/wire/request.js";
import { RESULT_BYTES, writeResult } from "../../ts/wire/result.js";

const NO_SESSION = Buffer.alloc(16);

/** Takes so many proposals and keeps them. */
class Intake {
  readonly taken: { readonly record: Buffer; readonly blob: string }[] = [];
  room = Number.POSITIVE_INFINITY;

  propose(record: Uint8Array, blob: Uint8Array): boolean {
    if (this.taken.length >= this.room) return false;
    this.taken.push({ record: Buffer.from(record), blob: Buffer.from(blob).toString() });
    return true;
  }
}

describe("records that an administrator asks for", () => {
  let intake: Intake;
  let commands: Commands;
  let heard: [string, string][];

  beforeEach(() => {
    intake = new Intake();
    commands = new Commands(intake);
    heard = [];
  });

  function ask(name: string, handle: number, blob?: string): void {
    const record = { kind: Kind.cancelHandle, handle, ...(blob === undefined ? {} : { blob: Buffer.from(blob) }) };
    commands.ask(record, (outcome) => heard.push([name, textOf(outcome)]));
  }

  function textOf(outcome: CommandOutcome): string {
    if (typeof outcome === "string") return outcome;
    return `${outcome.result.status} ${Buffer.from(outcome.blob).toString()}`.trim();
  }

  /** The voted result of the proposal that was taken as number `index`. */
  function carry(index: number, status: number, blob = ""): void {
    const request = getU64(intake.taken[index]?.record as Buffer, RequestField.request);
    const record = Buffer.alloc(RESULT_BYTES);
    writeResult(record, 0, { kind: Kind.cancelHandle, status, request, session: NO_SESSION });
    commands.carried(record, Buffer.from(blob));
  }

  it("are proposed once, of no session, each with a number of its own that the server's records do not have", () => {
    ask("a", 7, "blob");
    ask("b", 8);
    commands.propose();
    commands.propose();
    assert.deepEqual(
      intake.taken.map(({ record, blob }) => [
        record[RequestField.kind],
        getU64(record, RequestField.request),
        getU64(record, RequestField.handle),
        record.subarray(RequestField.session, RequestField.session + 16).equals(NO_SESSION),
        blob,
      ]),
      [
        [Kind.cancelHandle, 1, 7, true, "blob"],
        [Kind.cancelHandle, 2, 8, true, ""],
      ],
    );
  });

  it("are each answered by their own result, in any order, once", () => {
    ask("a", 7);
    ask("b", 8);
    commands.propose();
    carry(1, Status.ok);
    carry(0, Status["handle-unknown"], "No handle 7.");
    carry(0, Status.ok);
    assert.deepEqual(heard, [
      ["b", "0"],
      ["a", `${Status["handle-unknown"]} No handle 7.`],
    ]);
    assert.equal(commands.waiting, 0);
  });

  it("wait while there is no room for their proposal", () => {
    intake.room = 1;
    ask("a", 7);
    ask("b", 8);
    commands.propose();
    assert.equal(intake.taken.length, 1);
    intake.room = 2;
    commands.propose();
    carry(1, Status.ok);
    assert.deepEqual(heard, [["b", "0"]]);
  });

  // What happens to one that was proposed and to one that was not, and who of them is then answered how.
  for (const [what, happens, proposed, waiting] of [
    ["a new epoch begins", () => commands.restart(), "interrupted", null],
    ["this server steps down", () => commands.refuseAll("not-active"), "interrupted", "not-active"],
    ["the quorum is lost", () => commands.refuseAll("no-quorum"), "interrupted", "no-quorum"],
  ] as const) {
    it(`say when ${what} that nothing was done only where that is certain`, () => {
      intake.room = 1;
      ask("proposed", 7);
      ask("waiting", 8);
      commands.propose();
      happens();
      const expected = [["proposed", proposed], ...(waiting === null ? [] : [["waiting", waiting]])];
      assert.deepEqual(heard, expected);
      intake.room = 2;
      commands.propose();
      assert.equal(intake.taken.length, waiting === null ? 2 : 1, "what waits is proposed in the new epoch");
      carry(0, Status.ok);
      assert.deepEqual(heard, expected, "a late result is nobody's");
    });
  }

  it("leave results of the server's own records to it", () => {
    ask("a", 7);
    commands.propose();
    const record = Buffer.alloc(RESULT_BYTES);
    writeResult(record, 0, { kind: Kind.expire, status: Status.ok, request: 0, session: NO_SESSION });
    commands.carried(record, Buffer.alloc(0));
    assert.deepEqual(heard, []);
  });
});
