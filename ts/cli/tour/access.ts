/** Section 4: how accesses count, who is refused why, and what a session keeps. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { RefusedError } from "../../client/errors.js";
import { proposeOn } from "../admin.js";
import { FIRM_CODE } from "../demo/licenses.js";
import { Product } from "./licenses.js";
import { freeText, type Rule, told, toldAll } from "./rule.js";
import type { Scene } from "./scene.js";

async function sentenceOf(asking: Promise<unknown>): Promise<string> {
  try {
    await asking;
    return "granted";
  } catch (error) {
    if (error instanceof RefusedError) return error.message;
    throw error;
  }
}

/** A program of its own takes a seat, with a session time-out of 2 s, and is killed without a chance to give it back. */
async function killedProgram(scene: Scene, productCode: number): Promise<void> {
  const library = new URL("../../client/connect.js", import.meta.url).href;
  const options = { system: scene.stage.systemFile, sessionTimeoutMs: 2_000 };
  const text = `import { connect } from ${JSON.stringify(library)};
const session = await connect(${JSON.stringify(options)});
await session.access(${JSON.stringify({ firmCode: FIRM_CODE, productCode })});
process.stdout.write("held");
setInterval(() => {}, 1_000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", text], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  // Silence is an end too: it says that the program could not take the seat.
  await Promise.race([once(child.stdout, "data"), ended]);
  child.kill("SIGKILL");
  await ended;
}

export const accessRules: readonly Rule[] = [
  {
    section: 4,
    text: "20 licenses, 9 instances open, 3 of them no user limit",
    expected: "6 taken, 14 free",
    async run(scene) {
      const session = await scene.session();
      for (let i = 0; i < 9; i++) {
        await scene.access(Product.published, { mode: i < 3 ? "no-user-limit" : "user-limit" }, session);
      }
      return scene.useText(Product.published);
    },
  },
  {
    section: 4,
    text: "no user limit takes nothing, but the license must be there and valid",
    expected: "granted ×2, expired, not-found",
    async run(scene) {
      const session = await scene.session();
      const products = [Product.kept, Product.kept, Product.over, 99];
      return toldAll(products.map((product) => scene.access(product, { mode: "no-user-limit" }, session)));
    },
  },
  {
    section: 4,
    text: "one item expired, the other without a free seat: the seat is the reason",
    expected: "granted, no-free-license",
    async run(scene) {
      const session = await scene.session();
      return toldAll([1, 2].map(() => scene.access(Product.twoItems, {}, session)));
    },
  },
  {
    section: 4,
    text: "a refusal says why and where it looked",
    expected: `No license ${FIRM_CODE}:99 in container`,
    async run(scene) {
      const sentence = await sentenceOf(scene.access(99));
      return sentence.replace(/ \d+-\d+\.$/, "");
    },
  },
  {
    section: 4,
    text: "a seat that is given back is free for the next",
    expected: "granted, no-free-license, granted",
    async run(scene) {
      const [first, second] = [await scene.session(), await scene.session({ user: "ben" })];
      const handle = await scene.access(Product.kept, {}, first);
      const outcome = await told(scene.access(Product.kept, {}, second));
      await handle.release();
      return `granted, ${outcome}, ${await told(scene.access(Product.kept, {}, second))}`;
    },
  },
  {
    section: 4,
    text: "info says what a handle is about as long as it is held",
    expected: "0 of 1 free, then handle-unknown",
    async run(scene) {
      const handle = await scene.access(Product.kept);
      const info = freeText(await handle.info());
      await handle.release();
      return `${info}, then ${await told(handle.info())}`;
    },
  },
  {
    section: 4,
    text: "station share: six instances on one station take 1 seat, on two stations 2",
    expected: "1 taken, 1 free; 2 taken, 0 free",
    async run(scene) {
      const share = async (host: string): Promise<string> => {
        const session = await scene.session({ host, station: host });
        for (let i = 0; i < 6; i++) await scene.access(Product.station, { mode: "station-share" }, session);
        return scene.useText(Product.station);
      };
      return `${await share("pc-1")}; ${await share("pc-2")}`;
    },
  },
  {
    section: 4,
    text: "station share: the seat is free when the last instance of the station gives it back",
    expected: "1 taken, 1 free; 0 taken, 2 free",
    async run(scene) {
      const session = await scene.session();
      const [first, second] = [1, 2].map(() => scene.access(Product.station, { mode: "station-share" }, session));
      await (await first)?.release();
      const still = await scene.useText(Product.station);
      await (await second)?.release();
      return `${still}; ${await scene.useText(Product.station)}`;
    },
  },
  {
    section: 4,
    text: "exclusive: the program runs once per station; on another station it takes another seat",
    expected: "granted, no-free-license, granted",
    async run(scene) {
      const exclusive = async (host: string) => {
        const session = await scene.session({ host, station: host });
        return told(scene.access(Product.station, { mode: "exclusive" }, session));
      };
      return [await exclusive("pc-1"), await exclusive("pc-1"), await exclusive("pc-2")].join(", ");
    },
  },
  {
    section: 4,
    text: "a program that is killed keeps its seat until its session times out, and no longer",
    expected: "no-free-license, then granted",
    async run(scene) {
      await killedProgram(scene, Product.kept);
      const session = await scene.session();
      const first = await told(scene.access(Product.kept, {}, session));
      const later = await scene.eventually(async () => {
        const outcome = await told(scene.access(Product.kept, {}, session));
        return outcome === "granted" ? outcome : null;
      });
      return `${first}, then ${later}`;
    },
  },
  {
    section: 4,
    text: "an access waits: queued first in, first out, granted as soon as the seat is given back",
    expected: "1 waits; granted",
    async run(scene) {
      const [anna, ben] = [await scene.session(), await scene.session({ user: "ben", host: "pc-2" })];
      const held = await scene.access(Product.kept, {}, anna);
      const waits = told(scene.access(Product.kept, { waitMs: 20_000 }, ben));
      const waiting = await scene.eventually(async () => {
        const queued = (await anna.handles()).filter(({ state }) => state === "queued");
        return queued.length === 0 ? null : queued.length;
      });
      await held.release();
      return `${waiting} waits; ${await waits}`;
    },
  },
  {
    section: 4,
    text: "an access that waits has a deadline, and leaves the queue at it",
    expected: "no-free-license, 0 wait",
    async run(scene) {
      const [anna, ben] = [await scene.session(), await scene.session({ user: "ben", host: "pc-2" })];
      await scene.access(Product.kept, {}, anna);
      const outcome = await told(scene.access(Product.kept, { waitMs: 500 }, ben));
      const queued = (await anna.handles()).filter(({ state }) => state === "queued");
      return `${outcome}, ${queued.length} wait`;
    },
  },
  {
    section: 4,
    text: "an administrator cancels a handle: its seat is free at once, the application is told at its next call",
    expected: "1 held by anna on pc-1, then granted, handle-lost",
    async run(scene) {
      const handle = await scene.access(Product.kept);
      const other = await scene.session({ user: "ben", host: "pc-2" });
      const held = (await other.handles()).filter(({ productCode }) => productCode === Product.kept);
      const who = held.map(({ user, host }) => `${user} on ${host}`).join(", ");
      await proposeOn(await scene.stage.activeConfig(), { kind: "cancelHandle", handle: handle.id });
      const outcomes = [await told(scene.access(Product.kept, {}, other)), await told(handle.info())];
      return `${held.length} held by ${who}, then ${outcomes.join(", ")}`;
    },
  },
  {
    section: 4,
    text: "a session that ends gives back all that it holds",
    expected: "granted ×3, then 2 of 3 free",
    async run(scene) {
      const session = await scene.session();
      const outcomes = await toldAll([1, 2, 3].map(() => scene.access(Product.seats, {}, session)));
      await session.close();
      return `${outcomes}, then ${freeText(await scene.access(Product.seats))}`;
    },
  },
];
