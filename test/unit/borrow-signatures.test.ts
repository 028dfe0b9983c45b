/** How a TMR server collects signatures, and what a container says of licenses that may be borrowed. */
import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { encodeContainerFile, signCertificates, signFirmItem, verifyContainer } from "../../ts/container/index.js";
import { type Terms, termsDigest } from "../../ts/container/terms.js";
import { Attestations } from "../../ts/tmr/attestations.js";
import type { UpstreamId } from "../../ts/tmr/choose.js";
import { attested, attesterOf } from "../../ts/upstream/attest.js";
import { type BorrowDocument, borrowBytes } from "../../ts/wire/borrow.js";
import { type BorrowVote, BorrowVotes } from "../../ts/wire/borrow-votes.js";
import { statusName } from "../../ts/wire/kinds.js";
import type { LinkMessageOf } from "../../ts/wire/link.js";
import { rejectedBy } from "../support/throws.js";

const document: BorrowDocument = {
  ...{ format: "tmr-borrow/1", system: "A".repeat(43), container: "131-1", actId: 7, firmCode: 6_000_010 },
  ...{ productCode: 13, tmrId: 5, itemRef: 5, terms: "A".repeat(43), featureMap: 0, quantity: 1, handle: 9 },
  ...{ user: "ada", host: "laptop", station: "", key: "A".repeat(43), fromMs: 1, untilMs: 2, revocable: false },
} as const;
const other = { ...document, quantity: 2 };
const nothing = new Uint8Array(0);
const signed = (by: number, what = document): BorrowVote => ({
  document: borrowBytes(what),
  signature: Buffer.alloc(64, by),
  certificate: Buffer.from(`certificate ${by}`),
});
const unknown: BorrowVote = { document: nothing, signature: nothing, certificate: nothing };
const bare: BorrowVote = { document: borrowBytes(document), signature: nothing, certificate: nothing };

describe("votes on a borrowed license", () => {
  const rows: readonly (readonly [string, 1 | 2, readonly (BorrowVote | null)[], string])[] = [
    ["two that agree are enough, whoever is silent", 2, [signed(1), null, signed(3)], "ok 1 3"],
    ["the third changes nothing", 2, [signed(1), signed(2), signed(3)], "ok 1 2"],
    ["one is not enough", 2, [signed(1), null, null], "open"],
    ["one is enough where one is all there is", 1, [signed(1)], "ok 1"],
    ["one that says something else is outvoted", 2, [signed(1, other), signed(2), signed(3)], "ok 2 3"],
    ["two that differ leave it to the third", 2, [signed(1), signed(2, other), null], "open"],
    ["three that differ are none", 2, [signed(1), signed(2, other), unknown], "no-quorum"],
    ["two that know nothing settle it", 2, [unknown, null, unknown], "handle-unknown"],
    ["one that knows nothing does not", 2, [unknown, signed(2), signed(3)], "ok 2 3"],
    ["one without the license does not sign, two others do", 2, [bare, signed(2), signed(3)], "ok 2 3"],
    ["two without the license are told apart from no quorum", 2, [bare, signed(2), bare], "not-found"],
    ["bytes that are no document are none, even twice", 2, [garbage(), garbage(), null], "no-quorum"],
  ];
  for (const [says, needed, votes, told] of rows) {
    it(says, () => {
      const collected = new BorrowVotes(9, needed);
      votes.forEach((vote, i) => {
        if (vote !== null) collected.add(i + 1, vote);
      });
      const verdict = collected.verdict(votes.map((_, i) => i + 1));
      assert.equal(inWords(verdict), told);
    });
  }

  function garbage(): BorrowVote {
    return { ...signed(1), document: Buffer.from("{}") };
  }
});

function inWords(verdict: ReturnType<BorrowVotes["verdict"]>): string {
  if (verdict === null) return "open";
  if (verdict.status !== 0) return statusName(verdict.status);
  const proof = JSON.parse(verdict.blob.toString()) as { signatures: { certificate: string }[] };
  return `ok ${proof.signatures.map(({ certificate }) => certificate.split(" ")[1]).join(" ")}`;
}

describe("a TMR server that is asked for signatures", () => {
  class Asked {
    readonly told: string[] = [];
    readonly sent: (LinkMessageOf<"attest"> & { readonly to: UpstreamId })[] = [];
    connected: UpstreamId[] = [1, 2, 3];
    /** Checks that take their time; null: they are done at once. */
    later: (() => void)[] | null = null;
    readonly attestations = new Attestations({
      connected: () => this.connected,
      send: (to, message) => this.sent.push({ ...message, to }),
      check: (upstream, { signature }, settle) => {
        const verdict = () => settle(signature[0] === upstream);
        if (this.later === null) verdict();
        else this.later.push(verdict);
      },
    });

    ask(nowMs = 0): void {
      this.attestations.ask(9, nowMs, (status, blob) => this.told.push(inWords({ status, blob: Buffer.from(blob) })));
    }

    answer(upstream: UpstreamId, vote: BorrowVote, ask = this.sent.at(-1)?.ask ?? 0): void {
      this.attestations.attested(upstream, { type: "attested", ask, ...vote });
    }
  }

  const rows: readonly (readonly [string, (asked: Asked) => void, readonly string[]])[] = [
    [
      "asks all that are there and tells once",
      (asked) => {
        asked.ask();
        assert.deepEqual(
          asked.sent.map(({ to }) => to),
          [1, 2, 3],
        );
        for (const id of [1, 2, 3] as const) asked.answer(id, signed(id));
      },
      ["ok 1 2"],
    ],
    [
      "does not count a signature by another key",
      (asked) => {
        asked.ask();
        asked.answer(1, signed(2));
        asked.answer(2, signed(2));
        asked.answer(3, signed(3));
      },
      ["ok 2 3"],
    ],
    [
      "does not count an upstream twice, nor one that was not asked, nor the answer to another question",
      (asked) => {
        asked.connected = [1, 2];
        asked.ask();
        asked.answer(1, signed(1));
        asked.answer(1, signed(1));
        asked.answer(3, signed(3));
        asked.answer(2, signed(2), 77);
      },
      [],
    ],
    [
      "counts a certificate of 12,288 bytes and none that is longer",
      (asked) => {
        asked.ask();
        asked.answer(1, { ...signed(1), certificate: Buffer.alloc(12_289, "certificate 1 ") });
        asked.answer(2, signed(2));
        assert.deepEqual(asked.told, []);
        asked.answer(3, { ...signed(3), certificate: Buffer.alloc(12_288, "certificate 3 ") });
      },
      ["ok 2 3"],
    ],
    [
      "with two upstreams of which one has too long a certificate tells that nothing is signed, and goes on",
      (asked) => {
        asked.connected = [1, 2];
        asked.ask();
        asked.answer(1, { ...signed(1), certificate: Buffer.alloc(60_000) });
        asked.answer(2, signed(2));
        asked.connected = [2, 3];
        asked.ask();
        asked.answer(2, signed(2));
        asked.answer(3, signed(3));
      },
      ["not-found", "ok 2 3"],
    ],
    [
      "waits for checks that take their time, and hears no upstream twice meanwhile",
      (asked) => {
        asked.later = [];
        asked.ask();
        asked.answer(1, signed(1));
        asked.answer(1, signed(1));
        asked.answer(2, signed(1));
        asked.answer(3, signed(3));
        assert.deepEqual([asked.told.length, asked.later.length], [0, 3]);
        for (const settle of asked.later) settle();
      },
      ["ok 1 3"],
    ],
    [
      "does not wait for a check longer than for an answer",
      (asked) => {
        asked.later = [];
        asked.ask(0);
        for (const id of [1, 2, 3] as const) asked.answer(id, signed(id));
        asked.attestations.tick(1_000);
        for (const settle of asked.later) settle();
      },
      ["no-quorum"],
    ],
    [
      "with one upstream there is no quorum",
      (asked) => {
        asked.connected = [2];
        asked.ask();
      },
      ["no-quorum"],
    ],
    [
      "waits for a second and no longer",
      (asked) => {
        asked.ask(5_000);
        asked.answer(1, signed(1));
        asked.attestations.tick(5_999);
        assert.deepEqual(asked.told, []);
        asked.attestations.tick(6_000);
        asked.answer(2, signed(2));
      },
      ["no-quorum"],
    ],
    [
      "says that it is busy beyond 256 questions",
      (asked) => {
        for (let i = 0; i < 257; i++) asked.ask();
      },
      ["busy"],
    ],
  ];
  for (const [says, happens, told] of rows) {
    it(says, () => {
      const asked = new Asked();
      happens(asked);
      assert.deepEqual(asked.told, told);
    });
  }
});

describe("an upstream that is asked to sign", () => {
  const container = { certificates: [{ terms: document.terms, jws: "its certificate" }] };
  const state = { borrowDocument: (handle: number) => (handle === 9 ? borrowBytes(document) : null) };
  const ask = (handle: number, containers = [container]): LinkMessageOf<"attested"> =>
    attested(
      { type: "attest", ask: 3, handle },
      state,
      attesterOf(
        () => containers,
        (message) => message.subarray(0, 13),
      ),
    );

  it("signs what its own state says, under its own words, with its certificate", () => {
    const { ask: number, document: said, signature, certificate } = ask(9);
    assert.deepEqual([number, Buffer.from(said)], [3, borrowBytes(document)]);
    assert.equal(Buffer.from(signature).toString(), "tmr-borrow/1\n");
    assert.equal(Buffer.from(certificate).toString(), "its certificate");
  });

  it("says nothing of a handle that is not borrowed, and signs nothing that its containers do not hold", () => {
    assert.deepEqual(ask(8), { type: "attested", ask: 3, ...unknown });
    const elsewhere = ask(9, [{ certificates: [{ terms: "B".repeat(43), jws: "x" }] }]);
    assert.deepEqual(
      [elsewhere.document.length > 0, elsewhere.signature.length, elsewhere.certificate.length],
      [true, 0, 0],
    );
  });
});

describe("a container with licenses that may be borrowed", () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  const firmKey = Buffer.from(privateKey.export({ format: "jwk" }).x ?? "", "base64url");
  const outer = { container: "130-5", actId: 7, holder: "A".repeat(43) };
  const item = { ...outer, firmCode: 6_000_010, firmName: "Firm", updateCounter: 1 };
  const terms = (tmrId: number, more: Partial<Terms> = {}): Terms => ({
    ...{ actId: 7, firmCode: 6_000_010, productCode: 13, tmrId, text: "", quantity: 1, featureMap: 0, ...more },
  });
  const items = [terms(1, { borrowSeconds: 60 }), terms(2), terms(3, { borrowSeconds: 90 })];
  const trust = { firms: [{ firmCode: 6_000_010, name: "Firm", key: firmKey }], holder: null, nameOf: String };
  const key = createPrivateKey(privateKey.export({ format: "pem", type: "pkcs8" }));

  async function read(change: (certificates: string[]) => string[] | undefined) {
    const firmItems = [await signFirmItem({ ...item, items }, key, firmKey)];
    const certificates = change(await signCertificates({ ...item, items }, key, firmKey));
    return verifyContainer(Buffer.from(encodeContainerFile({ ...outer, firmItems, certificates })), "x.tmrc", trust);
  }

  it("carries a certificate for each of them, by the digest of its terms", async () => {
    const { certificates } = await read((each) => each);
    const expected = [items[0], items[2]].map((each) => termsDigest(each as Terms).toString("base64url"));
    assert.deepEqual(
      certificates.map((each) => each.terms),
      expected,
    );
  });

  const foreign = async (): Promise<string[]> => {
    const longer = items.map((each) => (each.tmrId === 1 ? { ...each, borrowSeconds: 61 } : each));
    return signCertificates({ ...item, items: longer }, key, firmKey);
  };
  const rows: readonly (readonly [string, (certificates: string[]) => string[] | undefined, RegExp])[] = [
    ["without any is refused", () => undefined, /item 6000010:13 \(TMR-ID 1\) may be borrowed and has no certificate/],
    ["with one too few is refused", ([first = ""]) => [first], /\(TMR-ID 3\) may be borrowed and has no certificate/],
    ["with one too many is refused", (all) => [...all, all[0] ?? ""], /is of no item that may be borrowed/],
    ["in another order is refused", (all) => all.toReversed(), /says something else than the item/],
    ["with an altered one is refused", ([first = "", ...more]) => [`${first.slice(0, -3)}AAA`, ...more], /altered/],
    ["with something else is refused", (all) => all.map(() => "x"), /not a compact JWS/],
  ];
  for (const [says, change, why] of rows) {
    it(says, async () => {
      const { message } = await rejectedBy("ERR_TMR_CONTAINER", () => read(change));
      assert.match(message, why);
    });
  }

  it("with one that allows more than the license is refused", async () => {
    const more = await foreign();
    const { message } = await rejectedBy("ERR_TMR_CONTAINER", () => read(() => more));
    assert.match(message, /says something else than the item/);
  });
});
