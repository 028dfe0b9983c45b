/** The vote by its definition, one comparison at a time: the oracle of the native one. */
import type { Ballot } from "../../ts/engine/types.js";
import { MESSAGE_HEADER_BYTES, MessageField } from "../../ts/wire/message.js";
import { RESULT_BYTES, ResultField } from "../../ts/wire/result.js";
import { VOTE_HEADER_BYTES, VoteField } from "../../ts/wire/vote.js";

type Word = "pending" | "carried" | "split" | "short";

export interface NaiveOutcome {
  readonly verdict: Word;
  readonly records: readonly Word[];
  readonly agree: readonly number[];
}

interface Answer {
  /** what makes ballots support each other */
  readonly key: string;
  /** per record: its bytes without the blob offset, then its blob */
  readonly records: readonly string[];
}

function answerOf(message: Uint8Array): Answer {
  const bytes = Buffer.from(message);
  const body = bytes.subarray(MESSAGE_HEADER_BYTES);
  const count = bytes.readUInt32LE(MessageField.count);
  const blobs = body.subarray(VOTE_HEADER_BYTES + count * RESULT_BYTES);
  const records = Array.from({ length: count }, (_, index) => {
    const record = Buffer.from(body.subarray(VOTE_HEADER_BYTES + index * RESULT_BYTES).subarray(0, RESULT_BYTES));
    const offset = record.readUInt32LE(ResultField.blobOffset);
    const length = record.readUInt32LE(ResultField.blobLength);
    record.writeUInt32LE(0, ResultField.blobOffset);
    return `${record.toString("hex")}/${blobs.toString("hex", offset, offset + length)}`;
  });
  const key = [
    body.toString("hex", VoteField.epoch, VoteField.incarnation),
    body.toString("hex", VoteField.digest, VoteField.clockMs),
  ].join("/");
  return { key, records };
}

/** `values`: an answer, undefined while awaited, null when none will come. */
function decide(values: readonly (string | undefined | null)[]): { word: Word; agree: number } {
  const given = values.filter((value): value is string => typeof value === "string");
  const winner = given.find((value) => given.filter((other) => other === value).length >= 2);
  if (winner !== undefined) {
    return { word: "carried", agree: values.reduce((mask, v, i) => (v === winner ? mask | (1 << i) : mask), 0) };
  }
  // Let every awaited ballot bring the best there could be: whatever was given, or something new that both bring.
  const awaited = values.filter((value) => value === undefined).length;
  const best = Math.max(0, ...[...given, "new"].map((v) => given.filter((other) => other === v).length + awaited));
  if (best >= 2) return { word: "pending", agree: 0 };
  return { word: given.length >= 2 ? "split" : "short", agree: 0 };
}

/** The vote over well-formed messages of upstreams 1, 2, 3. */
export function naiveVote(a: Ballot, b: Ballot, c: Ballot): NaiveOutcome {
  const answers = [a, b, c].map((ballot) => (ballot === undefined || ballot === null ? ballot : answerOf(ballot)));
  const position = decide(answers.map((answer) => answer?.key ?? (answer as undefined | null)));
  const count = Math.max(0, ...answers.map((answer) => answer?.records.length ?? 0));
  const records: Word[] = [];
  const agree: number[] = [];
  let contradiction: Word | null = null;
  for (let index = 0; index < count; index++) {
    const values = answers.map((answer, i) => {
      if (answer === undefined || answer === null) return answer;
      // Once the position is carried, only its supporters have a say in the records.
      if (position.word === "carried" && (position.agree & (1 << i)) === 0) return null;
      const record = answer.records[index];
      return record === undefined ? null : `${answer.key}/${record}`;
    });
    const outcome = decide(values);
    records.push(outcome.word);
    agree.push(outcome.agree);
    const differ = outcome.word !== "carried" && values.filter((value) => typeof value === "string").length >= 2;
    if (differ && contradiction !== "split") contradiction = outcome.word;
  }
  const verdict = position.word === "carried" && contradiction !== null ? contradiction : position.word;
  return { verdict, records, agree };
}
