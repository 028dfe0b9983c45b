/**
 * What an upstream puts its name to: that a license is borrowed, as its own replicated state says it. The signature counts
 * with the certificate that the firm gave the container that holds the license.
 */
import { attestMessage, readBorrowDocument } from "../wire/borrow.js";
import type { LinkMessageOf } from "../wire/link.js";
import type { LicenseState } from "./license-state.js";

/** A signature of a document and the certificate of its license. */
export interface Attestation {
  readonly signature: Uint8Array;
  readonly certificate: Uint8Array;
}

/** Signs a document. Null: the own containers do not hold the license under the terms that it was borrowed under. */
export type Attester = (document: Uint8Array) => Attestation | null;

/** A container as far as a signature needs it. */
export interface CertifiedContainer {
  readonly certificates: readonly { readonly terms: string; readonly jws: string }[];
}

/** An attester; `sign` makes an Ed25519 signature by the key that the containers are for. */
export function attesterOf(
  containers: () => readonly CertifiedContainer[],
  sign: (message: Uint8Array) => Uint8Array,
): Attester {
  return (document) => {
    const terms = readBorrowDocument(document)?.terms;
    // The digest is over all terms, actId and TMR-ID included: no other license has it.
    const certificate = containers()
      .flatMap(({ certificates }) => certificates)
      .find((each) => each.terms === terms);
    if (certificate === undefined) return null;
    return { signature: sign(attestMessage(document)), certificate: Buffer.from(certificate.jws) };
  };
}

const nothing = new Uint8Array(0);

/** The answer to a TMR server that asks about a handle. */
export function attested(
  { ask, handle }: LinkMessageOf<"attest">,
  state: Pick<LicenseState, "borrowDocument">,
  attest: Attester | undefined,
): LinkMessageOf<"attested"> {
  const document = state.borrowDocument(handle) ?? nothing;
  const attestation = document.length === 0 ? null : (attest?.(document) ?? null);
  const { signature = nothing, certificate = nothing } = attestation ?? {};
  return { type: "attested", ask, document, signature, certificate };
}
