import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import type { WriteFault } from "../../ts/store/memory-store.js";
import type { SignedStatement } from "../../ts/upstream/holding.js";
import { StatementSigner } from "../../ts/upstream/statement.js";
import { encodeLink, type LinkMessage } from "../../ts/wire/link.js";
import {
  type Answer,
  appendOf,
  Bench,
  batchAfter,
  chain,
  type Entry,
  founders,
  sha256,
} from "../support/replica-kit.js";

const { privateKey } = generateKeyPairSync("ed25519");

/** A life of a replica in messages: founding, appends, a takeover that cuts and extends, a snapshot, more appends. */
function script(): Buffer[] {
  const first = chain(null, 6, { epoch: 1 });
  const chosen = chain(first[3] as Entry, 3, { epoch: 3 });
  const last = chosen[2] as Entry;
  const donor = new Bench({ upstream: 2 }).active();
  donor.expect({ type: "prepare", epoch: 5, ask: 1 }, "promise");
  const later = chain(last, 4, { epoch: 3 });
  const batches = [...first.slice(0, 4), ...chosen, ...later].map(({ batch }) => batch);
  donor.expect({ type: "extend", epoch: 5, after: 0, afterDigest: donor.replica.digest, batches }, "extended");
  const snapshot = Buffer.from(donor.replica.state.snapshot());
  const end = later[3] as Entry;
  const at = ({ position, digest }: Entry) => ({ position, digest });
  const control: (LinkMessage | Entry)[] = [
    { type: "found", epoch: 1, ask: 1, members: founders },
    {
      type: "sync",
      stamp: Buffer.alloc(32),
      epoch: 1,
      members: founders,
      position: 0,
      digest: sha256(Buffer.from("a system for tests")),
    },
    ...first,
    { type: "prepare", epoch: 4, ask: 1 },
    {
      type: "extend",
      epoch: 4,
      after: 4,
      afterDigest: first[3]?.digest as Buffer,
      batches: chosen.map((e) => e.batch),
    },
    { type: "sync", stamp: Buffer.alloc(32), epoch: 4, members: founders, ...at(last) },
    batchAfter(last, { epoch: 4 }),
    { type: "prepare", epoch: 5, ask: 1 },
    {
      type: "install",
      epoch: 5,
      ...at(end),
      stateHash: Buffer.alloc(32),
      totalBytes: snapshot.length,
      offset: 0,
      bytes: snapshot,
    },
    { type: "sync", stamp: Buffer.alloc(32), epoch: 5, members: founders, ...at(end) },
    ...chain(end, 3, { epoch: 5 }),
  ];
  return control.map((step) => ("batch" in step ? appendOf(step) : encodeLink(step)));
}

describe("replica: crashes", () => {
  const messages = script();
  const reference = new Bench();
  const answers = messages.map((message) => reference.raw(message));

  it("runs through without a crash", () => {
    assert.ok(answers.every((answer) => answer.length === 1 && answer[0]?.type !== "behind"));
    assert.ok(reference.store.writes > 15);
  });

  for (const fault of ["before", "after"] satisfies WriteFault[]) {
    it(`recovers from a crash ${fault} each write and gives the answers it owes`, () => {
      for (let k = 1; k <= reference.store.writes; k++) {
        const bench = new Bench({ fault: (write) => (write === k ? fault : null) });
        let crashes = 0;
        const given = messages.map((message): Answer[] => {
          try {
            return bench.raw(message);
          } catch (error) {
            assert.equal((error as { code?: string }).code, "ERR_TMR_STORE_WRITE");
            crashes++;
            bench.restart();
            // The leader asks again: what was durable is answered again, what was not is done now.
            return bench.raw(message);
          }
        });
        assert.equal(crashes, 1);
        assert.deepEqual(given, answers, `write ${k}`);
        assert.deepEqual(bench.replica.meta(), reference.replica.meta());
        assert.deepEqual(bench.replica.digest, reference.replica.digest);
        assert.deepEqual(bench.replica.state.stateDigest, reference.replica.state.stateDigest);
      }
    });
  }

  it("answers nothing more on a store whose write failed", () => {
    const bench = new Bench({ fault: (write) => (write === 1 ? "before" : null) });
    assert.throws(() => bench.raw(messages[0] as Buffer), { code: "ERR_TMR_STORE_WRITE" });
    assert.throws(() => bench.raw(messages[0] as Buffer), { code: "ERR_TMR_CLOSED" });
  });
});

describe("replica: holding statements (rule 9)", () => {
  const terms = (tmrId: number) => ({
    actId: 5,
    firmCode: 6_000_010,
    productCode: 13,
    tmrId,
    text: "a",
    quantity: 2,
    featureMap: 0,
  });
  const item = (tmrId: number) => [{ container: "130-77", actId: 5, items: [terms(tmrId)] }];

  function started(items: ReturnType<typeof item>) {
    const signer = new StatementSigner(1, privateKey);
    signer.containers = items;
    const bench = new Bench({ statement: (version): SignedStatement | null => signer.make(version) });
    return { bench, signer };
  }

  function offered(answers: readonly Answer[]): { version: number; bytes: Buffer } | null {
    const holding = answers.find((answer) => answer.type === "holding");
    if (holding?.type !== "holding") return null;
    const bytes = Buffer.from(holding.statement);
    return { version: (JSON.parse(bytes.subarray(64).toString()) as { version: number }).version, bytes };
  }

  const ping = (epoch: number) => encodeLink({ type: "ping", epoch });
  const found = encodeLink({ type: "found", epoch: 1, ask: 1, members: founders });

  it("are offered to the leader after Sync, once a second, until they are in the log", () => {
    const { bench } = started(item(1));
    assert.equal(offered(bench.raw(ping(0))), null);
    assert.equal(offered(bench.raw(found)), null);
    const digest = bench.replica.digest;
    const sync = encodeLink({
      type: "sync",
      stamp: Buffer.alloc(32),
      epoch: 1,
      members: founders,
      position: 0,
      digest,
    });
    const first = offered(bench.raw(sync));
    assert.ok(first !== null);
    assert.equal(first.version, 1);
    assert.equal(offered(bench.raw(ping(1))), null);
    bench.nowMs += 1000;
    assert.deepEqual(offered(bench.raw(ping(1))), first);
    assert.equal(offered(bench.raw(ping(0))), null, "not to an observer");
    bench.nowMs += 1000;
    const entry = batchAfter(null, { epoch: 1, statement: { upstream: 1, bytes: first.bytes } });
    assert.equal(offered(bench.raw(appendOf(entry))), null);
    bench.nowMs += 5000;
    assert.equal(offered(bench.raw(ping(1))), null);
    bench.restart();
    assert.equal(offered(bench.raw(ping(1))), null);
  });

  it("keep their version over a crash and rise with a change", () => {
    const { bench, signer } = started(item(1));
    bench.active();
    bench.restart();
    const first = offered(bench.raw(ping(1)));
    assert.equal(first?.version, 1);
    signer.containers = item(2);
    bench.replica.containersChanged();
    const second = offered(bench.raw(ping(1)));
    assert.ok(second !== null);
    assert.equal(second.version, 2);
    const entry = batchAfter(null, { epoch: 1, statement: { upstream: 1, bytes: second.bytes } });
    bench.raw(appendOf(entry));
    signer.containers = [];
    bench.replica.containersChanged();
    bench.nowMs += 1000;
    const none = offered(bench.raw(ping(1)));
    assert.equal(none?.version, 3);
    assert.deepEqual((JSON.parse(none?.bytes.subarray(64).toString() ?? "") as { items: unknown }).items, []);
  });

  it("rise above the version in the state when the own record of it was lost", () => {
    const { bench, signer } = started(item(1));
    const old = signer.make(41) as SignedStatement;
    bench.active([batchAfter(null, { epoch: 1, statement: { upstream: 1, bytes: old.bytes } })]);
    signer.containers = item(2);
    bench.replica.containersChanged();
    bench.nowMs += 1000;
    assert.equal(offered(bench.raw(ping(1)))?.version, 42);
  });

  it("are not needed again when the containers are as stated before, unless the other one was carried meanwhile", () => {
    const { bench, signer } = started(item(1));
    bench.active();
    bench.nowMs += 1000;
    const first = offered(bench.raw(ping(1)));
    assert.ok(first !== null);
    const entry = batchAfter(null, { epoch: 1, statement: { upstream: 1, bytes: first.bytes } });
    bench.raw(appendOf(entry));
    const change = (items: ReturnType<typeof item>) => {
      signer.containers = items;
      bench.replica.containersChanged();
      return offered(bench.raw(ping(1)));
    };
    const second = change(item(2));
    assert.ok(second !== null);
    assert.equal(change(item(1)), null);
    bench.nowMs += 1000;
    const [, late] = bench.raw(
      appendOf(batchAfter(entry, { epoch: 1, statement: { upstream: 1, bytes: second.bytes } })),
    );
    assert.equal(offered(late === undefined ? [] : [late])?.version, 3);
  });

  it("are none for an upstream that holds nothing and never stated anything", () => {
    const { bench } = started([]);
    bench.active();
    assert.equal(offered(bench.raw(ping(1))), null);
    assert.equal(bench.replica.meta().statementVersion, 0);
  });
});
