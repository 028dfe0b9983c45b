/** What a run leaves behind: every round as it was, and what is needed to read it. `--json` prints it. */
import type { Load, PartyFacts, Round, Timing } from "../party.js";

export interface PartyRounds extends PartyFacts {
  readonly ours: boolean;
  /** by name of the load, in the order in which they were run */
  readonly rounds: Readonly<Record<string, readonly Round[]>>;
}

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  /** of the folder that holds the data, e.g. ext4 */
  readonly fileSystem: string;
  /** median time of a write of 4 KiB and fdatasync there */
  readonly fdatasyncMs: number;
  /** processes that wanted to run in the minute before the run, e.g. 0.3 on an idle machine */
  readonly loadAverage: number;
}

export interface RunDocument {
  readonly takenAt: string;
  readonly machine: Machine;
  readonly timing: Timing;
  readonly rounds: number;
  readonly loads: readonly Load[];
  readonly parties: readonly PartyRounds[];
  /** Debian packages of the peers with their versions */
  readonly versions: readonly string[];
  /** who did not take part, and why */
  readonly absent: readonly { readonly name: string; readonly reason: string }[];
  /** cores that all the servers together take when nobody asks them anything */
  readonly idleCores: number;
}

/** Several runs of one machine as one: those of the first, and what the others add. */
export function joinRuns(documents: readonly RunDocument[]): RunDocument {
  const [first] = documents;
  if (first === undefined) throw new TypeError("expected at least one run");
  const parties = new Map(documents.flatMap((document) => document.parties.map((party) => [party.id, party])));
  const absent = documents.flatMap((document) => document.absent);
  const versions = [...new Set(documents.flatMap((document) => document.versions))].sort();
  return {
    ...first,
    versions,
    parties: [...parties.values()],
    absent: absent.filter(({ name }, i) => absent.findIndex((other) => other.name === name) === i),
    idleCores: Math.max(...documents.map((document) => document.idleCores)),
  };
}
