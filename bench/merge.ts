/**
 * The merge of three container snapshots. They are sorted, so one walk in step gives the merge in order without a table
 * and without allocating for an item.
 */
import { createHash } from "node:crypto";
import { engine } from "../test/support/native-engine.js";
import { HOLDING_ENTRY_BYTES, MERGED_ENTRY_BYTES, MergedField, MergeVerdict } from "../ts/wire/merge.js";
import type { Bench, Comparison, Prepared } from "./support/bench.js";
import { compare } from "./support/compare.js";

type Snapshots = readonly [Buffer, Buffer, Buffer];

/** What upstreams of one plant hold: nearly the same; one has other terms here, one lacks an item there. */
function snapshots(items: number): Snapshots {
  const one = (upstream: number): Buffer => {
    const bytes = Buffer.alloc(items * HOLDING_ENTRY_BYTES);
    let at = 0;
    for (let i = 0; i < items; i++) {
      if (upstream === 3 && i % 777 === 5) continue;
      const isOdd = upstream === 2 && i % 1_000 === 3;
      bytes.writeUInt32LE(6_000_010 + Math.floor(i / 1_000), at);
      bytes.writeUInt32LE(Math.floor(i / 10) % 100, at + 4);
      bytes.writeUInt32LE((i % 10) + 1, at + 8);
      bytes.writeUInt32LE(1, at + 12);
      createHash("sha256")
        .update(`${isOdd ? "other" : "terms"} ${i}`)
        .digest()
        .copy(bytes, at + 16);
      at += HOLDING_ENTRY_BYTES;
    }
    return bytes.subarray(0, at);
  };
  return [one(1), one(2), one(3)];
}

interface Item {
  readonly key: Buffer;
  /** per upstream */
  readonly digests: [string | null, string | null, string | null];
}

function byKey({ key: a }: Item, { key: b }: Item): number {
  for (let at = 0; at < 16; at += 4) {
    const difference = a.readUInt32LE(at) - b.readUInt32LE(at);
    if (difference !== 0) return difference;
  }
  return 0;
}

function writeItem(out: Buffer, at: number, { key, digests }: Item): void {
  key.copy(out, at);
  const [a, b, c] = digests;
  const winner = a !== null && (a === b || a === c) ? a : b !== null && b === c ? b : null;
  let present = 0;
  let agree = 0;
  let odd = 0;
  digests.forEach((digest, i) => {
    if (digest === null) return;
    present |= 1 << i;
    if (digest === winner) agree |= 1 << i;
    else if (winner !== null) odd = i + 1;
  });
  if (winner !== null) out.write(winner, at + MergedField.digest, "latin1");
  out[at + MergedField.present] = present;
  out[at + MergedField.agree] = agree;
  out[at + MergedField.odd] = odd;
  let verdict: MergeVerdict = MergeVerdict.majorityMissing;
  if (agree === 7) verdict = MergeVerdict.unanimous;
  else if (odd !== 0) verdict = MergeVerdict.majorityOdd;
  else if (agree === 0) verdict = [1, 2, 4].includes(present) ? MergeVerdict.alone : MergeVerdict.split;
  out[at + MergedField.verdict] = verdict;
}

/** A Map from key to what each upstream holds, then sorted. */
function mergeByMap(three: Snapshots): Buffer {
  const held = new Map<string, Item>();
  three.forEach((bytes, upstream) => {
    for (let at = 0; at < bytes.length; at += HOLDING_ENTRY_BYTES) {
      const name = bytes.toString("latin1", at, at + 16);
      let item = held.get(name);
      if (item === undefined) {
        item = { key: bytes.subarray(at, at + 16), digests: [null, null, null] };
        held.set(name, item);
      }
      item.digests[upstream] = bytes.toString("latin1", at + 16, at + HOLDING_ENTRY_BYTES);
    }
  });
  const items = [...held.values()].sort(byKey);
  const out = Buffer.alloc(items.length * MERGED_ENTRY_BYTES);
  items.forEach((item, i) => writeItem(out, i * MERGED_ENTRY_BYTES, item));
  return out;
}

function merging(items: number, how: (three: Snapshots) => Buffer): Prepared {
  const three = snapshots(items);
  let merged: Uint8Array = new Uint8Array(0);
  return {
    run: () => {
      merged = how(three);
    },
    output: () => merged,
  };
}

function comparison(items: number): Comparison {
  return {
    work: `3 × ${items.toLocaleString("en")} items`,
    subject: {
      name: "mergeContainers",
      operations: 1,
      prepare: () => merging(items, (three) => engine.mergeContainers(...three)),
    },
    atMostNs: { limit: 60e6, words: "≤ 60 ms" },
    controls: [
      {
        name: "Map",
        operations: 1,
        prepare: () => merging(items, mergeByMap),
        goal: { kind: "speed", atLeast: 10, words: "≥ 10 × as fast" },
      },
    ],
  };
}

export const merge: Bench = {
  name: "merge",
  claim: "three sorted snapshots merge in one walk, at the speed of memory",
  control: "a Map from license key to what each upstream holds, sorted at the end",
  disproof: "more than 60 ms for 3 × 100,000 items, or less than 10 times the speed of the Map",
  measure: (effort) => compare([comparison(effort.smoke ? 3_000 : 100_000)], effort),
};
