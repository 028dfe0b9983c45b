/** The tables of a run in Markdown; the same text is printed and written to docs/benchmarks.md. */
import type { Load, Persistence, Round } from "../party.js";
import type { PartyRounds, RunDocument } from "./document.js";
import { medianRound, ratioOfRounds } from "./statistics.js";

/** `9,452`; below 100 with a digit behind the point. */
export function quantity(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(value >= 10 ? 1 : 2);
}

/** `8.2×`; from ten on without a digit behind the point. */
export function times(ratio: number): string {
  return `${ratio.toFixed(ratio >= 10 ? 0 : ratio >= 1 ? 1 : 2)}×`;
}

/** A Markdown table; the first columns are text, the others are numbers. */
export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  textColumns: number = 1,
): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, i) => (i < textColumns ? "---" : "---:"));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

function loadTitle(load: Load): string {
  if (load.holdMs > 0) return `${load.clients} clients, ${load.seats} seats, ${load.holdMs} ms`;
  return load.clients === 1 ? "1 client" : `${load.clients} clients`;
}

/** Ours of the same kind, and who is compared with it. HAProxy keeps nothing and stands in both tables. */
export function groupOf(document: RunDocument, kind: Exclude<Persistence, "none">): PartyRounds[] {
  const members = document.parties.filter((party) => party.persistence === kind || party.persistence === "none");
  return members.sort((a, b) => Number(b.ours) - Number(a.ours));
}

interface Figure {
  readonly pick: (round: Round) => number;
  readonly better: "more" | "less";
}

const throughput: Figure = { pick: (round) => round.checkoutsPerSecond, better: "more" };
const tail: Figure = { pick: (round) => round.p99Ms, better: "less" };
const serverCpu: Figure = { pick: (round) => round.serverCpuUs, better: "less" };

/** `1,474 (8.2×)`: the party's own figure, and how many times better ours is. */
function compared(group: readonly PartyRounds[], party: PartyRounds, load: Load, figure: Figure): string {
  const rounds = party.rounds[load.name] ?? [];
  if (rounds.length === 0) return "–";
  const value = quantity(figure.pick(medianRound(rounds)));
  if (party.ours) return `**${value}**`;
  const ours = group.find((other) => other.ours)?.rounds[load.name] ?? [];
  const ratio = ratioOfRounds(ours, rounds, figure.pick, figure.better);
  return ratio === null ? value : `${value} (${times(ratio)})`;
}

function latency(party: PartyRounds, load: Load, group: readonly PartyRounds[]): string {
  const rounds = party.rounds[load.name] ?? [];
  return rounds.length === 0 ? "–" : `${quantity(medianRound(rounds).p50Ms)} / ${compared(group, party, load, tail)}`;
}

function throughputTable(document: RunDocument, group: readonly PartyRounds[]): string {
  const rows = group.map((party) => [
    party.name,
    ...document.loads.map((load) => compared(group, party, load, throughput)),
  ]);
  return markdownTable(["checkouts per second (ours / theirs)", ...document.loads.map(loadTitle)], rows);
}

function latencyTable(document: RunDocument, group: readonly PartyRounds[]): string {
  const rows = group.map((party) => [party.name, ...document.loads.map((load) => latency(party, load, group))]);
  return markdownTable(
    ["p50 / p99 of a checkout in ms (theirs / ours at p99)", ...document.loads.map(loadTitle)],
    rows,
  );
}

function costTable(document: RunDocument, group: readonly PartyRounds[]): string {
  const load = document.loads.find(({ name }) => name === "64") ?? document.loads[0];
  const contended = document.loads.find(({ holdMs }) => holdMs > 0);
  if (load === undefined) return "";
  const rows = group.map((party) => {
    const rounds = party.rounds[load.name] ?? [];
    const scarce = contended === undefined ? [] : (party.rounds[contended.name] ?? []);
    const middle = rounds.length === 0 ? null : medianRound(rounds);
    const hop = middle?.hopCpuUs ?? null;
    return [
      party.name,
      compared(group, party, load, serverCpu),
      hop === null ? "–" : quantity(hop),
      middle === null ? "–" : quantity(middle.generatorCpuUs),
      scarce.length === 0 ? "–" : String(medianRound(scarce).mostOut),
    ];
  });
  const head = [
    `CPU µs per checkout, ${loadTitle(load)}`,
    "all server processes (theirs / ours)",
    "of that, the process in the middle",
    "load generator",
    `most seats out of ${contended?.seats ?? 0}`,
  ];
  return markdownTable(head, rows);
}

const titles = {
  durable: "### Every answer on disk",
  volatile: "### Nothing waits for a disk",
} as const;

/** The three tables of one kind of persistence; empty where nobody of that kind took part. */
export function comparisonTables(document: RunDocument, kind: keyof typeof titles): string {
  const group = groupOf(document, kind);
  if (!group.some((party) => party.persistence === kind)) return "";
  return [
    titles[kind],
    throughputTable(document, group),
    latencyTable(document, group),
    costTable(document, group),
  ].join("\n\n");
}

/** Who keeps what, and what each does not do that ours does. */
export function guaranteesTable(document: RunDocument): string {
  const rows = document.parties.map((party) => [party.name, party.persists, party.ours ? "–" : party.lacks]);
  return [
    "### What an answer means",
    `Ours: one sequencer and three upstreams that each apply the same log; an answer is what two of three say alike, so that
one server that is wrong changes nothing; both hops encrypted and authenticated; a request that is repeated after a lost
answer is executed once; seats of a client that died come back; the server itself may die.`,
    markdownTable(["", "when the client has its answer, it is", "what is missing, compared with ours"], rows, 3),
  ].join("\n\n");
}
