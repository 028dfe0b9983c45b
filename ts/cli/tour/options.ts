/** Section 3: what the options of a license say. */
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
];
