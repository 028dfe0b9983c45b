/**
 * Signatures for borrowed licenses (kind `attest`): the upstreams are asked over their links, each signs what its own state
 * says, and the client gets two that agree. Nothing is ordered: what is borrowed is in the log already.
 */
import type { Settle } from "../server/local-requests.js";
import { BorrowVotes } from "../wire/borrow-votes.js";
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
  /** True for a genuine signature by the signing key of this upstream. */
  isGenuine(upstream: UpstreamId, document: Uint8Array, signature: Uint8Array): boolean;
}

interface UnderWay {
  readonly votes: BorrowVotes;
  readonly asked: readonly UpstreamId[];
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
    this.#underWay.set(ask, { votes: new BorrowVotes(handle, 2), asked, untilMs: nowMs + PATIENCE_MS, settle });
    for (const upstream of asked) this.#ports.send(upstream, { type: "attest", ask, handle });
  }

  /** An upstream has answered; what does not belong to a question, or is not signed by its key, counts for nothing. */
  attested(upstream: UpstreamId, { ask, document, signature, certificate }: LinkMessageOf<"attested">): void {
    const one = this.#underWay.get(ask);
    if (one === undefined || !one.asked.includes(upstream)) return;
    const isShort = certificate.length <= MAX_CERTIFICATE_BYTES && signature.length <= MAX_CERTIFICATE_BYTES;
    const isSigned = isShort && signature.length > 0 && this.#ports.isGenuine(upstream, document, signature);
    // Views on a message that is gone after this turn.
    const vote = isSigned ? { signature: Buffer.from(signature), certificate: Buffer.from(certificate) } : unsigned;
    one.votes.add(upstream, { document: Buffer.from(document), ...vote });
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
