/** The laws of seats can be broken: each row breaks one behind the rules' back, and it is noticed. */
import assert from "node:assert/strict";
import { LIMITS } from "../../ts/license/limits.js";
import { AccessMode, Kind } from "../../ts/wire/kinds.js";
import { allRules } from "../../ts/wire/rules.js";
import { type Handle, NaiveLicense, type NaiveNames } from "../support/naive-license.js";
import { Ledger } from "./ledger.js";
import { type Judged, SeatLaws } from "./seat-laws.js";
import { FIRM, licenseStates, products } from "./system.js";

const people = ["anna", "bert", "cleo"];
const REACHED = 7;

/** Three people and the licenses of the simulation; product 4 has three seats, product 7 units, product 10 is lent. */
class Story implements Judged {
  readonly ledger = new Ledger();
  readonly machine = licenseStates(allRules).create();
  readonly license = new NaiveLicense(LIMITS, namesOf);
  readonly laws = new SeatLaws(this);
  position = 0;
  #request = 1;

  constructor() {
    const items = products.map(({ terms }) => terms);
    for (const upstream of [1, 2, 3] as const) this.license.state({ upstream, version: 1, items, genuine: true });
    for (const name of people) this.ask(name, { kind: Kind.openSession, durationMs: 60_000 });
    this.batch();
  }

  realHandle(oracle: number): number {
    return oracle;
  }

  ask(name: string, fields: object): number {
    const request = this.#request++;
    const asked = { kind: Kind.access, request, answeredBelow: request, session: Buffer.alloc(16), ...fields };
    return this.license.execute(name, asked, REACHED).handle;
  }

  access(name: string, productCode: number, quantity = 1, durationMs = 0): number {
    const mode = AccessMode.userLimit;
    return this.ask(name, { mode, quantity, firmCode: FIRM, productCode, durationMs });
  }

  /** Ends a batch: the law that is broken, or null. */
  batch(): string | null {
    this.position = 1;
    return this.laws.check()?.invariant ?? null;
  }

  handle(number: number): Handle {
    return this.license.handles.get(number) ?? assert.fail();
  }
}

function namesOf(session: string): NaiveNames {
  return { host: `${session}s-host`, user: session, station: "", program: "p" };
}

const breaches: readonly (readonly [string, string | null, (story: Story) => void])[] = [
  ["what the rules grant breaks none", null, (story) => void story.access("anna", 4, 3)],
  [
    "more seats than there are",
    "Q1",
    (story) => {
      story.handle(story.access("anna", 4, 3)).seats = 4;
    },
  ],
  [
    "more seats than a rule allows",
    "Q2",
    (story) => {
      story.license.setRules([{ kind: "user", value: "anna", effect: "allow", limit: 1 }]);
      story.batch();
      story.handle(story.access("anna", 4)).seats = 2;
    },
  ],
  [
    "seats that are kept for somebody else",
    "Q3",
    (story) => {
      story.license.setRules([{ kind: "user", value: "anna", effect: "allow", reserved: 1 }]);
      story.batch();
      story.handle(story.access("bert", 4, 2)).seats = 3;
    },
  ],
  [
    "a seat for who came later than somebody in the queue",
    "Q4",
    (story) => {
      const held = story.access("anna", 4, 3);
      story.access("bert", 4, 1, 1_000);
      const later = story.access("cleo", 4, 1, 1_000);
      story.batch();
      story.handle(held).seats = 2;
      story.handle(later).state = "held";
    },
  ],
  [
    "more units than there are",
    "U1",
    (story) => {
      story.access("anna", 7);
      story.license.unitsUsed.set(JSON.stringify([FIRM, 7, 7, 1]), 41);
    },
  ],
  [
    "units that were used and are not any more",
    "U1",
    (story) => {
      const handle = story.access("anna", 7);
      story.ask("anna", { kind: Kind.consume, handle, quantity: 5 });
      story.batch();
      story.license.unitsUsed.clear();
    },
  ],
  [
    "a borrowing that is forgotten",
    "B1",
    (story) => {
      story.ledger.lent.set(99, { itemRef: 10, seats: 1, untilMs: 5_000 });
    },
  ],
];

describe("the laws of seats", () => {
  for (const [what, broken, tell] of breaches) {
    it(`${what}: ${broken ?? "all hold"}`, () => {
      const story = new Story();
      tell(story);
      assert.equal(story.batch(), broken);
    });
  }

  it("production's own handles are looked at: one that the oracle does not know is noticed (S7)", () => {
    const story = new Story();
    story.access("anna", 4);
    story.position = 16;
    assert.equal(story.laws.check()?.invariant, "S7");
  });
});
