/** The order of work: every party under every load, round after round, so that a slow minute hits all alike. */
import type { Load, Party, Round, Timing } from "./party.js";

export interface Schedule {
  readonly parties: readonly Party[];
  readonly loads: readonly Load[];
  readonly rounds: number;
  readonly timing: Timing;
  readonly progress: (text: string) => void;
}

export interface Outcome {
  /** by id of the party and name of the load */
  readonly results: ReadonlyMap<string, Readonly<Record<string, readonly Round[]>>>;
  /** parties that failed on the way: what they measured before is not used */
  readonly failures: ReadonlyMap<string, string>;
}

/** Java and JavaScript become fast while they run: every party is driven for a while before anything counts. */
const WARM_UP: Load = { name: "warm-up", clients: 64, seats: 64, holdMs: 0 };
const WARM_UP_SECONDS = 3;

/** The first party of each round is another one, so that none is always the one after the same other. */
export function rotated<T>(items: readonly T[], by: number): T[] {
  const cut = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(cut), ...items.slice(0, cut)];
}

export async function runRounds({ parties, loads, rounds, timing, progress }: Schedule): Promise<Outcome> {
  const results = new Map<string, Record<string, Round[]>>(parties.map((party) => [party.id, {}]));
  const failures = new Map<string, string>();
  const attempt = async (party: Party, load: Load, how: Timing): Promise<Round | null> => {
    if (failures.has(party.id)) return null;
    try {
      return await party.round(load, how);
    } catch (error) {
      failures.set(party.id, error instanceof Error ? error.message : String(error));
      results.delete(party.id);
      return null;
    }
  };
  for (const party of parties) {
    progress(`warming up ${party.id}`);
    await attempt(party, WARM_UP, { seconds: WARM_UP_SECONDS, warmUpSeconds: 0.1 });
  }
  for (let round = 0; round < rounds; round++) {
    for (const load of loads) {
      for (const party of rotated(parties, round)) {
        progress(`round ${round + 1}/${rounds}  ${load.name} clients  ${party.id}`);
        const result = await attempt(party, load, timing);
        if (result !== null) ((results.get(party.id) ?? {})[load.name] ??= []).push(result);
      }
    }
  }
  return { results, failures };
}
