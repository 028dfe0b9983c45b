/** Section 3: what the options of a license say. */
import { createHmac } from "node:crypto";
import { controlClient } from "../control.js";
import { FIRM_CODE } from "../demo/licenses.js";
import { namedUserRecord } from "../named-user.js";
import { Product } from "./licenses.js";
import { freeText, type Rule, told, toldAll } from "./rule.js";

export const optionRules: readonly Rule[] = [
  {
    section: 3,
    text: "License Quantity 3: three accesses, and a fourth",
    expected: "granted ×3, no-free-license",
    async run(scene) {
      const session = await scene.session();
      return toldAll([1, 2, 3, 4].map(() => scene.access(Product.seats, {}, session)));
    },
  },
  {
    section: 3,
    text: "one access asks for two seats of three",
    expected: "1 of 3 free",
    run: async (scene) => freeText(await scene.access(Product.seats, { quantity: 2 })),
  },
  {
    section: 3,
    text: "an access for more seats than there are takes none",
    expected: "no-free-license, then 2 of 3 free",
    async run(scene) {
      const outcome = await told(scene.access(Product.seats, { quantity: 4 }));
      return `${outcome}, then ${freeText(await scene.access(Product.seats))}`;
    },
  },
  {
    section: 3,
    text: "Feature Map with bits 0 and 3: asked for bit 0, for both, for bit 1",
    expected: "granted ×2, feature-missing",
    async run(scene) {
      const session = await scene.session();
      return toldAll(
        [0b0001, 0b1001, 0b0010].map((featureMap) => scene.access(Product.features, { featureMap }, session)),
      );
    },
  },
  {
    section: 3,
    text: "Linger Time: given back, the seat stays taken for others, is given up at once to the same user, and ends",
    expected: "no-free-license, granted, then granted",
    async run(scene) {
      const [anna, ben] = [await scene.session(), await scene.session({ user: "ben", host: "pc-2" })];
      await (await scene.access(Product.lingering, {}, anna)).release();
      const other = await told(scene.access(Product.lingering, {}, ben));
      const again = scene.access(Product.lingering, {}, anna);
      const same = await told(again);
      await (await again).release();
      const later = await scene.eventually(async () => {
        const outcome = await told(scene.access(Product.lingering, {}, ben));
        return outcome === "granted" ? outcome : null;
      });
      return `${other}, ${same}, then ${later}`;
    },
  },
  {
    section: 3,
    text: "Activation Time in the future",
    expected: "not-yet-valid",
    run: (scene) => told(scene.access(Product.later)),
  },
  {
    section: 3,
    text: "Expiration Time in the past",
    expected: "expired",
    run: (scene) => told(scene.access(Product.over)),
  },
  {
    section: 3,
    text: "Unit Counter 10: 7 units are consumed, then 4, then 3",
    expected: "3 left, units-used-up, 0 left",
    async run(scene) {
      const handle = await scene.access(Product.units);
      const left = async (units: number): Promise<string> => `${(await handle.consume(units)).units} left`;
      return [await left(7), await told(handle.consume(4)), await left(3)].join(", ");
    },
  },
  {
    section: 3,
    text: "a license without a unit left",
    expected: "units-used-up",
    run: (scene) => told(scene.access(Product.units)),
  },
  {
    section: 3,
    text: "units that are only counted: 5 are consumed, then 3",
    expected: "8 used",
    async run(scene) {
      const handle = await scene.access(Product.counted);
      await handle.consume(5);
      return `${(await handle.consume(3)).units} used`;
    },
  },
  {
    section: 3,
    text: "Usage Period 1 s: the first access, and one when it is over",
    expected: "granted, usage-period-over",
    async run(scene) {
      const first = await scene.access(Product.emergency);
      await first.release();
      const later = await scene.eventually(async () => {
        const outcome = await told(scene.access(Product.emergency).then((handle) => handle.release()));
        return outcome === "granted" ? null : outcome;
      });
      return `granted, ${later}`;
    },
  },
  {
    section: 3,
    text: "Maintenance Period 2025: a release of June 2025, one of 2026, one that is not stated",
    expected: "granted, maintenance ×2",
    async run(scene) {
      const session = await scene.session();
      const dates = ["2025-06-01T00:00:00Z", "2026-01-01T00:00:00Z"].map((text) => ({ releaseDate: new Date(text) }));
      return toldAll([...dates, {}].map((options) => scene.access(Product.maintained, options, session)));
    },
  },
  {
    section: 3,
    text: "Minimum Runtime Version 999.0.0",
    expected: "runtime-too-old",
    run: (scene) => told(scene.access(Product.modern)),
  },
  {
    section: 3,
    text: "Named User, issued to whoever comes first: anna, then bert, then anna again",
    expected: "granted, named-user, granted",
    async run(scene) {
      const anna = await scene.session({ user: "anna" });
      const bert = await scene.session({ user: "bert" });
      const outcomes: string[] = [];
      for (const session of [anna, bert, anna]) outcomes.push(await told(scene.access(Product.named, {}, session)));
      return outcomes.join(", ");
    },
  },
  {
    section: 3,
    text: "Named User anna, once per 30 days another one: the administrator names bert; anna, bert; he names clara",
    expected: "granted, named-user, granted, named-user",
    async run(scene) {
      const config = await scene.stage.activeConfig();
      const item = (await scene.item(Product.passedOn))?.itemRef ?? 0;
      const name = async (user: string): Promise<string> => {
        const license = { firmCode: FIRM_CODE, productCode: Product.passedOn };
        const { status } = await (await controlClient(config)).propose(namedUserRecord(license, item, user));
        return status === "ok" ? "granted" : status;
      };
      const ask = async (user: string): Promise<string> =>
        told(scene.access(Product.passedOn, {}, await scene.session({ user })));
      return [await name("bert"), await ask("anna"), await ask("bert"), await name("clara")].join(", ");
    },
  },
  {
    section: 3,
    text: "User Data: what one holder writes, read again; Protected Data; Hidden Data with its code and with another one",
    expected: "kept, plain, hidden, bad-request",
    async run(scene) {
      const handle = await scene.access(Product.data);
      await handle.writeUserData("kept");
      const read = [
        await handle.readData("userData"),
        await handle.readData("protectedData"),
        await handle.readData("hiddenData", { accessCode: 4711 }),
      ];
      return [...read.map(String), await told(handle.readData("hiddenData", { accessCode: 1 }))].join(", ");
    },
  },
  {
    section: 3,
    text: "Secret Data as a key: HMAC-SHA-256 of a challenge, as anybody computes it who knows the secret",
    expected: "equal",
    async run(scene) {
      const handle = await scene.access(Product.data);
      const answer = await handle.crypt("challenge");
      return createHmac("sha256", "secret").update("challenge").digest().equals(answer) ? "equal" : "different";
    },
  },
  {
    section: 3,
    text: "Module Items: the module and the suite itself take the two seats of the suite, a third access",
    expected: "granted ×2, no-free-license",
    async run(scene) {
      const session = await scene.session();
      const products = [Product.module, Product.suite, Product.module];
      return toldAll(products.map((product) => scene.access(product, {}, session)));
    },
  },
];
