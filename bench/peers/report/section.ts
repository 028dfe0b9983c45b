/** The section of docs/benchmarks.md: method, machine, tables, what must be known to read them. */
import type { RunDocument } from "./document.js";
import { spread } from "./statistics.js";
import { comparisonTables, guaranteesTable } from "./table.js";

export const HEADING = "## Against its peers";
const PREAMBLE = "# Benchmarks\n";

/** Everything below the heading. `chart` is the chart's path as the document links it. */
export function sectionText(document: RunDocument, chart: string): string {
  return [
    HEADING,
    method(document),
    comparisonTables(document, "durable"),
    comparisonTables(document, "volatile"),
    `![Checkouts per second by clients](${chart})`,
    guaranteesTable(document),
    notes(document),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

/** Puts the section in the place of the one that is there, or at the end. */
export function withSection(text: string, section: string): string {
  const before = text === "" ? PREAMBLE : text;
  const begin = before.indexOf(`${HEADING}\n`);
  if (begin < 0) return `${before.trimEnd()}\n\n${section}\n`;
  const next = before.indexOf("\n## ", begin + HEADING.length);
  const rest = next < 0 ? "" : before.slice(next);
  return `${before.slice(0, begin)}${section}\n${rest}`;
}

function method(document: RunDocument): string {
  const { machine, timing, rounds, takenAt, versions } = document;
  return `Taken ${takenAt.slice(0, 10)} with \`npm run bench:peers -- --rounds ${rounds} --seconds ${timing.seconds}\` on
${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, Linux ${machine.kernel}, Node ${machine.node}; data on
${machine.fileSystem}, where writing 4 KiB and fdatasync take ${machine.fdatasyncMs.toFixed(2)} ms (median).
${versions.length === 0 ? "" : `Peers: ${versions.join(", ")}.`}

**The work.** N clients, each in a closed loop: take a license, give it back. One checkout is the pair. There are as many
seats as clients, so nobody is refused; in the contended load 64 clients want 32 seats and hold each for 3 ms (who is
refused tries again after about 1 ms), and the load generator counts by itself how many are out at once. Each client has
a connection of its own with one request in flight; only PostgreSQL's share 32 (8 where nothing waits for the disk), as
behind a pooler: the fastest numbers of those tried.

**The run.** All servers are started once and driven for 3 s each before anything counts. In each of ${rounds} rounds every party meets every load for ${timing.seconds} s after
${timing.warmUpSeconds} s of warm-up, one at a time, each round beginning with another party. A figure is the median of the rounds;
a ratio is the median of the ratios within the rounds, above 1 where ours is ahead. Servers and load generator share the
cores, so throughput is what is left of the machine when both are paid; the last table of each part says who took what.

**The clients** of peers are written for this (\`bench/peers/load\`, C++, one thread, one epoll, as is the generator that
drives ours): no general library between, etcd and ZooKeeper asked at their leader, every client's first attempt for a
seat of its own, Redis answered when two of three are. Each is the cheapest honest form that we know.`;
}

/** A run beside other work is worth something only as a comparison, and says so. */
function busyNote({ machine }: RunDocument): string {
  if (machine.loadAverage < machine.cores / 2) return "";
  return (
    `Other work was going on when the run began (load average ${machine.loadAverage.toFixed(1)} on ${machine.cores} cores): every figure is ` +
    "lower, and every latency higher, than on a quiet machine."
  );
}

function notes(document: RunDocument): string {
  const shares = document.parties.flatMap((party) =>
    Object.values(party.rounds).map((rounds) => spread(rounds.map((round) => round.checkoutsPerSecond))),
  );
  const worst = shares.length === 0 ? 0 : Math.max(...shares);
  const absent = document.absent.map(({ name, reason }) => `${name} (${reason})`).join(", ");
  const lines = [
    "One machine plays all machines: no network is between, three syncs share one disk, and five to nine processes share " +
      `${document.machine.cores} cores. This hurts who runs more processes, ours first.`,
    `The machine is noisy: between rounds, throughput of one party under one load differed by up to ±${Math.round(worst * 100)} %. ` +
      "Ratios within a round are steadier than figures.",
    busyNote(document),
    `All servers together took ${document.idleCores.toFixed(2)} cores while nobody asked them anything (heartbeats, timers).`,
    "etcd, Redis, ZooKeeper and PostgreSQL run without TLS, as most do on a plant's own network; ours always encrypts.",
    "HAProxy and the echo grant everything: their row is the price of one hop, not of a license. Without a hold, or with an " +
      "echo, `most seats out` says nothing.",
    absent === "" ? "" : `Not there: ${absent}.`,
  ];
  return [
    "### What must be known to read this",
    lines
      .filter((line) => line !== "")
      .map((line) => `- ${line}`)
      .join("\n"),
  ].join("\n\n");
}
