/**
 * Instructions that the engine's core takes per request: client frames in, order, frames to three upstreams, three
 * votes, answers out, without hashing and encryption. Unlike times they are the same on a busy machine.
 */
import type { Bench, Row } from "./support/bench.js";
import {
  digestByOrderer,
  digestOfProgram,
  hasValgrind,
  instructionsOf,
  type Stage,
  stages,
} from "./support/callgrind.js";

const LIMIT = 3_000;
/** The difference of two runs: what a start costs, and the first rounds, is in both. */
const ROUNDS = [20, 60] as const;

interface Counted {
  readonly clients: number;
  readonly depth: number;
  readonly stage: Stage | "all";
  readonly copies: "vectors" | "bytes";
}

function perRequest({ clients, depth, stage, copies }: Counted): number {
  const [few, many] = ROUNDS.map((rounds) => instructionsOf({ clients, depth, rounds }, stage, copies));
  return ((many ?? 0) - (few ?? 0)) / (clients * depth * (ROUNDS[1] - ROUNDS[0]));
}

function checkedDigest(clients: number, depth: number): string {
  const load = { clients, depth, rounds: ROUNDS[0] };
  const digest = digestOfProgram(load);
  if (digest !== digestByOrderer(load)) throw new Error("the counted program and the orderer answer differently");
  return digest;
}

function rowOf(counted: Counted, digest: string): Row {
  const { clients, depth, stage, copies } = counted;
  const hasGoal = stage === "all" && clients > 1;
  const load = clients === 1 ? "1 client × 1 request" : `${clients} clients × ${depth}`;
  const part = stage === "all" ? "" : `, ${stage.replace("stage_", "").replace("_", " ")} alone`;
  const work = `${load}${part}${copies === "bytes" ? ", copies counted by the byte" : ""}`;
  const row = { work, control: null, ratio: null, goal: hasGoal ? `≤ ${LIMIT.toLocaleString("en")}` : null, digest };
  if (!hasValgrind()) {
    return { ...row, subject: null, reached: null, missing: "valgrind is not installed (apt-get install valgrind)" };
  }
  const median = perRequest(counted);
  const subject = { name: "gateway", median, low: median, high: median, unit: "instructions" } as const;
  return { ...row, subject, reached: hasGoal ? median <= LIMIT : null };
}

export const instructions: Bench = {
  name: "instructions",
  claim: "everything that the engine does for one request, without the cryptography, is at most 3,000 instructions",
  control: "the same packets through the orderer from JavaScript, which have to be answered alike",
  disproof: "more than 3,000 instructions per request where a batch has at least 16",
  measure: ({ smoke }) => {
    const loads = [
      [1, 1],
      [16, 1],
      [64, 1],
      [64, 8],
    ] as const;
    return loads.flatMap(([clients, depth]): Row[] => {
      const digest = checkedDigest(clients, depth);
      const whole = { clients, depth, stage: "all", copies: "vectors" } as const;
      if (smoke) {
        const work = `${clients} × ${depth}`;
        return [{ work, subject: null, control: null, ratio: null, goal: null, reached: null, digest }];
      }
      const parts = clients === 64 && depth === 1 ? stages.map((stage) => ({ ...whole, stage })) : [];
      const raw = clients > 1 ? [{ ...whole, copies: "bytes" as const }] : [];
      return [whole, ...raw, ...parts].map((counted) => rowOf(counted, digest));
    });
  },
};
