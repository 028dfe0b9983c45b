import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createSystem } from "../../ts/central/found-system.js";
import { FaultsError, genesisOf, loadSystem, type System } from "../../ts/config/index.js";
import { scratchFolder } from "../support/scratch.js";
import { thrownBy } from "../support/throws.js";

describe("system.toml", () => {
  const folder = scratchFolder();

  /** The description of a fresh system after some edits. */
  function loadEdited(...edits: readonly (readonly [from: string | RegExp, to: string])[]): System {
    const { systemFile } = createSystem(join(folder(), "system"));
    const text = edits.reduce(
      (edited, [from, to]) => {
        const next = edited.replace(from, to);
        assert.notEqual(next, edited, `the edit of ${String(from)} changes nothing`);
        return next;
      },
      readFileSync(systemFile, "utf8"),
    );
    const file = join(folder(), "edited.toml");
    writeFileSync(file, text);
    return loadSystem(file);
  }

  function faultsOf(...edits: readonly (readonly [from: string | RegExp, to: string])[]): string[] {
    const error = thrownBy("ERR_TMR_CONFIG", () => loadEdited(...edits));
    assert.ok(error instanceof FaultsError);
    return error.faults.map(({ key, expected, received }) => `${key}: ${expected} / ${received}`);
  }

  it("is loaded with decoded keys, in order of twin and upstream number", () => {
    const system = loadEdited();
    assert.deepEqual(
      system.servers.map((server) => [server.name, server.clients, server.twin, server.key.length]),
      [
        ["tmr-a", "127.0.0.1:7101", "127.0.0.1:7111", 32],
        ["tmr-b", "127.0.0.1:7102", "127.0.0.1:7112", 32],
      ],
    );
    assert.deepEqual(
      system.upstreams.map((upstream) => [upstream.id, upstream.name, upstream.address, upstream.signingKey.length]),
      [
        [1, "upstream-1", "127.0.0.1:7201", 32],
        [2, "upstream-2", "127.0.0.1:7202", 32],
        [3, "upstream-3", "127.0.0.1:7203", 32],
      ],
    );
    assert.equal(Buffer.from(system.id, "base64url").length, 16);
    assert.match(system.virtualContainer, /^131-\d+$/);
  });

  it("may list the upstreams in any order", () => {
    const system = loadEdited(["id = 1\n", "id = 9\n"], ["id = 3\n", "id = 1\n"], ["id = 9\n", "id = 3\n"]);
    assert.deepEqual(
      system.upstreams.map((upstream) => [upstream.id, upstream.name]),
      [
        [1, "upstream-3"],
        [2, "upstream-2"],
        [3, "upstream-1"],
      ],
    );
  });

  it("gives a frozen object, all the way down", () => {
    const system = loadEdited();
    assert.ok(Object.isFrozen(system) && Object.isFrozen(system.servers) && Object.isFrozen(system.upstreams[2]));
    assert.throws(() => Object.assign(system.servers[0], { name: "other" }), TypeError);
  });

  it("gives the genesis that the state machine starts from", () => {
    const system = loadEdited();
    const genesis = genesisOf(system);
    assert.deepEqual(Object.keys(genesis).sort(), ["id", "upstreams", "virtualContainer"]);
    assert.equal(genesis.upstreams[1], system.upstreams[1].signingKey.toString("base64url"));
  });

  it("reports every fault at once, with file, key, expected and received", () => {
    assert.deepEqual(
      faultsOf(
        [/^name = "tmr"/m, "naem = 7"],
        ["clientKey = ", 'clientKey = "AAAA" # '],
        ['clients = "127.0.0.1:7102"', 'clients = "127.0.0.1:70000"'],
        ["id = 2", "id = 4"],
        [/virtualContainer = "131-/, 'virtualContainer = "130-1'],
      ).map((fault) => fault.replace(/130-\d+/, "130-n")),
      [
        "name: non-empty text of at most 64 bytes without control characters / nothing",
        'virtualContainer: a virtual container 131-serial, e.g. 131-729831162 / "130-n"',
        "clientKey: 32 bytes as base64url (43 characters) / 4 characters",
        'server[1].clients: an address host:port, with an IPv6 host in brackets / "127.0.0.1:70000"',
        "upstream[1].id: 1, 2 or 3 / 4",
        'naem: one of the keys name, id, virtualContainer, clientKey, virtualAddress, server, upstream, firm / the unknown key "naem" (did you mean "name"?)',
      ],
    );
  });

  it("names the file in the message", () => {
    const error = thrownBy("ERR_TMR_CONFIG", () => loadEdited(["id = 2", "id = 4"]));
    assert.equal(error.message, `${join(folder(), "edited.toml")}: upstream[1].id: expected 1, 2 or 3, received 4`);
  });

  const single: readonly (readonly [string, string | RegExp, string, string])[] = [
    [
      "a third server",
      /$/,
      '[[server]]\nname="c"\nclients="h:1"\ntwin="h:2"\nkey="x"\n',
      "server: exactly 2 [[server]] tables",
    ],
    ["a repeated id", "id = 3", "id = 2", "upstream[2].id: an id of its own / the same as upstream[1].id"],
    ["a repeated name", "tmr-b", "upstream-1", "upstream[0].name: a name of its own / the same as server[1].name"],
    [
      "a repeated address",
      "7203",
      "7101",
      "upstream[2].address: an address of its own / the same as server[0].clients",
    ],
    ["a zero port", ":7201", ":0", "upstream[0].address: an address host:port"],
    ["a port without a host", "127.0.0.1:7201", ":7201", "upstream[0].address: an address host:port"],
    ["a zero key", /key = "[^"]*"/, `key = "${"A".repeat(43)}"`, "server[0].key: 32 bytes as base64url"],
    ["padded base64", /(key = "[^"]*)"/, '$1="', "server[0].key: 32 bytes as base64url"],
    ["an escape sequence in a name", "upstream-2", "\\u001b[31m", "upstream[1].name: non-empty text"],
    [
      "a Firm Code that is not universal",
      /$/,
      '[[firm]]\nfirmCode=10\nname="f"\nkey="x"\n',
      "firm[0].firmCode: an integer from 6000000",
    ],
    [
      "a number where tables belong",
      /^([\s\S]*?)\[\[upstream\]\][\s\S]*$/,
      "upstream = 3\n$1",
      "upstream: exactly 3 [[upstream]] tables / 3",
    ],
  ];
  for (const [what, from, to, expected] of single) {
    it(`refuses ${what}`, () => {
      const faults = faultsOf([from, to]);
      assert.ok(
        faults.some((fault) => fault.startsWith(expected)),
        `expected ${expected}, received ${faults.join("\n")}`,
      );
    });
  }

  it("takes host names and IPv6 addresses", () => {
    const system = loadEdited(["127.0.0.1:7201", "[fe80::1%eth0]:7201"], ["127.0.0.1:7202", "up-2.plant.example:7202"]);
    assert.equal(system.upstreams[0].address, "[fe80::1%eth0]:7201");
    assert.equal(system.upstreams[1].address, "up-2.plant.example:7202");
  });

  it("reports a syntax fault with its line, and never quotes the line", () => {
    const file = join(folder(), "broken.toml");
    writeFileSync(file, 'name = "x"\nkey = not-for-logs\n');
    const { message } = thrownBy("ERR_TMR_CONFIG", () => loadSystem(file));
    assert.match(message, /broken\.toml: line 2, column \d+: expected TOML, received a syntax error/);
    assert.doesNotMatch(message, /not-for-logs/);
  });

  it("reports unsafe key names as a fault of the file", () => {
    const file = join(folder(), "unsafe.toml");
    writeFileSync(file, "__proto__ = 1\n");
    thrownBy("ERR_TMR_CONFIG", () => loadSystem(file));
  });

  it("that is missing is ERR_TMR_FILE", () => {
    assert.match(thrownBy("ERR_TMR_FILE", () => loadSystem(join(folder(), "none.toml"))).message, /none\.toml/);
  });

  it("that is not UTF-8 is ERR_TMR_FILE", () => {
    const file = join(folder(), "latin.toml");
    writeFileSync(file, Buffer.from([0x61, 0xff, 0xfe]));
    thrownBy("ERR_TMR_FILE", () => loadSystem(file));
  });
});
