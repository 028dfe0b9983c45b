import assert from "node:assert/strict";
import { listOf, listText, optionsText } from "../../ts/cli/content.js";
import { durationText } from "../../ts/cli/item-options.js";
import { featureNames, serversPart, usagePart } from "../../ts/cli/lmstat.js";
import { handlesText, itemOf, modesText } from "../../ts/cli/network.js";
import { parseCount } from "../../ts/cli/options.js";
import { askServers, serversText } from "../../ts/cli/servers.js";
import type { ServerReport } from "../../ts/cli/status-text.js";
import type { HeldHandle, Item } from "../../ts/client/session.js";
import { AccessMode } from "../../ts/wire/kinds.js";
import type { ServerStatus } from "../../ts/wire/server-status.js";

const plain = { colour: false };

function item(some: Partial<Item> = {}): Item {
  return {
    itemRef: 7,
    firmCode: 6_000_010,
    productCode: 13,
    text: "Press line",
    quantity: 20,
    used: 6,
    free: 14,
    featureMap: 0x0f,
    holders: [1, 2, 3],
    ...some,
  };
}

function handle(some: Partial<HeldHandle> = {}): HeldHandle {
  return {
    handle: 101,
    firmCode: 6_000_010,
    productCode: 13,
    itemRef: 7,
    seats: 1,
    mode: AccessMode.userLimit,
    host: "cad-17",
    user: "mia",
    station: "cad-17/3",
    program: "press",
    sinceMs: new Date(2030, 0, 8, 9, 5).getTime(),
    state: "held",
    ...some,
  };
}

describe("tmr list -l", () => {
  const container = { container: "131-5", kind: "virtual", items: 2, sessions: 3, handles: 4 };

  it("shows below each container its licenses: used, reserved and free", async () => {
    const items = [item({ reserved: 2, free: 12 }), item({ itemRef: 8, text: "", used: 20, free: 0 })];
    const session = { containers: () => Promise.resolve([container]), items: () => Promise.resolve(items) };
    const listed = await listOf(session, true);
    assert.deepEqual(listed, [{ ...container, licenses: items }]);
    assert.deepEqual(listText(plain, listed).split("\n").slice(3), [
      "131-5",
      "LICENSE       TEXT        QUANTITY  USED  RESERVED  FREE",
      "6000010:13:7  Press line        20     6         2    12",
      "6000010:13:8  -                 20    20         0     0",
      "",
    ]);
  });

  it("puts each license below its own container where a server has several", async () => {
    const other = { ...container, container: "130-9" };
    const items = [item({ container: "131-5" }), item({ itemRef: 8, container: "130-9" })];
    const session = { containers: () => Promise.resolve([container, other]), items: () => Promise.resolve(items) };
    assert.deepEqual(
      (await listOf(session, true)).map(({ licenses }) => licenses?.map(({ itemRef }) => itemRef)),
      [[7], [8]],
    );
    assert.deepEqual(await listOf(session, false), [container, other]);
  });
});

describe("tmr content -x", () => {
  it("tells every option in words, and one that it does not know by its name", () => {
    const all = {
      ...item({ reserved: 1, expirationMs: Date.UTC(2031, 0, 1), ownerInformation: "Line 2" }),
      localOnly: true,
      unitCounter: 100,
      unitsUsed: 30,
      usagePeriodSeconds: 86_400,
      lingerSeconds: 90,
      namedUser: "",
      userData: true,
      hiddenData: [0, 5],
      borrowSeconds: 7_200,
      modules: [{ productCode: 14, text: "5 axes", featureMap: 0 }],
      colour: "blue\u001b[2J",
    };
    assert.equal(
      optionsText(plain, [all as Item]),
      [
        "6000010:13  item 7  Press line",
        "  License Quantity   20 (6 used, 1 reserved, 14 free)",
        "  Local only         yes",
        "  Feature Map        0x0000000f (bits 0, 1, 2, 3)",
        "  Unit Counter       70 left of 100",
        "  Expiration Time    2031-01-01T00:00:00Z",
        "  Usage Period       1 day",
        "  Linger Time        90 seconds",
        "  Named User         the first who accesses it",
        "  Owner Information  Line 2",
        "  User Data          yes",
        "  Hidden Data        index 0, 5",
        "  Borrow             up to 2 hours",
        '  Module Items       14 "5 axes"',
        "  Held by            upstreams 1, 2, 3",
        "  colour             blue?[2J",
        "",
      ].join("\n"),
    );
  });

  it("counts units that are not limited", () => {
    const counted = { ...item(), unitCounter: 0xffff_ffff, unitsUsed: 12 };
    assert.match(optionsText(plain, [counted]), /Unit Counter +12 used \(counted, not limited\)\n/);
  });

  for (const [seconds, text] of [
    [1, "1 second"],
    [90, "90 seconds"],
    [120, "2 minutes"],
    [3_600, "1 hour"],
    [36 * 3_600, "36 hours"],
    [14 * 86_400, "14 days"],
  ] as const) {
    it(`says ${text} for ${seconds} s`, () => assert.equal(durationText(seconds), text));
  }
});

describe("tmr network", () => {
  const items = [item({ reserved: 2, free: 4 }), item({ itemRef: 8, productCode: 20, text: "Viewer" })];
  const handles = [
    handle(),
    handle({ handle: 102, seats: 3 }),
    handle({ handle: 103, mode: AccessMode.stationShare }),
    handle({ handle: 104, mode: AccessMode.noUserLimit, seats: 0 }),
    handle({ handle: 105, mode: AccessMode.exclusive, state: "lingering" }),
    handle({ handle: 106, state: "queued", seats: 0 }),
    handle({ handle: 107, state: "borrowed", seats: 2 }),
    handle({ handle: 108, itemRef: 8, productCode: 20, mode: AccessMode.exclusive }),
  ];

  it("shows the seats that each mode takes, and how many accesses take none or wait", () => {
    assert.deepEqual(modesText(plain, items, handles).split("\n"), [
      "LICENSE       TEXT        QUANTITY  USER LIMIT  STATION SHARE  EXCLUSIVE  NO USER LIMIT  LINGERING  BORROWED  QUEUED  RESERVED  FREE",
      "6000010:13:7  Press line        20           4              1          0              1          1         2       1         2     4",
      "6000010:20:8  Viewer            20           0              0          1              0          0         0       0         0    14",
      "",
    ]);
  });

  it("shows with -n who holds what, in which mode, from where and since when", () => {
    const since = Date.UTC(2030, 0, 8, 9, 5);
    const some = [
      handle({ sinceMs: since }),
      handle({ handle: 2, mode: AccessMode.stationShare, user: "x\u001b[1m", station: "", sinceMs: since }),
      handle({ handle: 3, mode: 9, itemRef: 99, state: "queued", sinceMs: since }),
    ];
    assert.deepEqual(handlesText(plain, items, some).split("\n"), [
      "HANDLE  PRODUCT     TEXT        SEATS  MODE           STATE   USER   HOST    STATION   PROGRAM  SINCE",
      "   101  6000010:13  Press line      1  user limit     held    mia    cad-17  cad-17/3  press    2030-01-08T09:05:00Z",
      "     2  6000010:13  Press line      1  station share  held    x?[1m  cad-17  -         press    2030-01-08T09:05:00Z",
      "     3  6000010:13  -               1  mode 9         queued  mia    cad-17  cad-17/3  press    2030-01-08T09:05:00Z",
      "",
    ]);
  });

  it("counts a module's handle at the item that the module is of", () => {
    assert.equal(itemOf(items, handle({ productCode: 14 })), items[0]);
    assert.equal(itemOf(items, handle({ firmCode: 6_000_011 })), undefined);
  });

  it("tells items of several containers apart that have one item reference", () => {
    const both = [item({ container: "130-1" }), item({ container: "130-2" })];
    assert.equal(itemOf(both, handle({ container: "130-2" })), both[1]);
    assert.equal(itemOf(both, handle({ container: "130-3" })), undefined);
  });

  it("takes handles as decimal numbers from 1 on", () => {
    assert.equal(parseCount("4294967297"), 4_294_967_297);
    for (const wrong of ["0", "-1", "1.5", "0x10", "", "9007199254740992"]) {
      assert.throws(() => parseCount(wrong), { code: "commander.invalidArgument" }, wrong);
    }
  });
});

describe("tmr servers", () => {
  const servers = [
    { name: "tmr-a", kind: "TMR server", address: "h:1" },
    { name: "upstream-1", kind: "upstream", address: "h:2" },
    { name: "upstream-2", kind: "upstream", address: "h:3" },
    { name: "upstream-3", kind: "upstream", address: "h:4" },
  ] as const;
  const answers: Readonly<Record<string, object>> = {
    "tmr-a": { role: "active", version: "0.1.0" },
    "upstream-1": { blank: false, version: "0.1.0" },
    "upstream-2": { blank: true, version: "0.2.0" },
  };

  it("shows role, version and latency of those that answer, and why the others do not", async () => {
    const asked = await askServers(servers, ({ name }) => {
      const document = answers[name];
      if (document === undefined) return Promise.reject(new Error("h:4: connection refused"));
      return Promise.resolve({ document: document as Record<string, unknown>, roundTripMs: 1.2345678 });
    });
    assert.deepEqual(serversText(plain, asked).split("\n"), [
      "SERVER      KIND        ADDRESS  ROLE    VERSION  LATENCY  FAULT",
      "tmr-a       TMR server  h:1      active  0.1.0     1.2 ms",
      "upstream-1  upstream    h:2      member  0.1.0     1.2 ms",
      "upstream-2  upstream    h:3      blank   0.2.0     1.2 ms",
      "upstream-3  upstream    h:4      down    -              -  h:4: connection refused",
      "",
    ]);
    assert.equal(asked[0]?.latencyMs, 1.235);
  });
});

describe("tmr lmstat", () => {
  function report(name: string, role: ServerStatus["role"] | null, address: string): ServerReport {
    const status = role === null ? null : ({ role, version: "0.1.0", quorum: true } as ServerStatus);
    return { name, address, status, fault: null };
  }

  it("opens with the servers and the firms that are served", () => {
    const reports = [report("tmr-a", "active", "10.0.0.1:7101"), report("tmr-b", null, "10.0.0.2:7101")];
    assert.equal(
      serversPart(reports, [item()], new Date(2030, 0, 8, 9, 5)),
      [
        "License manager status on Tue 1/8/2030 9:05",
        "",
        "License server status: 7101@10.0.0.1,7101@10.0.0.2",
        "",
        "    tmr-a: license server UP (MASTER) v0.1.0",
        "    tmr-b: license server DOWN",
        "",
        "Vendor daemon status (on tmr-a):",
        "",
        "    6000010: UP v0.1.0",
        "",
      ].join("\n"),
    );
  });

  it("says of each license how many are issued and in use, and who uses them", () => {
    const items = [
      item({ text: "CAM Suite,  floating" }),
      item({ itemRef: 8, text: "", productCode: 20, used: 0, quantity: 1, expirationMs: 0 }),
    ];
    const handles = [
      handle({ user: "mia moe" }),
      handle({ handle: 102, seats: 4, station: "" }),
      handle({ handle: 103, seats: 0, mode: AccessMode.noUserLimit }),
      handle({ handle: 104, seats: 0, state: "queued" }),
    ];
    assert.equal(
      usagePart(items, handles, "10.0.0.1:7101"),
      [
        "Feature usage info:",
        "",
        "Users of CAM_Suite,_floating:  (Total of 20 licenses issued;  Total of 6 licenses in use)",
        "",
        '  "CAM_Suite,_floating" v1.0, vendor: 6000010, expiry: permanent(no expiration date)',
        "  floating license",
        "",
        "    mia_moe cad-17 cad-17/3 (v1.0) (10.0.0.1/7101 101), start Tue 1/8 9:05",
        "    mia cad-17 - (v1.0) (10.0.0.1/7101 102), start Tue 1/8 9:05, 4 licenses",
        "    mia cad-17 cad-17/3 (v1.0) (10.0.0.1/7101 104) queued for 1 licenses",
        "",
        "Users of 6000010:20:  (Total of 1 licenses issued;  Total of 0 licenses in use)",
        "",
      ].join("\n"),
    );
  });

  // As monitors of license servers have them.
  const feature = /^Users of (\S+):  \(Total of (\d+) licenses? issued;  Total of (\d+) licenses? in use\)$/;
  const user =
    /^\s+(\S+) (\S+) (.*) \((v[\d.]+)\) \((.*)\/(\d+) (\d+)\), start (\w+ \d+\/\d+ \d+:\d+)(?:, (\d+) licenses)?$/;

  it("is read by the expressions that monitors use", () => {
    const lines = usagePart([item()], [handle({ seats: 3 })], "10.0.0.1:7101").split("\n");
    assert.deepEqual(
      lines.flatMap((line) => feature.exec(line)?.slice(1) ?? []),
      ["Press_line", "20", "6"],
    );
    assert.deepEqual(
      lines.flatMap((line) => user.exec(line)?.slice(1) ?? []),
      [...["mia", "cad-17", "cad-17/3", "v1.0", "10.0.0.1", "7101", "101", "Tue 1/8 9:05", "3"]],
    );
  });

  it("names no two licenses alike, and shows one of them alone", () => {
    const items = [item(), item({ itemRef: 8 }), item({ itemRef: 9, text: "  " })];
    assert.deepEqual([...featureNames(items).values()], ["Press_line:7", "Press_line:8", "6000010:13"]);
    const text = usagePart(items, [], "h:1", "Press_line:8");
    assert.deepEqual(text.match(/Users of \S+/g), ["Users of Press_line:8:"]);
  });
});
