import assert from "node:assert/strict";
import { LicenseMachine } from "../../ts/license/machine.js";
import { Kind } from "../../ts/wire/kinds.js";
import { MAX_RESULT_BLOB_BYTES } from "../../ts/wire/result.js";
import { LicenseKit, terms } from "../support/license-kit.js";
import { licensePorts, testGenesis } from "../support/license-ports.js";

describe("license lists", () => {
  it("show every option of an item, and seats as they are", () => {
    const kit = new LicenseKit();
    const full = terms({ tmrId: 7, activationMs: 1, expirationMs: Date.UTC(2031, 0, 1), ownerInformation: "Plant 1" });
    kit.holdAll(full, terms({ tmrId: 8, quantity: 3, featureMap: 5 }));
    kit.open("a");
    kit.access("a", { itemRef: 8, quantity: 2 });
    assert.equal(
      kit.ask("a", Kind.items).text,
      '[{"activationMs":1,"expirationMs":1924992000000,"featureMap":0,"firmCode":6000010,"free":1,"holders":[1,2,3],' +
        '"itemRef":7,"lingering":0,"ownerInformation":"Plant 1","productCode":13,"quantity":1,"queued":0,"reserved":0,' +
        '"text":"Item 7","used":0},' +
        '{"featureMap":5,"firmCode":6000010,"free":1,"holders":[1,2,3],"itemRef":8,"lingering":0,"productCode":13,' +
        '"quantity":3,"queued":0,"reserved":0,"text":"Item 8","used":2}]',
    );
  });

  it("are ordered by firm code, product code and item reference", () => {
    const kit = new LicenseKit();
    const items = [
      terms({ firmCode: 6000010, productCode: 1, tmrId: 9 }),
      terms({ firmCode: 6000010, productCode: 2, tmrId: 3 }),
      terms({ firmCode: 6000010, productCode: 2, tmrId: 10 }),
      terms({ firmCode: 6000011, productCode: 1, tmrId: 1 }),
    ];
    kit.holdAll(...items);
    kit.open("a");
    assert.deepEqual(
      kit.items("a").map(({ itemRef }) => itemRef),
      [9, 3, 10, 1],
    );
  });

  it("go on over as many answers as they need, each within its limit", () => {
    const kit = new LicenseKit();
    const items = Array.from({ length: 700 }, (_, i) => terms({ tmrId: i + 1, text: "é".repeat(i % 129) }));
    kit.holdAll(...items);
    kit.open("a");
    const seen: unknown[] = [];
    let parts = 0;
    let cursor = 0;
    do {
      const told = kit.ask("a", Kind.items, { cursor });
      assert.ok(Buffer.byteLength(told.text) <= MAX_RESULT_BLOB_BYTES);
      seen.push(...(JSON.parse(told.text) as { itemRef: number }[]).map(({ itemRef }) => itemRef));
      cursor = told.nextCursor;
      parts += 1;
    } while (cursor !== 0);
    assert.deepEqual(
      seen,
      items.map(({ tmrId }) => tmrId),
    );
    assert.ok(parts > 3);
  });

  it("are empty beyond their end", () => {
    const kit = new LicenseKit();
    kit.holdAll(terms({ tmrId: 1 }));
    kit.open("a");
    for (const kind of [Kind.items, Kind.containers]) {
      const told = kit.ask("a", kind, { cursor: 5 });
      assert.deepEqual([told.outcome, told.text, told.nextCursor], ["ok", "[]", 0]);
    }
  });

  it("count in the container what is shown", () => {
    const kit = new LicenseKit();
    kit.hold(1, terms({ tmrId: 1 }), terms({ tmrId: 2 }));
    kit.hold(2, terms({ tmrId: 1 }), terms({ tmrId: 2 }));
    kit.hold(3, terms({ tmrId: 2 }));
    kit.open("a");
    const counts = [3, 5, 7].map((reached) => {
      kit.reached = reached;
      return (JSON.parse(kit.ask("a", Kind.containers).text) as { items: number }[]).map(({ items }) => items);
    });
    assert.deepEqual(counts, [[2], [1], [2]]);
  });

  it("change nothing in the state but the session's deadline", () => {
    const kit = new LicenseKit();
    kit.holdAll(terms({ tmrId: 1 }));
    kit.open("a");
    kit.ask("a", Kind.heartbeat);
    const journalOf = (kind: number): string => {
      const copy = new LicenseKit();
      copy.machine = restored(kit);
      copy.one({ kind, request: 3, answeredBelow: 2, session: kit.next("a", kind).session });
      return Buffer.from(copy.machine.stateDigest).toString("hex");
    };
    const [heartbeat, ...reads] = [Kind.heartbeat, Kind.info, Kind.items, Kind.containers].map(journalOf);
    for (const read of reads) assert.equal(read, heartbeat);
  });

  it("of one batch are bounded together; those beyond are busy", () => {
    const kit = new LicenseKit();
    kit.holdAll(...Array.from({ length: 300 }, (_, i) => terms({ tmrId: i + 1 })));
    kit.open("a");
    const asked = Array.from({ length: 250 }, () => ({ ...kit.next("a", Kind.items), answeredBelow: 0 }));
    const told = kit.run(...asked);
    const bytes = told.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
    const done = told.filter(({ outcome }) => outcome === "ok").length;
    assert.ok(done > 100 && done < 250);
    assert.ok(told.slice(done).every(({ outcome }) => outcome === "busy"));
    assert.ok(bytes < 4 * 1024 * 1024);
  });
});

function restored(kit: LicenseKit): LicenseKit["machine"] {
  return LicenseMachine.restore(kit.machine.snapshot(), testGenesis, licensePorts);
}
