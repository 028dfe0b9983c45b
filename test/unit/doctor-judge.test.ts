import assert from "node:assert/strict";
import type { Facts, LocalFacts, ServerFacts, StoreAnswer, TmrAnswer } from "../../ts/cli/doctor/facts.js";
import type { Finding } from "../../ts/cli/doctor/finding.js";
import { findingsText } from "../../ts/cli/doctor/index.js";
import { judge } from "../../ts/cli/doctor/judge.js";
import { textOf } from "../support/source-tree.js";

const NOW = Date.UTC(2026, 10, 24);
const DAY = 86_400_000;
const versions = { protocol: { min: 1, max: 2 }, rules: { min: 1, max: 1 } };

type Link = TmrAnswer["upstreams"][number];

function link(id: number, more: Partial<Link> = {}): Link {
  return { id, name: `u-${id}`, connected: true, state: "streaming", agrees: true, lastFault: "", ...more };
}

function answer(role: TmrAnswer["role"], more: Partial<TmrAnswer> = {}): TmrAnswer {
  const state = role === "active" ? "streaming" : "connected";
  return {
    role,
    phase: role === "active" ? "active" : "idle",
    epoch: 7,
    quorum: role === "active",
    peer: { name: role === "active" ? "tmr-b" : "tmr-a", connected: true },
    upstreams: [1, 2, 3].map((id) => link(id, { state })),
    licenses: [],
    oddLicenses: 0,
    ...more,
  };
}

const store: StoreAnswer = {
  blank: false,
  durable: true,
  calendarMs: NOW,
  containers: [{ file: "plant.tmrc", fault: null }],
};

const well: Omit<ServerFacts, "name" | "kind" | "address"> = {
  listens: true,
  fault: null,
  release: "1.0.0",
  versions,
  clockMs: 3,
  tmr: null,
  store: null,
  descriptors: null,
};
const a: ServerFacts = { ...well, name: "tmr-a", kind: "TMR server", address: "10.0.0.11:7101", tmr: answer("active") };
const b: ServerFacts = {
  ...well,
  name: "tmr-b",
  kind: "TMR server",
  address: "10.0.0.12:7101",
  tmr: answer("passive"),
};
const upstreams = [1, 2, 3].map(
  (id): ServerFacts => ({ ...well, name: `u-${id}`, kind: "upstream", address: `10.0.0.2${id}:7201`, store }),
);

/** A system that is well, but for the servers that are named. */
function facts(servers: Readonly<Record<string, Partial<ServerFacts>>> = {}, more: Partial<Facts> = {}): Facts {
  return {
    system: "plant-1",
    kind: "tmr",
    nowMs: NOW,
    servers: [a, b, ...upstreams].map((server) => ({ ...server, ...servers[server.name] })),
    licenses: [{ firmCode: 6_000_010, productCode: 13, text: "CAM", expirationMs: null }],
    licensesFault: null,
    virtual: null,
    local: null,
    ...more,
  };
}

const local: LocalFacts = {
  file: "upstream.toml",
  kind: "upstream",
  fault: null,
  sameSystem: true,
  state: { folder: "/s", freeBytes: 5e9, syncMs: 1, syncFault: null },
};
const disk = (more: Partial<NonNullable<LocalFacts["state"]>>): Facts =>
  facts({}, { local: { ...local, state: { folder: "/s", freeBytes: 5e9, syncMs: 1, syncFault: null, ...more } } });

const down: Partial<ServerFacts> = {
  listens: false,
  fault: "refused",
  release: null,
  versions: null,
  clockMs: null,
  tmr: null,
  store: null,
};
const stranger: Partial<ServerFacts> = { ...down, listens: true, fault: "connection closed during the handshake" };

/** What is wrong, and everything that is to be found besides what is well. */
const table: readonly (readonly [what: string, facts: Facts, found: readonly string[]])[] = [
  ["nothing", facts(), []],
  ["nothing, seen on a server's machine", facts({}, { local }), []],
  [
    "one upstream is down",
    facts({
      "u-2": down,
      "tmr-a": {
        tmr: answer("active", {
          upstreams: [link(1), link(2, { connected: false, state: "down", lastFault: "refused" }), link(3)],
        }),
      },
    }),
    ["problem reachability u-2", "problem links tmr-a > u-2"],
  ],
  ["an upstream has another key", facts({ "u-3": stranger }), ["problem keys u-3"]],
  [
    "both TMR servers are down",
    facts({ "tmr-a": down, "tmr-b": down }, { licenses: null, licensesFault: "nobody" }),
    [
      "problem service plant-1",
      "problem reachability tmr-a",
      "problem reachability tmr-b",
      "problem licenses licenses",
    ],
  ],
  ["nobody leads", facts({ "tmr-a": { tmr: answer("passive") } }), ["problem service plant-1"]],
  ["a server has stopped over an alarm", facts({ "tmr-a": { tmr: answer("stopped") } }), ["problem service plant-1"]],
  ["there is no quorum", facts({ "tmr-a": { tmr: answer("active", { quorum: false }) } }), ["problem service plant-1"]],
  [
    "both say that they are active",
    facts({ "tmr-b": { tmr: answer("active", { peer: { name: "tmr-a", connected: true } }) } }),
    ["warning service plant-1"],
  ],
  [
    "the twins do not hear each other",
    facts({ "tmr-b": { tmr: answer("passive", { peer: { name: "tmr-a", connected: false } }) } }),
    ["problem links tmr-b > tmr-a"],
  ],
  [
    "a release was skipped",
    facts({
      "tmr-a": {
        tmr: answer("active", {
          upstreams: [
            link(1),
            link(2),
            link(3, { connected: false, state: "down", lastFault: "no common version of the protocol: it knows 1" }),
          ],
        }),
      },
    }),
    ["problem links tmr-a > u-3"],
  ],
  [
    "an upstream is quarantined",
    facts({
      "tmr-a": {
        tmr: answer("active", { upstreams: [link(1), link(2, { state: "quarantined", agrees: false }), link(3)] }),
      },
    }),
    ["problem links tmr-a > u-2"],
  ],
  [
    "an upstream is being filled",
    facts({
      "u-1": { store: { ...store, blank: true } },
      "tmr-a": { tmr: answer("active", { upstreams: [link(1, { state: "catching-up" }), link(2), link(3)] }) },
    }),
    ["warning links tmr-a > u-1", "warning store u-1"],
  ],
  [
    "an upstream does not wait for its disk",
    facts({ "u-1": { store: { ...store, durable: false } } }),
    ["problem store u-1"],
  ],
  [
    "a container is damaged, another upstream has none",
    facts({
      "u-1": { store: { ...store, containers: [{ file: "x", fault: "truncated" }] } },
      "u-2": { store: { ...store, containers: [] } },
    }),
    ["problem containers u-1", "warning containers u-2"],
  ],
  [
    "licenses are not held alike",
    facts({
      "tmr-a": {
        tmr: answer("active", {
          oddLicenses: 3,
          licenses: [
            { firmCode: 1, productCode: 2, tmrId: 3, verdict: "majority-odd", odd: 2, holders: [1, 2, 3] },
            { firmCode: 1, productCode: 2, tmrId: 4, verdict: "alone", odd: 0, holders: [1] },
          ],
        }),
      },
    }),
    ["warning agreement 1:2 TMR-ID 3", "problem agreement 1:2 TMR-ID 4", "warning agreement licenses"],
  ],
  ["an upgrade is half done", facts({ "u-1": { release: "1.1.0" } }), ["warning versions servers"]],
  [
    "rules differ under one release",
    facts({ "u-1": { versions: { ...versions, rules: { min: 1, max: 2 } } } }),
    ["warning versions servers"],
  ],
  ["one clock is wrong", facts({ "u-1": { clockMs: 3_600_000 } }), ["warning clocks u-1"]],
  [
    "the clock of a TMR server is wrong, which nobody votes with",
    facts({ "tmr-a": { clockMs: -90_000 } }),
    ["warning clocks tmr-a"],
  ],
  [
    "two of the three clocks that vote are wrong",
    facts({ "u-1": { clockMs: 60_000 }, "u-2": { clockMs: 70_000 } }),
    ["problem clocks u-1", "problem clocks u-2"],
  ],
  [
    "this host's clock is wrong",
    facts(
      Object.fromEntries(
        [a, b, ...upstreams].map(({ name, store: own }) => [
          name,
          { clockMs: -5_000, store: own && { ...own, calendarMs: NOW - 5_000 } },
        ]),
      ),
    ),
    ["warning clocks this host"],
  ],
  [
    "calendar time ran ahead",
    facts({ "u-1": { store: { ...store, calendarMs: NOW + 3_600_000 } } }),
    ["warning clocks calendar"],
  ],
  [
    "a release that does not say its clock",
    facts(Object.fromEntries([a, b, ...upstreams].map(({ name }) => [name, { clockMs: null }]))),
    [],
  ],
  ["two are on one host", facts({ "u-1": { address: "10.0.0.11:7201" } }), ["warning hosts 10.0.0.11"]],
  [
    "licenses end",
    facts(
      {},
      {
        licenses: [
          { firmCode: 1, productCode: 2, text: "", expirationMs: NOW - 1 },
          { firmCode: 1, productCode: 3, text: "soon", expirationMs: NOW + 29 * DAY },
          { firmCode: 1, productCode: 4, text: "late", expirationMs: NOW + 32 * DAY },
        ],
      },
    ),
    ["warning licenses 1:2", "warning licenses 1:3 soon"],
  ],
  [
    "descriptors run out",
    facts({
      "tmr-a": { descriptors: { open: 950, limit: 1024 } },
      "tmr-b": { descriptors: { open: 20, limit: 1024 } },
      "u-1": { descriptors: { open: 20, limit: 1024 } },
    }),
    ["problem descriptors tmr-a", "warning descriptors tmr-b"],
  ],
  [
    "the virtual address leads to the active server",
    facts({}, { virtual: { address: "10.0.0.10:7101", answeredBy: "tmr-a", fault: null } }),
    [],
  ],
  [
    "the virtual address leads to the passive server",
    facts({}, { virtual: { address: "10.0.0.10:7101", answeredBy: "tmr-b", fault: null } }),
    ["problem virtual address 10.0.0.10:7101"],
  ],
  [
    "nobody has the virtual address",
    facts({}, { virtual: { address: "10.0.0.10:7101", answeredBy: null, fault: "no answer" } }),
    ["problem virtual address 10.0.0.10:7101"],
  ],
  [
    "a key file is readable by others",
    facts({}, { local: { ...local, fault: { code: "ERR_TMR_KEY", message: "mode 0644" } } }),
    ["problem keys upstream.toml"],
  ],
  [
    "a configuration is faulty",
    facts({}, { local: { ...local, fault: { code: "ERR_TMR_CONFIG", message: "2 faults" }, state: null } }),
    ["problem configuration upstream.toml"],
  ],
  [
    "a machine has another system.toml",
    facts({}, { local: { ...local, sameSystem: false } }),
    ["problem configuration upstream.toml"],
  ],
  ["a disk is slow", disk({ syncMs: 30 }), ["warning disk speed /s"]],
  ["a disk is very slow", disk({ syncMs: 300 }), ["problem disk speed /s"]],
  [
    "the slow disk of a TMR server, which seldom writes",
    facts(
      {},
      {
        local: { ...local, kind: "TMR server", state: { folder: "/s", freeBytes: 5e9, syncMs: 300, syncFault: null } },
      },
    ),
    [],
  ],
  ["a disk takes no write", disk({ syncMs: null, syncFault: "EROFS" }), ["problem disk speed /s"]],
  ["a disk is nearly full", disk({ freeBytes: 5e8 }), ["warning disk space /s"]],
  ["a disk is full", disk({ freeBytes: 1e6 }), ["problem disk space /s"]],
];

function headings(): ReadonlySet<string> {
  const lines = textOf("docs/operations.md")
    .split("\n")
    .filter((line) => line.startsWith("#"));
  return new Set(
    lines.map((line) =>
      line
        .replace(/^#+ /, "")
        .toLowerCase()
        .replaceAll(/[^\w -]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}

describe("what tmr doctor finds", () => {
  const known = headings();
  const seen: Finding[] = [];

  for (const [what, given, found] of table) {
    it(`when ${what}`, () => {
      const open = judge(given).filter(({ level }) => level !== "ok");
      assert.deepEqual(
        open.map(({ level, check, where }) => `${level} ${check} ${where}`),
        found,
      );
      seen.push(...open);
    });
  }

  it("says what to do about each finding, in a sentence, and where that is written", () => {
    assert.ok(seen.length > 30);
    for (const { advice, see, found, check } of seen) {
      assert.match(advice, /^[^\n]+\.$/, check);
      assert.notEqual(found, "");
      assert.ok(known.has(see), `docs/operations.md has no heading ${see}`);
    }
  });

  it("of a standalone license server asks for no twin and no quorum", () => {
    const one: ServerFacts = { ...well, name: "srv", kind: "standalone", address: "10.0.0.1:7101", store };
    const given = facts({}, { kind: "standalone", servers: [one] });
    assert.deepEqual(
      judge(given).filter(({ level }) => level !== "ok"),
      [],
    );
  });

  it("is a table, then what to do, then the sum; a name from elsewhere cannot move the cursor", () => {
    const given = facts({ "u-2": { ...down, name: "u-2\u001b[2J" } });
    const text = findingsText({ colour: false }, "plant-1", judge(given));
    assert.match(text, /^ +CHECK +WHERE +FOUND\n/);
    assert.match(
      text,
      /\nproblem {2}reachability, u-2\?\[2J: See whether its process runs there.*\n {9}docs\/operations\.md#an-upstream-is-down\n/,
    );
    assert.match(text, /\nplant-1: 1 problems, 0 warnings, \d+ ok\n$/);
    assert.ok(!text.includes("\u001b"));
  });
});
