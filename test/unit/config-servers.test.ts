import assert from "node:assert/strict";
import { appendFileSync, chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { inspect } from "node:util";
import { type CreatedSystem, type CreateSystemOptions, createSystem } from "../../ts/central/found-system.js";
import { FaultsError, loadServerConfig, loadUpstreamConfig } from "../../ts/config/index.js";
import { ed25519PublicKey, x25519PublicKey } from "../../ts/config/key-files.js";
import { serverStateFolder } from "../../ts/config/state-folder.js";
import { scratchFolder } from "../support/scratch.js";
import { thrownBy } from "../support/throws.js";

function edit(file: string, from: string | RegExp, to: string): void {
  const text = readFileSync(file, "utf8");
  const edited = text.replace(from, to);
  assert.notEqual(edited, text, `the edit of ${String(from)} changes nothing`);
  writeFileSync(file, edited);
}

function faults(load: () => unknown): string[] {
  const error = thrownBy("ERR_TMR_CONFIG", load);
  assert.ok(error instanceof FaultsError);
  return error.faults.map((fault) => `${fault.key}: ${fault.expected} / ${fault.received}`);
}

/** Every secret text of the key files of a system. */
function secretsOf(system: CreatedSystem): string[] {
  return [...system.upstreamFiles, ...system.serverFiles].flatMap((file) => {
    const keys = JSON.parse(readFileSync(join(dirname(file), "key.json"), "utf8")) as Record<string, string>;
    return Object.entries(keys).flatMap(([name, value]) => (name === "kind" ? [] : [value]));
  });
}

describe("upstream.toml", () => {
  const scratch = scratchFolder();
  const found = (options: CreateSystemOptions = {}): CreatedSystem => createSystem(join(scratch(), "s"), options);

  it("is loaded with its system, its keys and absolute paths", () => {
    const system = found();
    for (const id of [1, 2, 3] as const) {
      const config = loadUpstreamConfig(system.upstreamFiles[id - 1] ?? "");
      const entry = config.system.upstreams[id - 1];
      assert.equal(config.id, id);
      assert.equal(config.listen, entry?.address);
      assert.equal(config.containers, system.containerDirs[id - 1]);
      assert.equal(config.state, join(scratch(), "s", `upstream-${id}`, "state"));
      assert.deepEqual(x25519PublicKey(config.keys.noise), entry?.key);
      assert.deepEqual(ed25519PublicKey(config.keys.signing), entry?.signingKey);
      assert.ok(Object.isFrozen(config) && Object.isFrozen(config.log));
    }
  });

  it("may listen elsewhere than clients connect", () => {
    const [file] = found().upstreamFiles;
    edit(file, "[upstream]", '[upstream]\nlisten = "0.0.0.0:9000"');
    assert.equal(loadUpstreamConfig(file).listen, "0.0.0.0:9000");
  });

  it("waits for its disk unless it is told in so many words not to", () => {
    const [file] = found().upstreamFiles;
    assert.equal(loadUpstreamConfig(file).store.durable, true);
    appendFileSync(file, "[store]\ndurable = false\n");
    assert.equal(loadUpstreamConfig(file).store.durable, false);
    edit(file, "durable = false", 'durable = "no"');
    assert.deepEqual(
      faults(() => loadUpstreamConfig(file)),
      ['store.durable: true or false / "no"'],
    );
  });

  it("reports its own faults and those of system.toml together", () => {
    const system = found();
    const [file] = system.upstreamFiles;
    edit(file, "id = 1", "id = 0");
    edit(file, 'level = "info"', 'level = "loud"');
    edit(system.systemFile, "id = 3", "id = 5");
    assert.deepEqual(
      faults(() => loadUpstreamConfig(file)),
      [
        "upstream.id: 1, 2 or 3 / 0",
        'log.level: one of trace, debug, info, warn, error, fatal, silent / "loud"',
        "upstream[2].id: 1, 2 or 3 / 5",
      ],
    );
  });

  it("reports a missing system.toml as a fault of the file that names it", () => {
    const system = found();
    rmSync(system.systemFile);
    assert.match(
      faults(() => loadUpstreamConfig(system.upstreamFiles[0])).join(),
      /^upstream\.system: a readable system/,
    );
  });

  it("refuses a key file that others may read", () => {
    const [file] = found().upstreamFiles;
    const keyFile = join(dirname(file), "key.json");
    for (const mode of [0o640, 0o604, 0o660]) {
      chmodSync(keyFile, mode);
      assert.match(
        thrownBy("ERR_TMR_KEY", () => loadUpstreamConfig(file)).message,
        /expected mode 0600 .* received mode 06/,
      );
    }
    chmodSync(keyFile, 0o400);
    assert.equal(loadUpstreamConfig(file).id, 1);
  });

  it("refuses the keys of another upstream, naming both", () => {
    const [one, two] = found().upstreamFiles;
    copyFileSync(join(dirname(two), "key.json"), join(dirname(one), "key.json"));
    const { message } = thrownBy("ERR_TMR_KEY", () => loadUpstreamConfig(one));
    assert.match(message, /noise: expected the private half of "key" of upstream 1/);
    assert.match(message, /signing: expected the private half of "signingKey" of upstream 1/);
  });

  it("refuses a missing or malformed key file and a server's key file", () => {
    const system = found();
    const [file] = system.upstreamFiles;
    const keyFile = join(dirname(file), "key.json");
    const good = readFileSync(keyFile, "utf8");
    for (const bad of ["", "{", good.slice(0, -20), "[]", good.replace('"noise"', '"nois"')]) {
      writeFileSync(keyFile, bad);
      thrownBy("ERR_TMR_KEY", () => loadUpstreamConfig(file));
    }
    copyFileSync(join(dirname(system.serverFiles[0]), "key.json"), keyFile);
    assert.match(thrownBy("ERR_TMR_KEY", () => loadUpstreamConfig(file)).message, /kind: expected "upstream"/);
    rmSync(keyFile);
    assert.match(thrownBy("ERR_TMR_KEY", () => loadUpstreamConfig(file)).message, /no such file/);
  });

  it("never shows key material, in messages or when it is printed", () => {
    const system = found();
    const [file, other] = system.upstreamFiles;
    const keyFile = join(dirname(file), "key.json");
    const secrets = secretsOf(system);
    const good = readFileSync(keyFile, "utf8");
    const secret = secrets[0] ?? "";
    const messages: string[] = [];
    const failing = (content: string): void => {
      writeFileSync(keyFile, content);
      messages.push(thrownBy("ERR_TMR_KEY", () => loadUpstreamConfig(file)).stack ?? "");
    };
    failing(good.slice(0, -3));
    failing(good.replaceAll('"noise": "', '"noise": "A'));
    failing(good.replace('"kind": "upstream"', `"kind": "${secret}"`));
    failing(readFileSync(join(dirname(other), "key.json"), "utf8"));
    writeFileSync(keyFile, good);
    // A key that was pasted where its path belongs.
    edit(file, '"key.json"', `"${secret}"`);
    messages.push(thrownBy("ERR_TMR_KEY", () => loadUpstreamConfig(file)).message);
    edit(file, `"${secret}"`, '"key.json"');
    const config = loadUpstreamConfig(file);
    messages.push(inspect(config, { depth: 9 }), JSON.stringify(config), JSON.stringify({ ...config }));
    for (const hidden of secrets) {
      for (const form of [hidden, Buffer.from(hidden, "base64url").toString("hex")]) {
        assert.ok(messages.every((message) => !message.replaceAll(" ", "").includes(form)));
      }
    }
  });
});

describe("tmr.toml", () => {
  const scratch = scratchFolder();
  const found = (options: CreateSystemOptions = {}): CreatedSystem => createSystem(join(scratch(), "s"), options);

  it("is loaded with its twin number, keys and defaults", () => {
    const system = found();
    const [a, b] = system.serverFiles.map(loadServerConfig);
    assert.deepEqual([a?.twin, a?.name, a?.listen, a?.twinListen], [0, "tmr-a", "127.0.0.1:7101", "127.0.0.1:7111"]);
    assert.deepEqual([b?.twin, b?.name, b?.listen, b?.twinListen], [1, "tmr-b", "127.0.0.1:7102", "127.0.0.1:7112"]);
    assert.deepEqual(a?.timing, { heartbeatMs: 200, suspectMs: 600, graceMs: 150 });
    assert.deepEqual(a?.session, { timeoutMs: 120_000, minTimeoutMs: 5_000, maxTimeoutMs: 86_400_000 });
    assert.equal(a?.limits.maxClients, 10_000);
    assert.deepEqual(x25519PublicKey(a?.keys.client ?? Buffer.alloc(0)), system.system.clientKey);
    assert.deepEqual(a?.keys.twinKey, b?.keys.twinKey);
    assert.notDeepEqual(a?.keys.noise, b?.keys.noise);
  });

  it("takes what createSystem was told", () => {
    const timing = { heartbeatMs: 20, suspectMs: 80 };
    const session = { minTimeoutMs: 500, timeoutMs: 1_000 };
    const system = found({ timing, session, limits: { maxClients: 7 }, logLevel: "warn", clients: [1, "[::1]:2"] });
    const config = loadServerConfig(system.serverFiles[1]);
    assert.deepEqual(config.timing, { ...timing, graceMs: 150 });
    assert.deepEqual(config.session, { ...session, maxTimeoutMs: 86_400_000 });
    assert.deepEqual([config.limits.maxClients, config.log.level, config.listen], [7, "warn", "[::1]:2"]);
  });

  it("says which server it is by name or by twin, and the two must agree", () => {
    const [file] = found().serverFiles;
    edit(file, 'name = "tmr-a"', "twin = 0");
    assert.equal(loadServerConfig(file).name, "tmr-a");
    edit(file, "twin = 0", 'twin = 1\nname = "tmr-a"');
    assert.deepEqual(
      faults(() => loadServerConfig(file)),
      ['server.twin: 0, the place of "tmr-a" in system.toml / 1'],
    );
    edit(file, 'twin = 1\nname = "tmr-a"', 'name = "tmr-c"');
    assert.deepEqual(
      faults(() => loadServerConfig(file)),
      ['server.name: a server of the system: "tmr-a" or "tmr-b" / "tmr-c"'],
    );
    edit(file, 'name = "tmr-c"\n', "");
    assert.deepEqual(
      faults(() => loadServerConfig(file)),
      ["server: name or twin, to say which of the two servers this is / neither"],
    );
  });

  it("refuses times and limits that contradict each other, also against a default", () => {
    const [file] = found().serverFiles;
    appendFileSync(file, "[timing]\nsuspectMs = 200\n[session]\ntimeoutMs = 4000\n[limits]\nretainedBatches = 4\n");
    assert.deepEqual(
      faults(() => loadServerConfig(file)),
      [
        "timing.suspectMs: more than timing.heartbeatMs = 200, or every heartbeat would be suspected / 200",
        "limits.retainedBatches: at least limits.maxBatchesInFlight = 8, or a batch under way could be forgotten / 4",
        "session.timeoutMs: at least session.minTimeoutMs = 5000, or the default is out of its own limits / 4000",
      ],
    );
  });

  it("reports contradictions together with wrong types and unknown keys", () => {
    const [file] = found().serverFiles;
    appendFileSync(file, "[timing]\nsuspectMs = 100\nhartbeatMs = 5\n[limits]\nmaxClients = 1.5\n[tming]\n");
    assert.deepEqual(
      faults(() => loadServerConfig(file)).map((fault) => fault.split(":")[0]),
      ["timing.hartbeatMs", "limits.maxClients", "tming", "timing.suspectMs"],
    );
  });

  it("refuses the key file of the other twin", () => {
    const [a, b] = found().serverFiles;
    copyFileSync(join(dirname(b), "key.json"), join(dirname(a), "key.json"));
    const { message } = thrownBy("ERR_TMR_KEY", () => loadServerConfig(a));
    assert.match(message, /noise: expected the private half of "key" of server "tmr-a"/);
  });
});

describe("the state folder of a tmr.toml", () => {
  const scratch = scratchFolder();
  const file = (): string => join(scratch(), "tmr.toml");

  it("is the one that the server uses, found without keys and system.toml", () => {
    const [server] = createSystem(join(scratch(), "s")).serverFiles;
    const { state } = loadServerConfig(server);
    rmSync(join(dirname(server), "key.json"));
    assert.equal(serverStateFolder(server), state);
    writeFileSync(file(), '[server]\nstate = "/var/lib/tmr"\n');
    assert.equal(serverStateFolder(file()), "/var/lib/tmr");
  });

  for (const [text, fault] of [
    ["", "server.state: a path / nothing"],
    ["server = 5\n", "server.state: a path / nothing"],
    ["[server]\nstate = 5\n", "server.state: a path / 5"],
    ['[server]\nstate = ""\n', 'server.state: a path / ""'],
  ] as const) {
    it(`is not guessed from ${JSON.stringify(text)}`, () => {
      writeFileSync(file(), text);
      assert.deepEqual(
        faults(() => serverStateFolder(file())),
        [fault],
      );
    });
  }

  it("is not looked for in a file that is not TOML or not there", () => {
    writeFileSync(file(), "[server\n");
    assert.match(
      thrownBy("ERR_TMR_CONFIG", () => serverStateFolder(file())).message,
      /line 1, column \d+: expected TOML/,
    );
    thrownBy("ERR_TMR_FILE", () => serverStateFolder(join(scratch(), "missing.toml")));
  });
});
