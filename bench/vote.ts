/**
 * The vote over three answers to a batch. Two ballots that are equal as a whole need no look at any record, so the vote
 * over them is a comparison of memory and a constant.
 */

import { engine } from "../test/support/native-engine.js";
import { Verdict } from "../ts/engine/index.js";
import { MESSAGE_HEADER_BYTES, MessageField } from "../ts/wire/message.js";
import { RESULT_BYTES, type Result, ResultField, readResult, writeResult } from "../ts/wire/result.js";
import { VOTE_HEADER_BYTES, VoteField, voteOf } from "../ts/wire/vote.js";
import type { Bench, Comparison, Prepared } from "./support/bench.js";
import { compare } from "./support/compare.js";
import { prepareNative } from "./support/native.js";

/** A result record and its blob are 256 bytes. */
const BLOB_BYTES = 128;

type Three = readonly [Buffer, Buffer, Buffer];

function equalVotes(count: number): Three {
  const records = Buffer.alloc(count * RESULT_BYTES);
  const blobs = Buffer.alloc(count * BLOB_BYTES);
  const session = Buffer.alloc(16, 7);
  for (let i = 0; i < count; i++) {
    const result = { kind: 4, status: 0, request: i + 1, session, handle: 1_000 + i, quantity: 1, free: 3, total: 9 };
    writeResult(records, i * RESULT_BYTES, result, i * BLOB_BYTES, BLOB_BYTES);
    blobs.fill(i, i * BLOB_BYTES, (i + 1) * BLOB_BYTES);
  }
  const header = { epoch: 3, position: 4, incarnation: Buffer.alloc(16), clockMs: 1_000 };
  const digests = { digest: Buffer.alloc(32, 1), stateDigest: Buffer.alloc(32, 2) };
  const vote = (upstream: number): Buffer => voteOf({ ...header, ...digests, upstream }, records, blobs);
  return [vote(1), vote(2), vote(3)];
}

interface Answer {
  readonly result: Result;
  readonly blob: Buffer;
}

/** What most programs would do first with three answers: make objects of them. */
function answersOf(message: Buffer): Answer[] {
  const count = message.readUInt32LE(MessageField.count);
  const records = MESSAGE_HEADER_BYTES + VOTE_HEADER_BYTES;
  const blobs = message.subarray(records + count * RESULT_BYTES);
  return Array.from({ length: count }, (_, i) => {
    const at = records + i * RESULT_BYTES;
    const from = message.readUInt32LE(at + ResultField.blobOffset);
    const blob = blobs.subarray(from, from + message.readUInt32LE(at + ResultField.blobLength));
    return { result: readResult(message, at), blob };
  });
}

function same(a: Answer | undefined, b: Answer | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  for (const name of Object.keys(a.result) as (keyof Result)[]) {
    const [left, right] = [a.result[name], b.result[name]];
    if (typeof left === "object" || typeof right === "object") {
      if (Buffer.compare(left as Uint8Array, right as Uint8Array) !== 0) return false;
    } else if (left !== right) return false;
  }
  return a.blob.equals(b.blob);
}

function positionOf(message: Buffer): string {
  const at = MESSAGE_HEADER_BYTES;
  const digests = message.toString("latin1", at + VoteField.digest, at + VoteField.clockMs);
  return message.toString("latin1", at, at + VoteField.incarnation) + digests;
}

/** Verdicts, then who agrees, of ballots that are all there. */
function voteOnObjects(messages: Three): Buffer {
  const answers = messages.map(answersOf);
  const positions = messages.map(positionOf);
  const count = Math.max(...answers.map((each) => each.length));
  const out = Buffer.alloc(2 * count);
  for (let i = 0; i < count; i++) {
    let agree = 0;
    for (const [a, b] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const) {
      if (positions[a] === positions[b] && same(answers[a]?.[i], answers[b]?.[i])) agree |= (1 << a) | (1 << b);
    }
    out[i] = agree === 0 ? Verdict.split : Verdict.carried;
    out[count + i] = agree;
  }
  return out;
}

function fromMessages(count: number, decide: (messages: Three) => Buffer): Prepared {
  const messages = equalVotes(count);
  let found: Uint8Array = new Uint8Array(0);
  return {
    run: () => {
      found = decide(messages);
    },
    output: () => found,
  };
}

function againstMemory(count: number, hasGoal: boolean): Comparison {
  const times = Math.ceil(4_096 / count);
  const operations = times * count;
  const goal = { kind: "speed", atLeast: 0.7, words: "≥ 70 % of memcmp's speed" } as const;
  return {
    work: `per answer of 256 bytes, batch of ${count}`,
    subject: { name: "vote", operations, prepare: () => prepareNative("vote", count, BLOB_BYTES, times) },
    controls: [
      {
        name: "memcmp",
        operations,
        prepare: () => prepareNative("compare", count, BLOB_BYTES, times),
        ...(hasGoal ? { goal } : {}),
      },
    ],
  };
}

function againstObjects(count: number): Comparison {
  const native = (messages: Three): Buffer => {
    const { records, agree } = engine.vote(...messages);
    return Buffer.concat([records, agree]);
  };
  return {
    work: `from JavaScript, messages checked, per answer, batch of ${count}`,
    subject: { name: "engine.vote", operations: count, prepare: () => fromMessages(count, native) },
    controls: [{ name: "parsed objects", operations: count, prepare: () => fromMessages(count, voteOnObjects) }],
  };
}

export const vote: Bench = {
  name: "vote",
  claim: "a vote over a batch of equal answers takes hardly longer than comparing their bytes",
  control: "memcmp of ballot 1 with 2 and with 3; and the vote over answers that were parsed into objects",
  disproof: "less than 70 % of memcmp's speed for a batch of 16 or more; objects that are as fast",
  measure: (effort) =>
    compare(
      [againstMemory(1, false), ...[16, 64, 256, 1024].map((count) => againstMemory(count, true)), againstObjects(256)],
      effort,
    ),
};
