/**
 * Signatures for borrowed licenses (kind `attest`): the upstreams are asked over their links, each signs what its own state
 * says, and the client gets two that agree. Nothing is ordered: what is borrowed is in the log already.
 */
import type { Settle } from "../server/local-requests.js";
import { type BorrowVote, BorrowVotes } from "../wire/borrow-votes.js";
import { Status } from "../wire/kinds.js";
import type { LinkMessageOf } from "../wire/link.js";
import type { UpstreamId } from "./choose.js";

/** The most that are under way; the next ones are answered `busy`. */
const MAX_UNDER_WAY = 256;
/** An upstream that does not answer for so long is not waited for: the client asks again. */
const PATIENCE_MS = 1_000;
/** Two of them and the document fit into one answer; a longer one is no certificate of ours. */
const MAX_CERTIFICATE_BYTES = 12_288;

export interface AttestationPorts {
  /** upstreams with an open link */
  connected(): readonly UpstreamId[];
  send(upstream: UpstreamId, message: LinkMessageOf<"attest">): void;
  readonly check: AttestationCheck;
}

/**
 * Says, now or later and once, whether this counts on the borrower's machine: the signature by the upstream's own key, under
 * the firm's certificate that this upstream holds such a license. One that does not must not get into a file.
 */
export type AttestationCheck = (upstream: UpstreamId, given: BorrowVote, settle: (counts: boolean) => void) => void;

interface UnderWay {
  readonly votes: BorrowVotes;
  readonly asked: readonly UpstreamId[];
  /** Those that have answered; what they said may still be being checked. */
  readonly heard: Set<UpstreamId>;
  readonly untilMs: number;
  readonly settle: Settle;
}

const nothing = Buffer.alloc(0);

export class Attestations {
  readonly #ports: AttestationPorts;
  readonly #underWay = new Map<number, UnderWay>();
  #next = 1;

  constructor(ports: AttestationPorts) {
    this.#ports = ports;
  }

  /** Asks all upstreams that are there about a handle. */
  ask(handle: number, nowMs: number, settle: Settle): void {
    const asked = this.#ports.connected();
    if (asked.length < 2) return settle(Status["no-quorum"], nothing);
    if (this.#underWay.size >= MAX_UNDER_WAY) return settle(Status.busy, nothing);
    const ask = this.#next;
    this.#next = (this.#next % 0xffff_ffff) + 1;
    const untilMs = nowMs + PATIENCE_MS;
    this.#underWay.set(ask, { votes: new BorrowVotes(handle, 2), asked, heard: new Set(), untilMs, settle });
    for (const upstream of asked) this.#ports.send(upstream, { type: "attest", ask, handle });
  }

  /** An upstream has answered; what does not belong to a question counts for nothing, what is not proven as not signed. */
  attested(upstream: UpstreamId, { ask, ...said }: LinkMessageOf<"attested">): void {
    const one = this.#underWay.get(ask);
    if (one === undefined || !one.asked.includes(upstream) || one.heard.has(upstream)) return;
    one.heard.add(upstream);
    const { signature, certificate } = said;
    const isShort = certificate.length <= MAX_CERTIFICATE_BYTES && signature.length <= MAX_CERTIFICATE_BYTES;
    // Views on a message that is gone after this turn.
    const document = Buffer.from(said.document);
    if (!isShort || signature.length === 0) return this.#count(ask, one, upstream, { document, ...unsigned });
    const given = { document, signature: Buffer.from(signature), certificate: Buffer.from(certificate) };
    this.#ports.check(upstream, given, (counts) =>
      this.#count(ask, one, upstream, counts ? given : { document, ...unsigned }),
    );
  }

  #count(ask: number, one: UnderWay, upstream: UpstreamId, vote: BorrowVote): void {
    if (this.#underWay.get(ask) !== one) return;
    one.votes.add(upstream, vote);
    this.#close(ask, one, one.asked);
  }

  /** Ends those that have waited long enough. */
  tick(nowMs: number): void {
    for (const [ask, one] of this.#underWay) if (nowMs >= one.untilMs) this.#close(ask, one, []);
  }

  #close(ask: number, { votes, settle }: UnderWay, asked: readonly UpstreamId[]): void {
    const verdict = votes.verdict(asked);
    if (verdict === null) return;
    this.#underWay.delete(ask);
    settle(verdict.status, verdict.blob);
  }
}

const unsigned = { signature: nothing, certificate: nothing };
