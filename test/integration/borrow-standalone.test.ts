/** Borrowing from a standalone license server: one server stands for an ordinary license, for a TMR license never. */
import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { join } from "node:path";
import pino from "pino";
import { readBorrowFile, writeBorrowFile } from "../../ts/borrow/borrow-file.js";
import { checkChain } from "../../ts/borrow/verify.js";
import { createFirm } from "../../ts/central/firm.js";
import { createStandalone } from "../../ts/central/found-standalone.js";
import { issueStandalone } from "../../ts/central/issue-standalone.js";
import { loadStandaloneConfig } from "../../ts/config/index.js";
import { certificatesOf, signCertificate } from "../../ts/container/certificate.js";
import { type Terms, termsDigest } from "../../ts/container/terms.js";
import { connect, type Session, verifyBorrow } from "../../ts/index.js";
import { type RunningStandalone, runStandalone } from "../../ts/standalone/server.js";
import { attestMessage, type BorrowDocument, borrowBytes } from "../../ts/wire/borrow.js";
import { license } from "../support/issuing.js";
import { engine } from "../support/native-engine.js";
import { scratchFolder } from "../support/scratch.js";
import { rejectedBy } from "../support/throws.js";

describe("borrowing from a standalone license server", () => {
  const scratch = scratchFolder();
  let server: RunningStandalone | undefined;
  let session: Session | undefined;

  afterEach(async () => {
    await session?.close();
    await server?.stop();
  });

  it("gives a file with one signature, which verifies, survives a restart, and is given back", async () => {
    const folder = scratch();
    const firm = createFirm(join(folder, "central"), { firmCode: 6_000_010, name: "Test firm" });
    const created = createStandalone(join(folder, "srv"), { firms: [firm] });
    await issueStandalone({
      dir: join(folder, "central"),
      system: created.systemFile,
      folder: created.containerDir,
      as: "new",
      licenses: [license("cad", 13, { quantity: 1, borrowSeconds: 3_600 })],
    });
    const config = { ...loadStandaloneConfig(created.serverFile), listen: "127.0.0.1:0" };
    const fatal = (error: unknown): never => assert.fail(String(error));
    const dependencies = { engine, log: pino({ level: "silent" }), version: "0", fatal };
    const start = async (): Promise<Session> => {
      server = await runStandalone(config, dependencies);
      return connect({ servers: [server.address], serverKey: created.standalone.key });
    };
    session = await start();
    const file = join(folder, "cad.borrow");
    const wanted = { firmCode: 6_000_010, productCode: 13 };
    await session.borrow({ ...wanted, file });
    const proof = readBorrowFile(file);
    assert.deepEqual([proof.signatures.length, proof.document.tmrId, proof.document.itemRef], [1, 0, 1]);
    assert.equal((await verifyBorrow(file, { firmKey: firm.key })).container, proof.document.container);

    await session.close();
    await server?.stop();
    session = await start();
    const refused = await rejectedBy("ERR_TMR_REFUSED", () => (session as Session).access(wanted));
    assert.match(refused.message, /0 of 1 seats are free/);
    await session.returnBorrow(file);
    await (await session.access(wanted)).release();
  });

  describe("the chain", () => {
    const firm = keyPair();
    const holders = [keyPair(), keyPair()];
    const terms: Terms = {
      ...{ actId: 7, firmCode: 6_000_010, productCode: 13, tmrId: 5, text: "CAD", quantity: 2, featureMap: 3 },
      ...{ borrowSeconds: 60, activationMs: 1_000, expirationMs: 100_000 },
    };
    const sound: BorrowDocument = {
      ...{ format: "tmr-borrow/1", system: Buffer.alloc(32).toString("base64url"), container: "131-1", actId: 7 },
      ...{ firmCode: 6_000_010, productCode: 13, tmrId: 5, itemRef: 5, featureMap: 1, quantity: 2, handle: 9 },
      ...{ terms: termsDigest(terms).toString("base64url"), user: "", host: "", station: "" },
      ...{ key: Buffer.alloc(32, 1).toString("base64url"), fromMs: 1_000, untilMs: 61_000, revocable: false },
    } as const;

    interface Made {
      readonly document: BorrowDocument;
      readonly terms?: Terms;
      readonly signers?: readonly number[];
    }

    /** Everything is signed as it should be: only what is said may be wrong. */
    async function check({ document, terms: held = terms, signers = [0, 1] }: Made): Promise<void> {
      const signatures = await Promise.all(
        signers.map(async (i) => {
          const holder = holders[i] as (typeof holders)[0];
          const inside = { container: `130-${i + 1}`, actId: held.actId, holder: holder.text, firmCode: held.firmCode };
          const [certificate] = certificatesOf({ ...inside, firmName: "Firm", updateCounter: 1 }, [held]);
          assert.ok(certificate !== undefined);
          return {
            certificate: await signCertificate(certificate, firm.privateKey, firm.raw),
            signature: sign(null, attestMessage(borrowBytes(document)), holder.privateKey).toString("base64url"),
          };
        }),
      );
      const file = join(scratch(), "x.borrow");
      writeBorrowFile(file, { document, signatures });
      await checkChain(file, readBorrowFile(file), firm.raw);
    }

    const module = { ...terms, modules: [{ productCode: 14, text: "", featureMap: 8 }] };
    const moduleTerms = termsDigest(module).toString("base64url");
    const ordinary = { ...terms, tmrId: 0, itemRef: 5 };
    const ordinaryTerms = termsDigest(ordinary).toString("base64url");
    const good: readonly (readonly [string, Made])[] = [
      ["a TMR license signed by two", { document: sound }],
      ["up to its last moment", { document: { ...sound, fromMs: 40_000, untilMs: 100_000 } }],
      ["a module", { document: { ...sound, productCode: 14, featureMap: 8, terms: moduleTerms }, terms: module }],
      [
        "an ordinary license signed by one",
        { document: { ...sound, tmrId: 0, terms: ordinaryTerms }, terms: ordinary, signers: [0] },
      ],
    ];
    for (const [says, made] of good) it(`accepts ${says}`, () => check(made));

    const bad: readonly (readonly [string, Made, RegExp])[] = [
      ["a TMR license signed by one", { document: sound, signers: [1] }, /two different upstreams.*1 did/],
      ["a TMR license signed twice by one", { document: sound, signers: [0, 0] }, /two different upstreams.*1 did/],
      ["an ordinary license signed by none", { document: { ...sound, tmrId: 0 }, signers: [] }, /one server.*0 did/],
      [
        "a TMR license that calls itself ordinary",
        { document: { ...sound, tmrId: 0 }, signers: [0] },
        /another license/,
      ],
      ["another Product Code", { document: { ...sound, productCode: 14 } }, /another license/],
      ["another TMR-ID", { document: { ...sound, tmrId: 6, itemRef: 6 } }, /another license/],
      ["another item reference", { document: { ...sound, itemRef: 6 } }, /another license/],
      ["another actId", { document: { ...sound, actId: 8 } }, /another license/],
      ["other terms", { document: { ...sound, terms: moduleTerms } }, /another license/],
      ["a feature bit that the license lacks", { document: { ...sound, featureMap: 4 } }, /feature bits/],
      [
        "the license's bits of a module",
        { document: { ...sound, productCode: 14, terms: moduleTerms }, terms: module },
        /feature bits/,
      ],
      ["more seats", { document: { ...sound, quantity: 3 } }, /more seats/],
      ["a longer time", { document: { ...sound, untilMs: 61_001 } }, /longer than the license allows/],
      ["a time before the license", { document: { ...sound, fromMs: 999, untilMs: 60_000 } }, /beyond the dates/],
      ["a time after the license", { document: { ...sound, fromMs: 50_000, untilMs: 100_001 } }, /beyond the dates/],
      ["revocable where the license is not", { document: { ...sound, revocable: true } }, /may be called back/],
    ];
    for (const [says, made, why] of bad) {
      it(`refuses ${says}, though signed`, async () => {
        const { message } = await rejectedBy("ERR_TMR_BORROW", () => check(made));
        assert.match(message, why);
      });
    }
  });
});

function keyPair() {
  const { privateKey } = generateKeyPairSync("ed25519");
  const text = privateKey.export({ format: "jwk" }).x ?? "";
  return { privateKey, text, raw: Buffer.from(text, "base64url") };
}
