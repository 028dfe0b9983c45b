/** `npm run bench:peers -- …` */
import { parseArgs } from "node:util";
import { LOADS, type Load } from "./party.js";

export const USAGE = `usage: npm run bench:peers -- [options]
  --rounds N       how often every party meets every load, default 5
  --seconds N      how long each is measured in a round, default 2; fractions are allowed
  --only A,B       these parties: tmr, tmr-nosync, etcd-disk, etcd-memory, redis-fsync, redis-memory, zookeeper-disk,
                   zookeeper-memory, postgres-sync, postgres-async, fastify-full, fastify-normal, haproxy
  --loads A,B      these loads: 1, 16, 64, 256, contended
  --json           print one JSON document with every round
  --from A,B       measure nothing: show runs that --json printed into these files as one
  --write          put the tables into docs/benchmarks.md and the chart beside it
`;

export interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly only: readonly string[] | null;
  readonly loads: readonly Load[];
  readonly json: boolean;
  readonly from: readonly string[];
  readonly write: boolean;
}

/** Throws a TypeError that says what was expected. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string" },
      seconds: { type: "string" },
      only: { type: "string" },
      loads: { type: "string" },
      json: { type: "boolean", default: false },
      from: { type: "string" },
      write: { type: "boolean", default: false },
    },
  });
  return {
    rounds: Math.floor(number("rounds", values.rounds, 5, 1, 100)),
    seconds: number("seconds", values.seconds, 2, 0.1, 600),
    only: values.only === undefined ? null : list(values.only),
    loads: values.loads === undefined ? LOADS : list(values.loads).map(loadOf),
    json: values.json,
    from: list(values.from ?? ""),
    write: values.write,
  };
}

function list(text: string): string[] {
  return text.split(",").filter((part) => part !== "");
}

function loadOf(name: string): Load {
  const load = LOADS.find((each) => each.name === name);
  if (load === undefined)
    throw new TypeError(`--loads: expected ${LOADS.map((each) => each.name).join(", ")}, received ${name}`);
  return load;
}

function number(name: string, text: string | undefined, fallback: number, min: number, max: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (text?.trim() !== "" && value >= min && value <= max) return value;
  throw new TypeError(`--${name}: expected a number from ${min} to ${max}, received ${JSON.stringify(text)}`);
}
