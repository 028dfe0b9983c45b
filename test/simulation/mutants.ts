/**
 * Every rule of the protocol, left out: for each there must be a schedule that breaks the system. The directed
 * schedules are tried first, then random ones.
 */
import { allRules, type ProtocolRules } from "../../ts/wire/rules.js";
import { directed } from "./directed/index.js";
import { runDirected } from "./directed/script.js";
import { planOf } from "./plan.js";
import { allSimRules, type SimRules } from "./sim-rules.js";
import { World } from "./world.js";

export type RuleName = keyof ProtocolRules | keyof SimRules;

/** What broke first without the rule. */
export interface Killed {
  readonly rule: RuleName;
  /** a directed schedule's name, or `seed N` */
  readonly by: string;
  readonly invariant: string;
  readonly what: string;
}

/** In words that a reader knows the protocol by. */
export const ruleTexts: Readonly<Record<RuleName, string>> = {
  promiseFences: "a promise does not fence appends",
  epochBeforeLength: "recovery takes the longest log",
  longestOfNewest: "recovery takes what two agree on",
  graceForThird: "the third promise is not waited for",
  restamp: "Sync does not re-stamp the log",
  twoSynced: "service begins with one upstream in step",
  answersKept: "request ids are known to the TMR server only",
  membersOnly: "a promise of a replaced disk counts",
  blankAbstains: "a blank disk votes",
  admissionByNewEpoch: "a lost disk is refilled in the current epoch",
  twoHolders: "one holder is enough for a license",
  leasesOnLogTime: "leases run on a wall clock",
  logTimeContinues: "log time begins anew with each leader",
  calendarMedian: "one clock sets the calendar",
  leaseFromFirstSending: "the client counts its lease from the answer",
  leaseAllowsForDrift: "the client trusts its clock's rate",
  snapshotsVoted: "a snapshot is taken on one upstream's word",
  timeNeedsQuorum: "sessions expire during an outage",
  marksChecked: "what was answered may be missing",
  entriesMaced: "entries are not MACed",
  epochsNeverReused: "an epoch is used again after a restart",
  fsyncBeforeReply: "an upstream replies before fsync",
  twoVotes: "one vote is enough",
  readsOrdered: "reads are answered from memory",
};

export const ruleNames = Object.keys(ruleTexts) as readonly RuleName[];

export function without(rule: RuleName): { rules?: Partial<ProtocolRules>; simRules?: Partial<SimRules> } {
  if (rule in allRules) return { rules: { [rule]: false } };
  if (rule in allSimRules) return { simRules: { [rule]: false } };
  throw new RangeError(`no rule ${rule}`);
}

/** The first schedule that breaks the system without the rule; null when none up to `maxSeeds` random ones does. */
export function kill(rule: RuleName, maxSeeds = 200): Killed | null {
  for (const scenario of directed.filter(({ shows }) => shows.includes(rule))) {
    const violation = runDirected(scenario, without(rule)).report?.violation ?? null;
    if (violation !== null) {
      return { rule, by: `"${scenario.name}"`, invariant: violation.invariant, what: violation.what };
    }
  }
  for (let seed = 1; seed <= maxSeeds; seed++) {
    const { violation } = new World(planOf(seed), without(rule)).run();
    if (violation !== null) return { rule, by: `seed ${seed}`, invariant: violation.invariant, what: violation.what };
  }
  return null;
}
