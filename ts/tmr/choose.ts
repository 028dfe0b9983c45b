/**
 * What a new leader makes of the answers to its Prepare: which promises count, which log is the chosen one, and
 * whether a system that has never run may be founded. Protocol.md rules 2 and 8; pure functions.
 */
import type { LinkMessageOf } from "../wire/link.js";
import { allRules, type ProtocolRules } from "../wire/rules.js";

export type UpstreamId = 1 | 2 | 3;
export const upstreamIds: readonly UpstreamId[] = [1, 2, 3];
const INCARNATION_BYTES = 16;

/** An upstream's answer to Prepare, as far as it matters here. */
export type Answer =
  | { readonly type: "promise"; readonly promise: LinkMessageOf<"promise"> }
  | { readonly type: "blank"; readonly incarnation: Uint8Array };
export type Answers = ReadonlyMap<UpstreamId, Answer>;

/** The chosen log, and the promises that stand behind the choice. */
export interface Choice {
  readonly source: UpstreamId;
  readonly promise: LinkMessageOf<"promise">;
  readonly valid: ReadonlyMap<UpstreamId, LinkMessageOf<"promise">>;
  /** A blank upstream that an operator admits although not both others vouch for it (rule 8); null: none. */
  readonly forced: UpstreamId | null;
}

/** The incarnation that `members` names for an upstream. */
export function memberOf(members: Uint8Array, upstream: UpstreamId): Uint8Array {
  return members.subarray((upstream - 1) * INCARNATION_BYTES, upstream * INCARNATION_BYTES);
}

/** `members` with one upstream's incarnation replaced. */
export function withMember(members: Uint8Array, upstream: UpstreamId, incarnation: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(members);
  changed.set(incarnation, (upstream - 1) * INCARNATION_BYTES);
  return changed;
}

/** Byte equality of two short fields that are not secret. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/**
 * Rule 2: the log with the highest (logEpoch, length) among the promises that count. A promise counts only if its
 * incarnation is the one in the `members` of the promise with the highest logEpoch: a disk that has since been
 * replaced promised nothing (rule 8). Null while fewer than two count, or one where a blank upstream is `forced` in.
 */
export function choose(
  answers: Answers,
  rules: ProtocolRules = allRules,
  forced: UpstreamId | null = null,
): Choice | null {
  const promises = new Map<UpstreamId, LinkMessageOf<"promise">>();
  for (const [upstream, answer] of answers) if (answer.type === "promise") promises.set(upstream, answer.promise);
  const newest = [...promises.values()].reduce<LinkMessageOf<"promise"> | null>(
    (best, promise) => (best === null || promise.logEpoch > best.logEpoch ? promise : best),
    null,
  );
  if (newest === null) return null;
  const valid = new Map([...promises].filter(([upstream, promise]) => counts(upstream, promise, newest, rules)));
  if (valid.size < (forced === null ? 2 : 1)) return null;
  const [best, next] = [...valid].sort((a, b) => order(b[1], a[1], rules));
  const [source, promise] = (rules.longestOfNewest ? best : (next ?? best)) as [UpstreamId, LinkMessageOf<"promise">];
  return { source, promise, valid, forced };
}

function counts(
  upstream: UpstreamId,
  promise: LinkMessageOf<"promise">,
  newest: LinkMessageOf<"promise">,
  rules: ProtocolRules,
): boolean {
  return !rules.membersOnly || sameBytes(promise.incarnation, memberOf(newest.members, upstream));
}

/** Positive when `a` is the later log. Of equal ones the first answer stays first. */
function order(a: LinkMessageOf<"promise">, b: LinkMessageOf<"promise">, rules: ProtocolRules): number {
  return (rules.epochBeforeLength ? a.logEpoch - b.logEpoch : 0) || a.position - b.position;
}

/**
 * The members to found a system with, or null. Founding needs all three upstreams at once: each blank, or founded
 * with the same members by a leader that did not get further (its log is empty and was never synced).
 */
export function foundingMembers(answers: Answers): Uint8Array | null {
  if (answers.size !== 3 || ![...answers.values()].some((answer) => answer.type === "blank")) return null;
  const members = new Uint8Array(3 * INCARNATION_BYTES);
  for (const [upstream, answer] of answers) {
    const incarnation = answer.type === "blank" ? answer.incarnation : answer.promise.incarnation;
    members.set(incarnation, (upstream - 1) * INCARNATION_BYTES);
  }
  const continuable = [...answers.values()].every(
    (answer) =>
      answer.type === "blank" ||
      (answer.promise.logEpoch === 0 && answer.promise.position === 0 && sameBytes(answer.promise.members, members)),
  );
  return continuable ? members : null;
}
