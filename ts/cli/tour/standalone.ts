/** What a standalone license server has of its own. */
import { Product } from "./licenses.js";
import { freeText, type Rule, told } from "./rule.js";

export const standaloneRules: readonly Rule[] = [
  {
    section: 3,
    text: "local only: a program on the server's own machine",
    expected: "granted",
    run: (scene) => told(scene.access(Product.local)),
  },
  {
    section: 4,
    text: "the server is killed and starts again: the same handle, and no second seat",
    expected: "0 of 1 free, same handle, no-free-license",
    async run(scene) {
      const handle = await scene.access(Product.kept);
      await scene.stage.restart();
      const info = freeText(await handle.info());
      const other = await told(scene.access(Product.kept, {}, await scene.session({ user: "ben" })));
      return `${info}, ${handle.valid ? "same handle" : "lost"}, ${other}`;
    },
  },
];
