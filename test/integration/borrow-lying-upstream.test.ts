/**
 * Borrowing while one upstream lies: the active TMR server collects signatures with real keys, and what the client would be
 * given is verified as its machine verifies it.
 */
import assert from "node:assert/strict";
import { sign } from "node:crypto";
import { join } from "node:path";
import { readBorrowFile, writeBorrowFile } from "../../ts/borrow/borrow-file.js";
import { checkChain } from "../../ts/borrow/verify.js";
import { ed25519PrivateKey, ed25519PublicKey } from "../../ts/config/key-files.js";
import { certificatesOf, type LicenseCertificate, signCertificate } from "../../ts/container/certificate.js";
import { faultInAttestation } from "../../ts/container/index.js";
import { type Terms, termsDigest } from "../../ts/container/terms.js";
import { Attestations } from "../../ts/tmr/attestations.js";
import type { UpstreamId } from "../../ts/tmr/choose.js";
import { attestMessage, type BorrowDocument, type BorrowProof, borrowBytes } from "../../ts/wire/borrow.js";
import type { BorrowVote } from "../../ts/wire/borrow-votes.js";
import { Status } from "../../ts/wire/kinds.js";
import { seedOf } from "../support/borrow-kit.js";
import { scratchFolder } from "../support/scratch.js";

const terms: Terms = {
  ...{ actId: 7, firmCode: 6_000_010, productCode: 13, tmrId: 5, text: "CAD", quantity: 2, featureMap: 3 },
  borrowSeconds: 60,
};
const document: BorrowDocument = {
  ...{ format: "tmr-borrow/1", system: Buffer.alloc(32).toString("base64url"), container: "131-1", actId: 7 },
  ...{ firmCode: 6_000_010, productCode: 13, tmrId: 5, itemRef: 5, featureMap: 1, quantity: 2, handle: 9 },
  ...{ terms: termsDigest(terms).toString("base64url"), user: "", host: "", station: "" },
  ...{ key: ed25519PublicKey(seedOf("ada")).toString("base64url"), fromMs: 1_000, untilMs: 61_000, revocable: false },
} as const;
const firmKey = ed25519PublicKey(seedOf("firm"));
const nameOf = (upstream: UpstreamId): string => `upstream ${upstream}`;

interface Lie {
  /** who the certificate names */
  readonly holder?: string;
  /** who has signed what was borrowed */
  readonly signer?: string;
  readonly firm?: string;
  readonly terms?: Terms;
  readonly change?: (certificate: LicenseCertificate) => LicenseCertificate;
  readonly alter?: (jws: string) => string;
  readonly signed?: BorrowDocument;
}

/** What an upstream answers, true but for the lie. */
async function answer(upstream: UpstreamId, lie: Lie = {}): Promise<BorrowVote> {
  const {
    firm = "firm",
    terms: held = terms,
    change = (same) => same,
    alter = (same) => same,
    signed = document,
  } = lie;
  const { holder = nameOf(upstream), signer = nameOf(upstream) } = lie;
  const inside = { container: `130-${upstream}`, actId: 7, firmCode: 6_000_010, firmName: "Firm", updateCounter: 1 };
  const [certificate] = certificatesOf({ ...inside, holder: ed25519PublicKey(seedOf(holder)).toString("base64url") }, [
    held,
  ]);
  assert.ok(certificate !== undefined);
  const key = ed25519PrivateKey(seedOf(firm));
  const jws = await signCertificate(change(certificate), key, ed25519PublicKey(seedOf(firm)));
  return {
    document: borrowBytes(document),
    signature: sign(null, attestMessage(borrowBytes(signed)), ed25519PrivateKey(seedOf(signer))),
    certificate: Buffer.from(alter(jws)),
  };
}

/** Asks the upstreams, the lying first one first; the proof that a client is given. */
async function borrow(answers: readonly BorrowVote[]): Promise<{ proof: BorrowProof | null; faults: string[] }> {
  const faults: string[] = [];
  const firms = [{ firmCode: 6_000_010, name: "Firm", key: firmKey }];
  const checks: Promise<void>[] = [];
  let asked = 0;
  let proof: BorrowProof | null = null;
  const attestations = new Attestations({
    connected: () => [1, 2, 3],
    send: (_to, { ask }) => {
      asked = ask;
    },
    check: (upstream, given, settle) => {
      const holder = ed25519PublicKey(seedOf(nameOf(upstream)));
      const check = async () => {
        const fault = await faultInAttestation(given, { firms, holder });
        if (fault !== null) faults.push(`${upstream}: ${fault}`);
        settle(fault === null);
      };
      checks.push(check());
    },
  });
  attestations.ask(9, 0, (status, blob) => {
    if (status === Status.ok) proof = JSON.parse(Buffer.from(blob).toString()) as BorrowProof;
  });
  for (const [i, vote] of answers.entries()) {
    attestations.attested((i + 1) as UpstreamId, { type: "attested", ask: asked, ...vote });
    await Promise.all(checks);
  }
  return { proof, faults };
}

describe("borrowing while one upstream lies", () => {
  const scratch = scratchFolder();
  const lies: readonly (readonly [string, Lie, RegExp | null])[] = [
    ["has no certificate of the firm", { firm: "another firm" }, /signed by another key than the firm's/],
    ["alters its certificate", { alter: (jws) => `${jws.slice(0, -4)}AAAA` }, /altered/],
    ["gives something that is no certificate", { alter: () => "x" }, /not a compact JWS/],
    ["shows the certificate of another upstream", { holder: nameOf(2) }, /signature of the holder .* does not fit/],
    [
      "shows certificate and signature of another upstream",
      { holder: nameOf(2), signer: nameOf(2) },
      /is for another upstream/,
    ],
    ["signs with another key than its own", { signer: "another key" }, /signature of the holder .* does not fit/],
    ["signs something else", { signed: { ...document, quantity: 1 } }, /signature of the holder .* does not fit/],
    ["has other terms", { terms: { ...terms, quantity: 9 } }, /of another license than the firm certified/],
    [
      "has a certificate for a shorter time",
      { change: (certificate) => ({ ...certificate, borrowSeconds: 59 }) },
      /longer than the license allows/,
    ],
    ["sends a certificate longer than any", { alter: (jws) => `${jws}${"A".repeat(12_288)}` }, null],
  ];
  for (const [says, lie, why] of lies) {
    it(`gives a file that verifies when one ${says}`, async () => {
      const { proof, faults } = await borrow([await answer(1, lie), await answer(2), await answer(3)]);
      assert.ok(proof !== null, faults.join("\n"));
      const file = join(scratch(), "x.borrow");
      writeBorrowFile(file, proof);
      await checkChain(file, readBorrowFile(file), firmKey);
      assert.equal(faults.length, why === null ? 0 : 1, faults.join("\n"));
      if (why !== null) assert.match(faults[0] ?? "", why);
    });

    it(`gives no file when one ${says} and another is away`, async () => {
      const { proof } = await borrow([await answer(1, lie), await answer(2)]);
      assert.equal(proof, null);
    });
  }

  it("needs no third when two are honest", async () => {
    const { proof } = await borrow([await answer(1), await answer(2)]);
    assert.equal(proof?.signatures.length, 2);
  });
});
