/**
 * The events of one Firm Code from the series of all servers that wrote them: each once, in the order of their numbers. What
 * two servers wrote alike, because one died before the system knew that it had written, is one event. A number that
 * is in none of them is a fault, unless the system itself says that it was lost, or a signed head that it was removed.
 */
import type { Findings } from "./findings.js";
import type { Range } from "./lines.js";
import type { Entry, SeriesReader } from "./read-series.js";

/** What was counted on the way. */
export interface UnionCounts {
  events: number;
  /** written by two servers alike */
  twice: number;
  /** the system says that they went unwritten */
  lost: number;
}

/** Goes through the events once; `counts` is complete at the end. */
export function* union(readers: readonly SeriesReader[], findings: Findings, counts: UnionCounts): Generator<Entry> {
  const streams = readers.map((reader) => reader.entries());
  const next = streams.map((stream) => take(stream));
  const removed = readers.flatMap((reader) => [...reader.removed]);
  const lost: Range[] = [];
  let last: Entry | null = null;
  for (;;) {
    const index = firstOf(next);
    const entry = next[index];
    if (entry === undefined || entry === null) return;
    next[index] = take(streams[index] as Generator<Entry, void>);
    if (entry.lost !== null) {
      lost.push(entry.lost);
      continue;
    }
    if (last !== null && last.since === entry.since && last.number === entry.number) {
      counts.twice += 1;
      if (!isSame(last, entry)) {
        findings.fault(entry.file, entry.line, `says otherwise what event ${entry.number} was than ${placeOf(last)}`);
      }
      continue;
    }
    if (last !== null && last.since !== entry.since) lost.length = 0;
    const before: number = last !== null && last.since === entry.since ? last.number : 0;
    counts.lost += checkNumbers([before + 1, entry.number - 1], lost, removed, entry, findings);
    last = entry;
    counts.events += 1;
    yield entry;
  }
}

function take(stream: Iterator<Entry, void>): Entry | null {
  const result: IteratorResult<Entry, void> = stream.next();
  return result.done === true ? null : result.value;
}

function firstOf(entries: readonly (Entry | null)[]): number {
  let first = -1;
  entries.forEach((entry, i) => {
    const best = entries[first] ?? null;
    if (entry !== null && (best === null || isBefore(entry, best))) first = i;
  });
  return first;
}

/** A gap comes before the event of its last number, which another server may have written. */
function isBefore(a: Entry, b: Entry): boolean {
  if (a.since !== b.since) return a.since < b.since;
  return a.number === b.number ? a.lost !== null && b.lost === null : a.number < b.number;
}

/** Users, hosts and stations may be hidden in one series and not in the other; all else must be alike. */
function isSame(a: Entry, b: Entry): boolean {
  const visible = ({ members }: Entry): string => {
    const { user: _user, host: _host, station: _station, ...rest } = members;
    return JSON.stringify(rest);
  };
  return visible(a) === visible(b);
}

/** Returns how many of the missing numbers the system says are lost. */
function checkNumbers(
  [from, to]: Range,
  lost: readonly Range[],
  removed: readonly Range[],
  behind: Entry,
  findings: Findings,
): number {
  let count = 0;
  for (let number = from; number <= to; ) {
    const isLost = endOfRange(lost, number);
    const end = Math.min(to, isLost ?? endOfRange(removed, number) ?? endOfHole([...lost, ...removed], number, to));
    if (isLost !== null) count += end - number + 1;
    else if (endOfRange(removed, number) === null) {
      const which = number === end ? `event ${number} is` : `events ${number} to ${end} are`;
      findings.fault(
        behind.file,
        behind.line,
        `${which} missing before this one, in all series of Firm Code ${behind.firm}`,
      );
    }
    number = end + 1;
  }
  return count;
}

/** The end of the range that has this number, or null. */
function endOfRange(ranges: readonly Range[], number: number): number | null {
  const range = ranges.find(([from, to]) => from <= number && number <= to);
  return range?.[1] ?? null;
}

function endOfHole(ranges: readonly Range[], number: number, to: number): number {
  const starts = ranges.map(([from]) => from).filter((from) => from > number);
  return Math.min(to, ...starts.map((from) => from - 1));
}

function placeOf({ file, line }: Entry): string {
  return `${file} line ${line}`;
}
