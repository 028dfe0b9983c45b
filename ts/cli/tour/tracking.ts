/** Section 7: what the rules before left in the files of license tracking, and what becomes of files that are not whole. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FolderReader } from "../../tracking/disk.js";
import { linesOf, type Members } from "../../tracking/lines.js";
import { UsageReport } from "../../tracking/report.js";
import { openTrackingKey } from "../../tracking/signatures.js";
import { readTracking, type Verdict } from "../../tracking/verify.js";
import { FIRM_CODE } from "../demo/licenses.js";
import { Product } from "./licenses.js";
import { type Rule, told } from "./rule.js";
import type { Scene } from "./scene.js";

/** Verifies folders with the keys of all servers of the stage. */
function verify({ stage }: Scene, folders: readonly string[], use?: (members: Members) => void): Verdict {
  const keys = stage.stateFolders.map((state) => openTrackingKey(join(state, "tracking-key.json")).publicKey);
  const readers = folders.map((folder) => new FolderReader(folder));
  return readTracking(readers, keys, ({ firm, members }) => {
    if (firm === FIRM_CODE) use?.(members);
  });
}

/** Copies of the folders of all servers; taken again where one was written in that moment. */
function wholeCopy(scene: Scene): Promise<string[]> {
  return scene.eventually(async () => {
    const target = mkdtempSync(join(scene.stage.dir, "tracking-"));
    const written = scene.stage.stateFolders.map((state) => join(state, "tracking")).filter(existsSync);
    const copies = written.map((folder, i) => {
      const copy = join(target, String(i));
      cpSync(folder, copy, { recursive: true });
      return copy;
    });
    return copies.length > 0 && verify(scene, copies).findings.faults.length === 0 ? copies : null;
  });
}

/** A file of a copy, by its lines, and the place of an access in it: never the first line nor the last two. */
interface Victim {
  readonly path: string;
  readonly lines: Buffer[];
  /** counted from 0 */
  readonly at: number;
}

async function tampered(scene: Scene, tamper: (victim: Victim) => void, expected: (victim: Victim) => number) {
  const copies = await wholeCopy(scene);
  const victim = accessIn(copies);
  tamper(victim);
  const { findings } = verify(scene, copies);
  const named = findings.faults.some(({ file, line }) => file === victim.path && line === expected(victim));
  return named ? "found, with file and line" : `${findings.faults.length} faults, none of them there`;
}

function accessIn(copies: readonly string[]): Victim {
  for (const folder of copies) {
    for (const name of new FolderReader(folder).list()) {
      if (!name.startsWith(`${FIRM_CODE}.`) || !name.endsWith(".jsonl")) continue;
      const path = join(folder, name);
      const lines = [...linesOf(readFileSync(path))].map((line) => Buffer.from(line));
      const at = lines.findIndex((line, i) => i > 0 && i < lines.length - 2 && line.includes('"event":"access"'));
      if (at !== -1) return { path, lines, at };
    }
  }
  throw new Error("no file has an access");
}

function write({ path }: Victim, lines: readonly Buffer[]): void {
  writeFileSync(path, Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")])));
}

const found = "found, with file and line";

export const trackingRules: readonly Rule[] = [
  {
    section: 7,
    text: "who takes a license, is refused, gives it back and takes it offline is in the files, once and in this order",
    expected: "access, access, refusal, release, release, borrow, return",
    async run(scene) {
      const [anna, ben] = [await scene.session(), await scene.session({ user: "ben", host: "pc-2" })];
      const handles = [await scene.access(Product.tracked, {}, anna), await scene.access(Product.tracked, {}, anna)];
      await told(scene.access(Product.tracked, {}, ben));
      for (const handle of handles) await handle.release();
      const file = scene.newFile();
      await anna.borrow({ firmCode: FIRM_CODE, productCode: Product.tracked, file });
      await anna.returnBorrow(file);
      return scene.eventually(async () => {
        const events: string[] = [];
        verify(scene, await wholeCopy(scene), ({ event, product }) => {
          if (product === Product.tracked && event !== "license") events.push(String(event));
        });
        return events.includes("return") ? events.join(", ") : null;
      });
    },
  },
  {
    section: 7,
    text: "log verify: after all these rules, with every kill in them, the files are whole and no event is lost",
    expected: "0 faults, 0 lost",
    async run(scene) {
      const { findings, firms } = verify(scene, await wholeCopy(scene));
      const lost = firms.reduce((sum, firm) => sum + firm.lost, 0);
      return `${findings.faults.length} faults, ${lost} lost`;
    },
  },
  {
    section: 7,
    text: "report: the most in use and the refusals of one product",
    expected: "2 licenses, 2 most in use, 0 unused, 3 accesses, no-free-license 1",
    async run(scene) {
      const usage = new UsageReport("all", { firm: FIRM_CODE, product: Product.tracked });
      const readers = (await wholeCopy(scene)).map((folder) => new FolderReader(folder));
      readTracking(readers, [], (entry) => usage.add(entry));
      const [row] = usage.rows();
      const refusals = Object.entries(row?.reasons ?? {}).map(([status, count]) => `, ${status} ${count}`);
      const counts = `${row?.total} licenses, ${row?.maximum} most in use, ${row?.unused} unused, ${row?.accesses} accesses`;
      return `${counts}${refusals.join("")}`;
    },
  },
  {
    section: 7,
    text: "log verify: a character is altered",
    expected: found,
    run: (scene) =>
      tampered(
        scene,
        (victim) => {
          const line = victim.lines[victim.at]?.toString().replace('"seats":', '"seat5":') ?? "";
          write(victim, victim.lines.with(victim.at, Buffer.from(line)));
        },
        ({ at }) => at + 1,
      ),
  },
  {
    section: 7,
    text: "log verify: a line is removed",
    expected: found,
    run: (scene) =>
      tampered(
        scene,
        (victim) => write(victim, victim.lines.toSpliced(victim.at, 1)),
        ({ at }) => at + 1,
      ),
  },
  {
    section: 7,
    text: "log verify: two lines are swapped",
    expected: found,
    run: (scene) =>
      tampered(
        scene,
        (victim) => {
          const { lines, at } = victim;
          write(victim, [...lines.slice(0, at), ...lines.slice(at, at + 2).reverse(), ...lines.slice(at + 2)]);
        },
        ({ at }) => at + 1,
      ),
  },
  {
    section: 7,
    text: "log verify: the tail is cut off",
    expected: found,
    run: (scene) =>
      tampered(
        scene,
        (victim) => write(victim, victim.lines.slice(0, -2)),
        ({ lines }) => lines.length - 2,
      ),
  },
  {
    section: 7,
    text: "log verify: a file is removed",
    expected: found,
    run: (scene) =>
      tampered(
        scene,
        ({ path }) => rmSync(path),
        () => 0,
      ),
  },
];
