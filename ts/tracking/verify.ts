/** Reads folders of tracking files whole: every event once, and every fault. */

import { type Attestations, attestationsIn, joined } from "./attestations.js";
import { Findings } from "./findings.js";
import { type Entry, findSeries, type NamedReader, SeriesReader } from "./read-series.js";
import { type UnionCounts, union } from "./union.js";

/** What one Firm Code has in these folders. */
export interface FirmSummary extends Readonly<UnionCounts> {
  readonly firm: number;
  readonly servers: readonly string[];
  /** lines of all its series */
  readonly lines: number;
}

export interface Verdict {
  readonly findings: Findings;
  readonly firms: readonly FirmSummary[];
  /** base64url public keys that the files name */
  readonly keys: readonly string[];
}

/**
 * Verifies everything in the folders and hands each event to `use`, per Firm Code in the order of their numbers. `keys`:
 * base64url public keys of the servers; none: those that the files name themselves. `live`: what the running system attested
 * before the files are read.
 */
export function readTracking(
  readers: readonly NamedReader[],
  keys: readonly string[],
  use: (entry: Entry) => void = () => undefined,
  live: Attestations = new Map(),
): Verdict {
  const findings = new Findings();
  const series = findSeries(readers);
  const attested = joined(attestationsIn(series), live);
  const firms = new Map<number, SeriesReader[]>();
  for (const one of series) {
    const reader = new SeriesReader(one, keys, attested.get(one.name) ?? new Map(), findings);
    firms.set(reader.firm, [...(firms.get(reader.firm) ?? []), reader]);
  }
  const summaries: FirmSummary[] = [];
  for (const [firm, of] of [...firms].sort(([a], [b]) => a - b)) {
    const counts = { events: 0, twice: 0, lost: 0 };
    for (const entry of union(of, findings, counts)) use(entry);
    const heads = of.flatMap(({ head }) => head ?? []);
    const lines = heads.reduce((sum, head) => sum + head.lines, 0);
    summaries.push({ firm, servers: heads.map(({ server }) => server), lines, ...counts });
    tellCounts(firm, counts, findings);
  }
  for (const name of attested.keys()) {
    if (series.some((one) => one.name === name)) continue;
    if (live.has(name))
      findings.fault(name, 0, "is a series that the running system attests, and in none of these folders");
    else findings.note(`The series ${name} exists and is not in these folders.`);
  }
  const named = [...firms.values()].flat().flatMap(({ head }) => (head === null || head.key === "" ? [] : [head.key]));
  return { findings, firms: summaries, keys: [...new Set(named)] };
}

function tellCounts(firm: number, { twice, lost }: UnionCounts, findings: Findings): void {
  if (twice > 0) findings.note(`Firm Code ${firm}: ${twice} events were written by both servers alike and count once.`);
  if (lost > 0) findings.note(`Firm Code ${firm}: ${lost} events went unwritten; the TMR system itself says so.`);
}
