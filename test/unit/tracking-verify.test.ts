import assert from "node:assert/strict";
import { csvText, rowsText, verdictText } from "../../ts/cli/tracking.js";
import { attestationsOf } from "../../ts/tracking/attestations.js";
import { headName } from "../../ts/tracking/lines.js";
import { UsageReport } from "../../ts/tracking/report.js";
import { readTracking } from "../../ts/tracking/verify.js";
import { Kind } from "../../ts/wire/kinds.js";
import { borrowAs } from "../support/borrow-kit.js";
import { askSeries } from "../support/events-kit.js";
import { LicenseKit, terms } from "../support/license-kit.js";
import { copyOf, keyOf, type MemoryDisk, readAll, TrackingServer } from "../support/tracking-kit.js";

const FIRM = 6000010;
const DAY_MS = 86_400_000;
const plain = { colour: false };

/** Two servers that took over from each other three times, with several files each. */
function story(): { readonly kit: LicenseKit; readonly disks: readonly [MemoryDisk, MemoryDisk] } {
  const kit = new LicenseKit();
  kit.holdAll(terms({ tmrId: 1, quantity: 2 }));
  kit.open("a", 1_000_000_000);
  const servers = [
    new TrackingServer("tmr-a", { maxFileBytes: 2_000 }),
    new TrackingServer("tmr-b", { maxFileBytes: 2_000 }),
  ] as const;
  for (let turn = 0; turn < 4; turn++) {
    const server = servers[turn % 2] as TrackingServer;
    server.activate(kit);
    for (let i = 0; i < 8; i++) {
      kit.calendarMs += 1_000;
      const { handle } = kit.access("a");
      kit.access("a", { quantity: 2 });
      kit.ask("a", Kind.release, { handle });
    }
    server.drain(kit);
    server.passive(kit);
  }
  for (const server of servers) server.stop(kit);
  return { kit, disks: [servers[0].disk, servers[1].disk] };
}

const { disks } = story();
const [diskA, diskB] = disks;
const fileOf = (number: number, server = "tmr-a"): string =>
  `${FIRM}.${server}.${String(number).padStart(6, "0")}.jsonl`;
const filesOf = (disk: MemoryDisk, server: string): string[] =>
  disk
    .list()
    .filter((name) => name.startsWith(`${FIRM}.${server}.`) && name.endsWith(".jsonl"))
    .sort();

/** The lines of a file, each with its newline. */
function lines(disk: MemoryDisk, name: string): string[] {
  return (
    disk
      .read(name)
      .toString("utf8")
      .match(/[^\n]*\n/g) ?? []
  );
}

function write(disk: MemoryDisk, name: string, text: readonly string[]): void {
  disk.files.set(name, Buffer.from(text.join("")));
}

/** What verification says of a copy of the story that was altered. */
function faultsAfter(alter: (a: MemoryDisk, b: MemoryDisk) => void): string[] {
  const copies = [copyOf(diskA), copyOf(diskB)] as const;
  alter(...copies);
  return readAll(copies).findings.faults.map(({ file, line, what }) => `${file} line ${line} ${what}`);
}

describe("tmr log verify", () => {
  it("passes after three takeovers, and counts every event once", () => {
    const { findings, firms } = readAll(disks);
    assert.deepEqual([findings.faults, findings.notes], [[], []]);
    // Four lists of licenses, and 32 times an access, a refusal and a release.
    const firm = firms.find((one) => one.firm === FIRM);
    assert.deepEqual([firm?.events, firm?.servers], [4 + 3 * 32, ["tmr-a", "tmr-b"]]);
    assert.ok(filesOf(diskA, "tmr-a").length > 3);
  });

  const follows = "is altered, or does not follow the line before it: one was removed, added or moved";
  const rows: readonly (readonly [string, (a: MemoryDisk, b: MemoryDisk) => void, readonly string[]])[] = [
    [
      "an altered character",
      (a) => {
        const text = lines(a, fileOf(2));
        text[2] = text[2]?.replace('"product":13', '"product":14') ?? "";
        write(a, fileOf(2), text);
      },
      [`tmr-a/${fileOf(2)} line 3 ${follows}`],
    ],
    [
      "a removed line",
      (a) => write(a, fileOf(2), lines(a, fileOf(2)).toSpliced(2, 1)),
      [
        `tmr-a/${fileOf(2)} line 3 ${follows}`,
        `tmr-a/${fileOf(2)} line 3 event 9 is missing before this one, in all series of Firm Code 6000010`,
      ],
    ],
    [
      "two swapped lines",
      (a) => {
        const text = lines(a, fileOf(2));
        write(a, fileOf(2), text.toSpliced(2, 2, text[3] ?? "", text[2] ?? ""));
      },
      [3, 4, 5].map((line) => `tmr-a/${fileOf(2)} line ${line} ${follows}`),
    ],
    [
      "a line that is there twice",
      (a) => {
        const text = lines(a, fileOf(2));
        write(a, fileOf(2), text.toSpliced(2, 0, text[1] ?? ""));
      },
      [`tmr-a/${fileOf(2)} line 3 ${follows}`],
    ],
    [
      "a removed file",
      (a) => void a.files.delete(fileOf(2)),
      [
        `tmr-a/${fileOf(2)} line 0 is missing`,
        `tmr-a/${fileOf(3)} line 2 events 8 to 14 are missing before this one, in all series of Firm Code 6000010`,
      ],
    ],
    [
      "a tail that is cut at a line",
      (a) => {
        const name = filesOf(a, "tmr-a").at(-1) ?? "";
        write(a, name, lines(a, name).slice(0, -1));
      },
      ["is cut off here: the signed end is at line"],
    ],
    [
      "a tail that is cut within a line",
      (a) => {
        const name = filesOf(a, "tmr-a").at(-1) ?? "";
        a.files.set(name, a.read(name).subarray(0, -20));
      },
      ["is not a line of a tracking file: it is altered or cut off"],
    ],
    [
      "a cut tail with a head that was made to fit",
      (a) => {
        const name = filesOf(a, "tmr-a").at(-1) ?? "";
        const text = lines(a, name).slice(0, -1);
        write(a, name, text);
        const chain = /"chain":"(.{43})"/.exec(text.at(-1) ?? "")?.[1] ?? "";
        const head = JSON.parse(a.read(headName(`${FIRM}.tmr-a`)).toString("utf8")) as Record<string, unknown>;
        const changed = { ...head, bytes: a.size(name), lines: (head["lines"] as number) - 1, chain };
        a.files.set(headName(`${FIRM}.tmr-a`), Buffer.from(JSON.stringify(changed)));
      },
      ["is altered: its signature is not right"],
    ],
    [
      "a missing head",
      (a) => void a.files.delete(headName(`${FIRM}.tmr-a`)),
      ["is missing: whether the end of the series was cut off cannot be told"],
    ],
    [
      "a line that was added behind the end",
      (a) => {
        const name = filesOf(a, "tmr-a").at(-1) ?? "";
        write(a, name, [...lines(a, name), "{}\n"]);
      },
      ["lies behind the signed end: written when the server stopped abruptly, or by somebody else"],
    ],
    [
      "a whole series that is gone",
      (_, b) => {
        for (const name of b.list()) if (name.startsWith(`${FIRM}.`)) b.files.delete(name);
      },
      ["are missing before this one, in all series of Firm Code 6000010"],
    ],
  ];
  for (const [what, alter, expected] of rows) {
    it(`finds ${what}`, () => {
      const faults = faultsAfter(alter);
      for (const text of expected) {
        assert.ok(
          faults.some((fault) => fault.includes(text)),
          `${text}\nnot in\n${faults.join("\n")}`,
        );
      }
      assert.ok(faults[0]?.includes(expected[0] ?? ""), "the cause comes first");
      assert.ok(faults.length <= expected.length + 2, faults.join("\n"));
    });
  }

  it("finds every single altered byte of a series", () => {
    const name = fileOf(1);
    for (let at = 0; at < diskA.size(name); at += 7) {
      const faults = faultsAfter((a) => {
        const bytes = Buffer.from(a.read(name));
        bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
        a.files.set(name, bytes);
      });
      assert.ok(
        faults.some((fault) => fault.startsWith(`tmr-a/${name} line `)),
        `byte ${at}: ${faults.join("; ")}`,
      );
    }
  });

  it("finds a server that was set back, files and signed end alike, by what the system attests", () => {
    const kit = new LicenseKit();
    kit.holdAll(terms({ tmrId: 1, quantity: 2 }));
    kit.open("a", 1_000_000_000);
    const a = new TrackingServer("tmr-a");
    const b = new TrackingServer("tmr-b");
    a.activate(kit);
    kit.access("a");
    a.drain(kit);
    const earlier = copyOf(a.disk);
    kit.access("a");
    a.drain(kit);
    a.stop(kit);
    b.activate(kit);
    b.drain(kit);
    b.stop(kit);
    assert.deepEqual(readAll([a.disk, b.disk]).findings.faults, []);
    const faults = readAll([earlier, b.disk]).findings.faults.map(({ what }) => what);
    assert.ok(
      faults.some((what) => /is cut off: the TMR system attests \d+ lines of this series, \d+ are here/.test(what)),
    );
    assert.ok(faults.some((what) => what.startsWith("event 3 is missing before this one")));
  });

  it("finds by what the running system attests that the newest events are cut from files and signed end alike", () => {
    const kit = new LicenseKit();
    kit.holdAll(terms({ tmrId: 1, quantity: 2 }));
    kit.open("a", 1_000_000_000);
    const a = new TrackingServer("tmr-a");
    a.activate(kit);
    kit.access("a");
    a.drain(kit);
    const earlier = copyOf(a.disk);
    kit.access("a");
    a.drain(kit);
    const attested = attestationsOf(kit.one(askSeries()).text);
    const verify = (disk: MemoryDisk) =>
      readTracking([disk], [keyOf("tmr-a").publicKey], () => undefined, attested).findings.faults;
    assert.deepEqual(readAll([earlier]).findings.faults, []);
    assert.deepEqual(verify(a.disk), []);
    assert.deepEqual(
      verify(earlier).map(({ file, what }) => [file, what.replaceAll(/\d+/g, "N")]),
      [[`tmr-a/${fileOf(1)}`, "is cut off: the TMR system attests N lines of this series, N are here"]],
    );
    const gone = copyOf(a.disk);
    for (const name of gone.list()) if (name.startsWith(`${FIRM}.`)) gone.remove(name);
    assert.deepEqual(
      verify(gone).map(({ file, what }) => [file, what]),
      [[`${FIRM}.tmr-a`, "is a series that the running system attests, and in none of these folders"]],
    );
  });

  it("takes no other key for the servers'", () => {
    const { findings } = readTracking(disks, [keyOf("tmr-a").publicKey]);
    assert.ok(findings.faults.length > 0);
    assert.ok(
      findings.faults.every(
        ({ file, what }) => file.startsWith("tmr-b/") && what.includes("is not one that was given"),
      ),
    );
  });

  it("says what it read, whether it is whole, and whose signatures it took", () => {
    const verdict = readTracking(disks, []);
    const text = verdictText(plain, verdict, []).split("\n");
    assert.match(text[0] ?? "", /^FIRM CODE {2}EVENTS {2}LINES {2}WRITTEN TWICE {2}LOST {2}SERVERS$/);
    assert.match(text[2] ?? "", /^ {2}6000010 {5}100 .* tmr-a tmr-b$/);
    assert.match(text[3] ?? "", /^Signed by .{43} and .{43}: give --key/);
    assert.equal(text[4], "whole");
  });
});

describe("tmr report", () => {
  it("gives the most in use, refusals and unused licenses per product and period", () => {
    const kit = new LicenseKit();
    kit.holdAll(
      terms({ tmrId: 1, quantity: 2 }),
      terms({ tmrId: 2, quantity: 3 }),
      terms({ tmrId: 3, productCode: 14 }),
    );
    kit.open("a", 1_000_000_000);
    const server = new TrackingServer("tmr-a");
    server.activate(kit);
    const handles = [1, 2, 3].map(() => kit.access("a").handle);
    kit.access("a", { quantity: 9 });
    kit.access("a", { productCode: 99 });
    borrowAs(kit, "a", "laptop");
    // Nobody goes without a license by a return that is refused.
    kit.ask("a", Kind.returnBorrow, { handle: 99 });
    kit.calendarMs += DAY_MS;
    for (const handle of handles) kit.ask("a", Kind.release, { handle });
    kit.access("a", { productCode: 14 });
    server.drain(kit);
    server.stop(kit);
    const usage = new UsageReport("day");
    readAll([server.disk]).entries.forEach((entry) => usage.add(entry));
    const rows = usage.rows();
    assert.deepEqual(
      rows.map(({ period, product, total, maximum, unused, accesses, reasons }) => [
        period,
        product,
        total,
        maximum,
        unused,
        accesses,
        reasons,
      ]),
      [
        ["2030-01-01", 13, 5, 3, 2, 3, { "no-free-license": 1, "not-borrowable": 1 }],
        ["2030-01-01", 14, 1, 0, 1, 0, {}],
        ["2030-01-01", 99, 0, 0, 0, 0, { "not-found": 1 }],
        // In use from the day before.
        ["2030-01-02", 13, 5, 3, 2, 0, {}],
        ["2030-01-02", 14, 1, 1, 0, 1, {}],
      ],
    );
    assert.deepEqual(rowsText(plain, rows).split("\n").slice(0, 2), [
      "PERIOD      PRODUCT     LICENSES  MOST IN USE  UNUSED  ACCESSES  REFUSALS  WHY",
      "2030-01-01  6000010:13         5            3       2         3         2  no-free-license 1, not-borrowable 1",
    ]);
    assert.equal(csvText(rows).split("\r\n")[1], "2030-01-01,6000010,13,5,3,2,3,2,1,1,0");
    const filtered = new UsageReport("all", { product: 14 });
    readAll([server.disk]).entries.forEach((entry) => filtered.add(entry));
    assert.deepEqual(
      filtered.rows().map(({ period, product, maximum }) => [period, product, maximum]),
      [["", 14, 1]],
    );
  });
});
