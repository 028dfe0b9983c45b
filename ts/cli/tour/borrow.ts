/** Section 4, borrowing: a seat that is used offline, and what the borrower's machine makes of the file without a server. */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { clockFileOf, keyFileOf } from "../../borrow/borrow-file.js";
import { verifyBorrow } from "../../borrow/verify.js";
import type { BorrowOptions } from "../../client/borrow.js";
import type { Session } from "../../client/session.js";
import { proposeOn } from "../admin.js";
import { FIRM_CODE } from "../demo/licenses.js";
import { Product } from "./licenses.js";
import { type Rule, told, toldAll } from "./rule.js";
import type { Scene } from "./scene.js";

const MINUTE_MS = 60_000;

function borrow(session: Session, file: string, options: Partial<BorrowOptions> = {}) {
  return session.borrow({ firmCode: FIRM_CODE, productCode: Product.lent, file, ...options });
}

/** Borrows in a session of its own for as long as `play` lasts; another one gives it back. */
async function withBorrowed(scene: Scene, play: (file: string, lender: Session) => Promise<string>): Promise<string> {
  const [session, lender] = [await scene.session(), await scene.session()];
  const file = scene.newFile();
  await borrow(lender, file);
  try {
    return await play(file, lender);
  } finally {
    await session.returnBorrow(file);
  }
}

/** "counts", or the code of the error. */
async function verified({ stage }: Scene, file: string, now = new Date()): Promise<string> {
  const outcome = await told(verifyBorrow(file, { firmKey: stage.firmKey, now }));
  return outcome === "granted" ? "counts" : outcome;
}

/** The file as it was copied to another place, with its text changed, and with or without what lies beside it. */
function copied(
  scene: Scene,
  file: string,
  change: (text: string) => string,
  beside = [keyFileOf, clockFileOf],
): string {
  const copy = scene.newFile();
  writeFileSync(copy, change(readFileSync(file, "utf8")));
  for (const nameOf of beside) copyFileSync(nameOf(file), nameOf(copy));
  return copy;
}

export const borrowRules: readonly Rule[] = [
  {
    section: 4,
    text: "borrow: the seat counts as used, the file is verified with the firm's public key alone, early return frees the seat",
    expected: "1 taken, 0 free, counts, no-free-license; 0 taken, 1 free",
    async run(scene) {
      const out = await withBorrowed(scene, async (file) => {
        const other = await told(scene.access(Product.lent, {}, await scene.session({ user: "ben" })));
        return [await scene.useText(Product.lent), await verified(scene, file), other].join(", ");
      });
      return `${out}; ${await scene.useText(Product.lent)}`;
    },
  },
  {
    section: 4,
    text: "borrow: the license must have the option, and allow so long a time",
    expected: "not-borrowable ×2",
    async run(scene) {
      const session = await scene.session();
      const wanted = [{ productCode: Product.seats }, { durationMs: 8 * 24 * 60 * MINUTE_MS }];
      return toldAll(wanted.map((options) => borrow(session, scene.newFile(), options)));
    },
  },
  {
    section: 4,
    text: "borrow: an altered file does not count, nor one without its private key, nor with a clock that is put back",
    expected: "counts; altered ERR_TMR_BORROW; without key ERR_TMR_KEY; in 20 min counts, then now ERR_TMR_BORROW",
    run: (scene) =>
      withBorrowed(scene, async (file) => {
        const whole = await verified(scene, file);
        const altered = await verified(
          scene,
          copied(scene, file, (text) => text.replace('"quantity":1', '"quantity":2')),
        );
        const bare = await verified(
          scene,
          copied(scene, file, (text) => text, []),
        );
        const later = await verified(scene, file, new Date(Date.now() + 20 * MINUTE_MS));
        const clock = `in 20 min ${later}, then now ${await verified(scene, file)}`;
        return `${whole}; altered ${altered}; without key ${bare}; ${clock}`;
      }),
  },
  {
    section: 4,
    text: "borrow: it outlives its session and a kill of the server that serves",
    expected: "1 taken, 0 free; 1 taken, 0 free, counts",
    run: (scene) =>
      withBorrowed(scene, async (file, lender) => {
        await lender.close();
        const closed = await scene.useText(Product.lent);
        await scene.stage.restart();
        return `${closed}; ${await scene.useText(Product.lent)}, ${await verified(scene, file)}`;
      }),
  },
  {
    section: 4,
    text: "borrow: when its time is over the seat is free, and whoever waits for it gets it",
    expected: "no-free-license, then granted; ERR_TMR_BORROW",
    async run(scene) {
      const [anna, ben] = [await scene.session(), await scene.session({ user: "ben", host: "pc-2" })];
      const file = scene.newFile();
      await borrow(anna, file, { durationMs: 1_000 });
      const now = await told(scene.access(Product.lent, {}, ben));
      const later = await told(scene.access(Product.lent, { waitMs: MINUTE_MS }, ben));
      const outcome = await verified(scene, file);
      await anna.returnBorrow(file);
      return `${now}, then ${later}; ${outcome}`;
    },
  },
  {
    section: 4,
    text: "borrow: an administrator calls it back only where the license allows that",
    expected: "refused, 1 taken, 0 free; called back, 0 taken, 1 free",
    async run(scene) {
      const session = await scene.session();
      const config = await scene.stage.activeConfig();
      const outcomes: string[] = [];
      for (const productCode of [Product.lent, Product.revocable]) {
        const file = scene.newFile();
        const { handle } = await borrow(session, file, { productCode });
        const cancelled = await proposeOn(config, { kind: "cancelHandle", handle }).then(
          () => "called back",
          () => "refused",
        );
        outcomes.push(`${cancelled}, ${await scene.useText(productCode)}`);
        await session.returnBorrow(file);
      }
      return outcomes.join("; ");
    },
  },
];
