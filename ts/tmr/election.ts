/**
 * How an epoch begins: promises are asked for, a system that never ran is founded, one log is chosen, and blank disks
 * are admitted (protocol.md rules 1, 2, 8, 17).
 */
import type { LinkMessageOf } from "../wire/link.js";
import type { Alignment } from "./alignment.js";
import {
  type Answers,
  type Choice,
  choose,
  foundingMembers,
  memberOf,
  sameBytes,
  type UpstreamId,
  upstreamIds,
  withMember,
} from "./choose.js";
import { believable, nextEpoch } from "./epoch.js";
import type { Peer } from "./peer.js";
import type { Admission, Mark, Term } from "./term.js";

/** How long the last member is waited for before a blank disk is forced in without it, in suspect times. */
const FORCED_GRACE_SUSPECTS = 5;

export class Election {
  /** The highest carried point that this server was told of: a log without it is not served. */
  mark: Mark | null = null;
  readonly #term: Term;
  readonly #alignment: Alignment;
  /** Incarnations of blank upstreams known before this epoch was prepared: only these may be admitted by it (rule 8). */
  #admissible = new Map<UpstreamId, Uint8Array>();
  #graceUntilMs: number | null = null;
  /** What an operator forces in this epoch; null: nothing. */
  #forced: Admission | null = null;
  /** Whether the system was known to be founded when this epoch was prepared. */
  #knewFounded = false;

  constructor(term: Term, alignment: Alignment) {
    this.#term = term;
    this.#alignment = alignment;
  }

  /** Takes a new epoch, in which an operator may force what the rules alone would not do (rule 8). */
  prepare(nowMs: number, forced: Admission | null = null): void {
    if (this.#term.phase === "active") this.#term.actions.push({ type: "suspended", epoch: this.#term.epoch });
    this.#term.ordering.deactivate();
    const { epoch: used, twin } = this.#term;
    const promised = upstreamIds.map((id) => this.#term.peers[id].promised);
    this.#term.epoch = nextEpoch(twin, used, ...believable(used, promised));
    this.#term.phase = "preparing";
    this.#knewFounded = this.#term.founded;
    this.#term.choice = null;
    this.#graceUntilMs = null;
    this.#forced = forced;
    this.#term.renewAtMs = null;
    this.#term.forgetCheckpoint();
    this.#term.actions.push({ type: "use-epoch", epoch: this.#term.epoch });
    this.#admissible = new Map();
    for (const id of upstreamIds) {
      const peer = this.#term.peers[id];
      if (peer.answer?.type === "blank" && peer.connected) this.#admissible.set(id, peer.answer.incarnation);
      peer.forget();
      peer.failedSources.clear();
      if (!peer.connected || peer.phase === "quarantined") continue;
      if (this.canDoWithout(peer, nowMs)) peer.phase = "silent";
      else this.ask(peer, nowMs);
    }
  }

  /** It did not give its log lately, and there are two others. */
  canDoWithout(peer: Peer, nowMs: number): boolean {
    const others = upstreamIds.filter((id) => id !== peer.id).map((id) => this.#term.peers[id]);
    const able = others.every((other) => other.connected && other.phase !== "quarantined" && other.phase !== "blank");
    return nowMs < peer.passedOverUntilMs && able;
  }

  ask(peer: Peer, nowMs: number): void {
    peer.forget();
    peer.phase = "asked";
    peer.waitingSinceMs = nowMs;
    this.#term.send(peer, { type: "prepare", epoch: this.#term.epoch, ask: ++peer.ask });
  }

  promised(peer: Peer, promise: LinkMessageOf<"promise">, nowMs: number): void {
    peer.promised = Math.max(peer.promised, promise.epoch);
    if ((peer.phase !== "asked" && peer.phase !== "blank") || promise.ask !== peer.ask) return;
    if (peer.distrusted !== null && sameBytes(promise.incarnation, peer.distrusted)) {
      peer.forget();
      peer.phase = "quarantined";
      return;
    }
    // Left out with the rule in a simulation: then logEpoch is not the one that was stamped.
    if (this.#term.rules.restamp && !this.#term.stamps.fits(promise, peer.id)) {
      this.#term.distrust(peer, promise.incarnation);
      return this.#term.alarm({ alarm: "forged-promise", upstream: peer.id });
    }
    if (this.#lacksAcknowledged(peer, promise)) {
      this.#term.distrust(peer, promise.incarnation);
      return this.#term.alarm({ alarm: "rolled-back", upstream: peer.id });
    }
    peer.answer = { type: "promise", promise };
    peer.waitingSinceMs = null;
    peer.phase = "promised";
    peer.logEpoch = promise.logEpoch;
    peer.end = { position: promise.position, digest: promise.digest };
    if (this.#term.phase === "preparing") return this.considerChoice(nowMs);
    // Once the log is chosen, a later promise joins what is under way, if its disk is still the member.
    if (!sameBytes(promise.incarnation, this.#term.memberOf(peer.id))) return this.#void(peer, promise.incarnation);
    if (promise.logEpoch === this.#term.epoch && this.#alignment.resume(peer, nowMs)) return;
    this.#alignment.bring(peer, nowMs);
  }

  /** Rule 17: this server saw it acknowledge more, and no later epoch has told it to drop that. */
  #lacksAcknowledged(peer: Peer, { incarnation, logEpoch, position }: LinkMessageOf<"promise">): boolean {
    const { rules, servedEpoch, servedMembers, ordering } = this.#term;
    // A disk that was not a member then acknowledged nothing: the system may have been founded anew since.
    if (!sameBytes(incarnation, memberOf(servedMembers, peer.id))) return false;
    return rules.marksChecked && logEpoch <= servedEpoch && position < ordering.acknowledged(peer.id);
  }

  blank(peer: Peer, incarnation: Uint8Array, nowMs: number): void {
    peer.answer = { type: "blank", incarnation: Uint8Array.from(incarnation) };
    peer.distrusted = null;
    peer.waitingSinceMs = null;
    peer.phase = "blank";
    peer.end = { position: 0, digest: new Uint8Array(32) };
    peer.logEpoch = 0;
    if (this.#term.phase === "preparing") return this.considerChoice(nowMs);
    this.considerAdmission(peer, nowMs);
  }

  /** Admission takes a new epoch that both others promise after the disk was emptied: now, when both are in step. */
  considerAdmission(peer: Peer, nowMs: number): void {
    if (this.#term.phase !== "active" || peer.phase !== "blank") return;
    const incarnation = peer.answer?.type === "blank" ? peer.answer.incarnation : null;
    if (incarnation === null) return;
    if (sameBytes(incarnation, this.#term.memberOf(peer.id))) return this.#alignment.bring(peer, nowMs);
    if (!this.#term.rules.admissionByNewEpoch) {
      this.#term.members = withMember(this.#term.members, peer.id, incarnation);
      return this.#alignment.bring(peer, nowMs);
    }
    if (this.#term.streaming().length === 2) this.#term.renewFor(peer, nowMs);
  }

  considerChoice(nowMs: number): void {
    const answers = new Map(
      upstreamIds.flatMap((id) => {
        const { answer } = this.#term.peers[id];
        return answer === null ? [] : [[id, answer] as const];
      }),
    );
    const allBlank = answers.size === 3 && [...answers.values()].every((answer) => answer.type === "blank");
    // Asked before this server knew, they may have answered before the other twin founded the system.
    const anew = this.#forced === "all";
    if (allBlank && this.#term.founded && this.#knewFounded && !anew) return this.#term.alarm({ alarm: "all-blank" });
    const founders = this.#term.founded && !anew ? null : foundingMembers(answers);
    if (founders !== null) return this.#found(founders, nowMs);
    const choice = choose(answers, this.#term.rules, this.#forcedIn(answers));
    if (choice === null) {
      if (answers.size === 3 && this.#knewFounded === this.#term.founded)
        this.#term.alarm({ alarm: "members-missing" });
      return;
    }
    const allAnswered =
      answers.size === 3 || upstreamIds.every((id) => this.#cannotPromise(this.#term.peers[id], answers.has(id)));
    if (!allAnswered && this.#term.rules.graceForThird) {
      // One that is only slow must not lose what it knows to an operator who believes that it is away.
      const { graceMs, suspectMs } = this.#term.timing;
      this.#graceUntilMs ??= nowMs + (choice.valid.size < 2 ? FORCED_GRACE_SUSPECTS * suspectMs : graceMs);
      if (nowMs < this.#graceUntilMs) return;
    }
    this.#take(choice, nowMs);
  }

  /** The upstream that an operator admits, if it is still the blank disk that it was then. */
  #forcedIn(answers: Answers): UpstreamId | null {
    const forced = this.#forced;
    if (forced === null || forced === "all") return null;
    const answer = answers.get(forced);
    const incarnation = this.#admissible.get(forced);
    const same = answer?.type === "blank" && incarnation !== undefined && sameBytes(answer.incarnation, incarnation);
    return same ? forced : null;
  }

  #cannotPromise(peer: Peer, answered: boolean): boolean {
    return answered || ["quarantined", "refusing", "silent"].includes(peer.phase);
  }

  #found(members: Uint8Array, nowMs: number): void {
    for (const id of upstreamIds) {
      const peer = this.#term.peers[id];
      if (peer.answer?.type !== "blank" || peer.waitingSinceMs !== null) continue;
      peer.waitingSinceMs = nowMs;
      this.#term.send(peer, { type: "found", epoch: this.#term.epoch, ask: ++this.#term.peers[id].ask, members });
    }
  }

  #take(choice: Choice, nowMs: number): void {
    const { promise } = choice;
    const mark = this.mark;
    const sameEnd = mark !== null && mark.position === promise.position;
    if (
      this.#term.rules.marksChecked &&
      mark !== null &&
      mark.position > this.#term.forgiven &&
      (mark.position > promise.position || (sameEnd && !sameBytes(mark.digest, promise.digest)))
    ) {
      this.#term.alarm({ alarm: "answered-missing", position: mark.position });
      return this.#term.leave("stopped");
    }
    this.#term.choice = choice;
    this.#term.members = this.#membersFor(choice);
    this.#term.phase = "syncing";
    for (const id of upstreamIds) {
      const peer = this.#term.peers[id];
      if (choice.valid.has(id) || choice.forced === id) this.#alignment.bring(peer, nowMs);
      else if (peer.answer?.type === "promise") this.#void(peer, peer.answer.promise.incarnation);
    }
  }

  /** The disk was replaced since: what comes back is an old one, which is emptied like a lost disk (rules 8 and 11). */
  #void(peer: Peer, incarnation: Uint8Array): void {
    this.#term.distrust(peer, incarnation);
    this.#term.alarm({ alarm: "void-promise", upstream: peer.id });
  }

  /** The chosen members; a blank upstream takes its place when it was known to be blank before the epoch (rule 8). */
  #membersFor(choice: Choice): Uint8Array {
    return [...this.#admissible].reduce((members, [id, incarnation]) => {
      const others = upstreamIds.filter((other) => other !== id);
      const { answer } = this.#term.peers[id];
      const stillBlank = answer?.type === "blank" && sameBytes(answer.incarnation, incarnation);
      const vouched = choice.forced === id || others.every((other) => choice.valid.has(other));
      return stillBlank && vouched ? withMember(members, id, incarnation) : members;
    }, choice.promise.members);
  }
}
