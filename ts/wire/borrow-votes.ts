/**
 * Collects what upstreams say of a borrowed license until enough have signed the same document, or it is clear that they
 * will not. Two of three in a TMR system, the one server where there is one. Whether a signature is genuine is the
 * caller's to see.
 */
import { readBorrowDocument } from "./borrow.js";
import { asBuffer } from "./bytes.js";
import { canonicalJson } from "./canonical.js";
import { Status, type StatusCode } from "./kinds.js";

/** What one upstream says: no bytes where it has nothing to say. */
export interface BorrowVote {
  readonly document: Uint8Array;
  readonly signature: Uint8Array;
  readonly certificate: Uint8Array;
}

/** How a request for signatures ends: the proof as JSON, or why there is none. */
export interface BorrowVerdict {
  readonly status: StatusCode;
  readonly blob: Buffer;
}

export class BorrowVotes {
  readonly #handle: number;
  readonly #needed: number;
  readonly #votes = new Map<number, BorrowVote>();

  /** `needed`: how many have to sign the same. */
  constructor(handle: number, needed: 1 | 2) {
    this.#handle = handle;
    this.#needed = needed;
  }

  /** The first vote of an upstream counts. */
  add(upstream: number, vote: BorrowVote): void {
    if (!this.#votes.has(upstream)) this.#votes.set(upstream, vote);
  }

  /** Null while it is open; `asked`: the upstreams that may still answer or have. */
  verdict(asked: readonly number[]): BorrowVerdict | null {
    const said = [...this.#votes].sort(([a], [b]) => a - b).map(([, vote]) => vote);
    const unknown = said.filter(({ document }) => document.length === 0).length;
    if (unknown >= this.#needed) {
      return refusal(Status["handle-unknown"], `Nothing is borrowed as handle ${this.#handle}.`);
    }
    for (const { document } of said) {
      const same = said.filter((vote) => vote.document.length > 0 && asBuffer(vote.document).equals(document));
      const signed = same.filter(({ signature, certificate }) => signature.length > 0 && certificate.length > 0);
      if (signed.length >= this.#needed) return proof(signed.slice(0, this.#needed));
      if (same.length < this.#needed || asked.some((upstream) => !this.#votes.has(upstream))) continue;
      return refusal(
        Status["not-found"],
        `The license of handle ${this.#handle} is not in the containers any more as it was borrowed: nothing is signed.`,
      );
    }
    if (asked.some((upstream) => !this.#votes.has(upstream))) return null;
    return refusal(Status["no-quorum"], "");
  }
}

function proof(signed: readonly BorrowVote[]): BorrowVerdict {
  const document = readBorrowDocument(signed[0]?.document ?? nothing);
  if (document === null) return refusal(Status["no-quorum"], "");
  const signatures = signed.map(({ certificate, signature }) => ({
    certificate: asBuffer(certificate).toString("utf8"),
    signature: asBuffer(signature).toString("base64url"),
  }));
  return { status: Status.ok, blob: Buffer.from(canonicalJson({ document, signatures })) };
}

const nothing = new Uint8Array(0);

function refusal(status: StatusCode, sentence: string): BorrowVerdict {
  return { status, blob: Buffer.from(sentence) };
}
