/**
 * `npm run bench`: the micro benchmarks. `-- NAME ...` picks some of them.
 *   --smoke   checks only that subject and control produce the same, with little input
 *   --json    the figures for programs
 *   --rounds  how many interleaved rounds, 11 by default
 *   --gate    exit code 1 when a goal is not reached
 */
import { parseArgs } from "node:util";
import { boundary } from "./boundary.js";
import { handshake } from "./handshake.js";
import { instructions } from "./instructions.js";
import { merge } from "./merge.js";
import { packet } from "./packet.js";
import { stateMachine } from "./state-machine.js";
import { benchText, jsonText, type Measured, machine } from "./support/report.js";
import { vote } from "./vote.js";

const benches = [vote, merge, packet, handshake, boundary, stateMachine, instructions];

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      smoke: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      gate: { type: "boolean", default: false },
      rounds: { type: "string", default: "11" },
    },
  });
  const unknown = positionals.filter((name) => !benches.some((bench) => bench.name === name));
  const rounds = Number(values.rounds);
  if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
    console.error(`usage: npm run bench -- [--smoke] [--json] [--gate] [--rounds N] [NAME ...]`);
    console.error(`names: ${benches.map(({ name }) => name).join(", ")}`);
    process.exitCode = 2;
    return;
  }
  const chosen = benches.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const all: Measured[] = [];
  if (!values.json) {
    const facts = Object.entries(machine()).map(([name, value]) => `${name} ${value}`);
    console.log(`${facts.join(" · ")}\n`);
  }
  for (const bench of chosen) {
    const measured = { bench, rows: bench.measure({ smoke: values.smoke, rounds }) };
    all.push(measured);
    if (!values.json) console.log(benchText(measured, values.smoke));
  }
  if (values.json) console.log(jsonText(all));
  const missed = all
    .flatMap(({ rows }) => rows)
    .filter(({ reached, missing }) => reached === false || missing !== undefined);
  if (values.gate && missed.length > 0) process.exitCode = 1;
}

main();
