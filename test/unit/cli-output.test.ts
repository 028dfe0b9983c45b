import assert from "node:assert/strict";
import { containersText, contentOf, itemsText } from "../../ts/cli/content.js";
import { parseProduct, parseU32 } from "../../ts/cli/options.js";
import { runtimeFault } from "../../ts/cli/runtime.js";
import { askAll } from "../../ts/cli/status.js";
import { isServing, type ServerReport, statusText } from "../../ts/cli/status-text.js";
import { tableText, timeText } from "../../ts/cli/table.js";
import { printable } from "../../ts/cli/terminal.js";
import type { Item } from "../../ts/client/session.js";
import type { ServerStatus, UpstreamStatus } from "../../ts/wire/server-status.js";

const plain = { colour: false };
const coloured = { colour: true };

const item: Item = {
  itemRef: 7,
  firmCode: 6_000_010,
  productCode: 13,
  text: "Press line",
  quantity: 20,
  used: 6,
  free: 14,
  featureMap: 0x0f,
  expirationMs: Date.UTC(2031, 0, 1),
  holders: [1, 2, 3],
};

function upstream(id: number, state: UpstreamStatus["state"] = "streaming"): UpstreamStatus {
  const down = state === "down";
  return {
    id,
    name: `upstream-${id}`,
    address: `127.0.0.1:720${id}`,
    connected: !down,
    state,
    position: down ? 0 : 120,
    epoch: down ? 0 : 6,
    agrees: !down,
    protocol: down ? 0 : 2,
    lastFault: down ? "connection closed" : "",
  };
}

function server(role: ServerStatus["role"], upstreams: readonly UpstreamStatus[]): ServerStatus {
  return {
    name: role === "active" ? "tmr-a" : "tmr-b",
    twin: 0,
    role,
    phase: role === "active" ? "active" : "idle",
    quorum: role === "active",
    epoch: 6,
    position: 120,
    carried: 120,
    digest: "0123456789abcdef".repeat(4),
    clients: 3,
    peer: { name: "tmr-b", address: "127.0.0.1:7112", connected: true, role: "passive" },
    upstreams,
    licenses: [],
    oddLicenses: 0,
    counters: {},
    version: "0.1.0",
    versions: { protocol: { min: 1, max: 2 }, rules: { min: 1, max: 1 } },
    wallMs: 0,
    pid: 1,
    uptimeMs: 1,
  };
}

function report(name: string, status: ServerStatus | null): ServerReport {
  return { name, address: "127.0.0.1:7101", status, fault: status === null ? "connection refused" : null };
}

describe("cli tables", () => {
  it("align columns, numbers at their right edge, and end no line with spaces", () => {
    const text = tableText(
      plain,
      [{ title: "A" }, { title: "N", align: "right" }, { title: "Z" }],
      [
        ["long cell", "5", "z"],
        ["é", "123", ""],
      ],
    );
    assert.equal(text, "A            N  Z\nlong cell    5  z\né          123\n");
  });

  it("align the same with colours", () => {
    const text = tableText(coloured, [{ title: "A" }, { title: "B" }], [["\u001b[31mred\u001b[39m", "b"]]);
    assert.equal(text, "\u001b[1mA    B\u001b[22m\n\u001b[31mred\u001b[39m  b\n");
  });

  it("show times in UTC, and a dash for none", () => {
    assert.equal(timeText(Date.UTC(2030, 1, 2, 3, 4, 5, 678)), "2030-02-02T03:04:05Z");
    assert.equal(timeText(undefined), "-");
  });

  it("let no control character through", () => {
    assert.equal(printable("a\u001b[2Jb\nc\u202ed"), "a?[2Jb?c?d");
  });
});

describe("cli list and content", () => {
  it("show a line per container", () => {
    const text = containersText(plain, [{ container: "131-5", kind: "virtual", items: 12, sessions: 3, handles: 4 }]);
    assert.equal(
      text,
      ["CONTAINER  KIND     LICENSES  SESSIONS  HANDLES", "131-5      virtual        12         3        4", ""].join(
        "\n",
      ),
    );
  });

  it("show a line per license, who holds it, and whose copy differs", () => {
    const text = itemsText(plain, [item, { ...item, itemRef: 8, free: 0, holders: [1, 2], odd: 3, text: "" }]);
    assert.deepEqual(text.split("\n").slice(1), [
      "     7  6000010:13  Press line        20     6    14  0x0000000f  -           2031-01-01T00:00:00Z  1 2 3",
      "     8  6000010:13  -                 20     6     0  0x0000000f  -           2031-01-01T00:00:00Z  1 2 (3 differs)",
      "",
    ]);
  });

  it("name the containers there are when another is asked for", async () => {
    const session = {
      containers: () => Promise.resolve([{ container: "131-5", kind: "virtual", items: 1, sessions: 0, handles: 0 }]),
      items: () => Promise.resolve([item]),
    };
    assert.deepEqual(await contentOf(session, undefined), [item]);
    assert.deepEqual(await contentOf(session, "131-5"), [item]);
    await assert.rejects(contentOf(session, "131-6"), {
      code: "ERR_TMR_ARGUMENT",
      message: "container: expected 131-5, received 131-6",
    });
  });
});

describe("cli status", () => {
  const all = [upstream(1), upstream(2), upstream(3)];
  const oneDown = [upstream(1), upstream(2), upstream(3, "down")];
  const twoDown = [upstream(1), upstream(2, "down"), upstream(3, "down")];

  for (const [name, reports, serving, sentence] of [
    [
      "both servers and all upstreams",
      [report("tmr-a", server("active", all)), report("tmr-b", server("passive", []))],
      true,
      "plant is served by tmr-a: 3 of 3 upstreams agree",
    ],
    [
      "one upstream down",
      [report("tmr-a", server("active", oneDown)), report("tmr-b", server("passive", []))],
      true,
      "plant is served by tmr-a: 2 of 3 upstreams agree",
    ],
    [
      "two upstreams down",
      [report("tmr-a", server("active", twoDown)), report("tmr-b", null)],
      false,
      "plant does not serve: 1 of 3 upstreams agree",
    ],
    [
      "only a passive server",
      [report("tmr-a", null), report("tmr-b", server("passive", all))],
      false,
      "plant does not serve: no TMR server is active",
    ],
    ["no server", [report("tmr-a", null), report("tmr-b", null)], false, "plant: no TMR server answers"],
  ] as const) {
    it(`says with ${name}: ${serving ? "served" : "not served"}`, () => {
      assert.equal(isServing(reports), serving);
      assert.equal(statusText(plain, "plant", reports).split("\n")[0], sentence);
    });
  }

  it("shows servers, upstreams and licenses that are not held alike", () => {
    const licenses = [
      { firmCode: 6_000_010, productCode: 13, tmrId: 4, verdict: "majority-odd", odd: 3, holders: [1, 2] },
    ] as const;
    const reports = [report("tmr-a", { ...server("active", oneDown), licenses }), report("tmr-b", null)];
    assert.equal(
      statusText(plain, "plant", reports),
      [
        "plant is served by tmr-a: 2 of 3 upstreams agree",
        "",
        "TMR SERVER  ADDRESS         ROLE    EPOCH  POSITION  CARRIED  DIGEST        CLIENTS  TWIN",
        "tmr-a       127.0.0.1:7101  active      6       120      120  0123456789ab        3  tmr-b passive",
        "tmr-b       127.0.0.1:7101  down        -         -        -  -                   -  connection refused",
        "",
        "UPSTREAM      ADDRESS         STATE      EPOCH  POSITION  AGREES",
        "1 upstream-1  127.0.0.1:7201  streaming      6       120  yes",
        "2 upstream-2  127.0.0.1:7202  streaming      6       120  yes",
        "3 upstream-3  127.0.0.1:7203  down           0         0  no",
        "",
        "LICENSE NOT HELD ALIKE  TMR-ID  VERDICT       HELD BY  ODD",
        "6000010:13                   4  majority-odd  1 2      upstream 3",
        "",
      ].join("\n"),
    );
  });

  it("asks every server, and says of one that does not answer why", async () => {
    const servers = [
      { name: "tmr-a", clients: "a:1" },
      { name: "tmr-b", clients: "b:2" },
    ];
    const reports = await askAll(servers, (address) =>
      address === "a:1" ? Promise.resolve(server("active", all)) : Promise.reject(new Error("refused")),
    );
    assert.deepEqual(
      reports.map(({ name, status, fault }) => [name, status?.role, fault]),
      [
        ["tmr-a", "active", null],
        ["tmr-b", undefined, "refused"],
      ],
    );
  });
});

describe("cli values", () => {
  it("read numbers of 32 bits, decimal and hexadecimal", () => {
    assert.equal(parseU32("4294967295"), 0xffff_ffff);
    assert.equal(parseU32("0xFF"), 255);
    for (const wrong of ["", "-1", "1.5", "4294967296", "0x", "1e3", " 1", "x"]) {
      assert.throws(() => parseU32(wrong), { code: "commander.invalidArgument" }, wrong);
    }
    assert.throws(() => parseU32("0", 1), { code: "commander.invalidArgument" });
  });

  it("read FIRMCODE:PRODUCTCODE", () => {
    assert.deepEqual(parseProduct("6000010:13"), { firmCode: 6_000_010, productCode: 13 });
    for (const wrong of ["6000010", "6000010:", ":13", "0:13", "1:2:3", "a:b"]) {
      assert.throws(() => parseProduct(wrong), { code: "commander.invalidArgument" }, wrong);
    }
  });

  for (const [version, fits] of [
    ["20.20.2", false],
    ["22.13.9", false],
    ["22.14.0", true],
    ["23.0.0", true],
    ["24.21.0", true],
    ["100.0.0", true],
  ] as const) {
    it(`say that Node ${version} ${fits ? "will do" : "is too old"}`, () => {
      const fault = runtimeFault(version);
      assert.equal(fault === null, fits);
      if (!fits) assert.match(fault ?? "", /expected Node 22\.14 or later, received Node/);
    });
  }
});
