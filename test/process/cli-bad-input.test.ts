import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { type CreatedSystem, createSystem } from "../../ts/central/found-system.js";
import { freePorts } from "../../ts/cli/demo/processes.js";
import type { ErrorCode } from "../../ts/errors.js";
import { listen } from "../../ts/transport/listen.js";
import { type Ran, runTmr } from "../support/run-tmr.js";
import { scratchFolder } from "../support/scratch.js";

/** One message on stderr that ends with the code, no stack trace, exit code 2. */
function assertRefused(ran: Ran, code: ErrorCode): string {
  assert.equal(ran.code, 2, ran.err + ran.out);
  assert.match(ran.err, new RegExp(`^tmr: [^]*\\(${code}\\)\\n$`));
  assert.equal(ran.err.match(/ERR_/g)?.length, 1, ran.err);
  assert.doesNotMatch(ran.err + ran.out, /^\s+at .*:\d+:\d+/m);
  return ran.err;
}

/** Every line that names the key, as `FILE: KEY: expected E, received R`. */
function assertFault(message: string, file: string, key: string, expected: RegExp, received: RegExp): void {
  const line = message.split("\n").find((each) => each.includes(`${file}: ${key}: expected `));
  assert.ok(line !== undefined, `no fault for ${key} of ${file} in:\n${message}`);
  const [before = "", after = ""] = line.split(", received ");
  assert.match(before, expected);
  assert.match(after, received);
}

describe("tmr server and tmr upstream with wrong files", function () {
  this.timeout(120_000);
  const scratch = scratchFolder();
  let system: CreatedSystem;
  let occupied: Server[] = [];

  beforeEach(async () => {
    const ports = (await freePorts(7)) as [number, number, number, number, number, number, number];
    system = createSystem(join(scratch(), "plant"), {
      clients: [ports[0], ports[1]],
      twins: [ports[2], ports[3]],
      upstreams: [ports[4], ports[5], ports[6]],
    });
  });
  afterEach(async () => {
    await Promise.all(occupied.map((server) => new Promise((resolve) => server.close(resolve))));
    occupied = [];
  });

  function edit(file: string, change: (text: string) => string): void {
    const before = readFileSync(file, "utf8");
    const after = change(before);
    assert.notEqual(after, before, "the edit found its place");
    writeFileSync(file, after);
  }

  async function occupy(address: string): Promise<void> {
    const server = createServer();
    occupied.push(server);
    await listen(server, address);
  }

  it("names every fault of tmr.toml and of the system.toml that it names at once", async () => {
    const [file] = system.serverFiles;
    edit(file, (text) => text.replace(/^name = .*$/m, 'name = "tmr-z"').replace("[server]", "[server]\nstaet = 5"));
    edit(
      file,
      (text) => `${text}\n[timing]\nsuspectMs = "soon"\n[limits]\nmaxClients = 0\n[session]\ntimeoutMs = 200\n`,
    );
    edit(system.systemFile, (text) => text.replace(/^clientKey = .*$/m, 'clientKey = "short"'));
    edit(system.systemFile, (text) => text.replace(/^address = .*$/m, 'address = "nowhere"'));
    const message = assertRefused(await runTmr("server", "-c", file), "ERR_TMR_CONFIG");
    assert.match(message, /^tmr: \d+ faults:\n/);
    assertFault(message, file, "server.staet", /one of the keys .*state/, /unknown key "staet".*did you mean "state"/);
    assertFault(message, file, "timing.suspectMs", /an integer from 20 to/, /^"soon"/);
    assertFault(message, file, "limits.maxClients", /an integer from 1 to/, /^0/);
    assertFault(message, file, "session.timeoutMs", /at least session.minTimeoutMs/, /^200/);
    assertFault(message, system.systemFile, "clientKey", /32 bytes as base64url/, /^5 characters/);
    assertFault(message, system.systemFile, "upstream[0].address", /host:port/, /^"nowhere"/);
  });

  it("names every fault of upstream.toml at once", async () => {
    const [file] = system.upstreamFiles;
    edit(file, (text) =>
      text
        .replace("id = 1", "id = 4")
        .replace(/^containers = .*$/m, "")
        .replace('"info"', '"loud"'),
    );
    const message = assertRefused(await runTmr("upstream", "-c", file), "ERR_TMR_CONFIG");
    assertFault(message, file, "upstream.id", /1, 2 or 3/, /^4/);
    assertFault(message, file, "upstream.containers", /a path/, /^nothing/);
    assertFault(message, file, "log.level", /one of trace, debug/, /^"loud"/);
  });

  it("says where a file is not TOML, or cannot be read", async () => {
    const [file] = system.serverFiles;
    const missing = join(scratch(), "missing.toml");
    assert.ok(assertRefused(await runTmr("server", "-c", missing), "ERR_TMR_FILE").includes(missing));
    assert.ok(assertRefused(await runTmr("upstream", "-c", missing), "ERR_TMR_FILE").includes(missing));
    assert.ok(assertRefused(await runTmr("list", "--system", missing), "ERR_TMR_FILE").includes(missing));
    writeFileSync(file, "[server\nname = 1\n");
    assert.match(
      assertRefused(await runTmr("server", "-c", file), "ERR_TMR_CONFIG"),
      /line 1, column \d+: expected TOML/,
    );
    writeFileSync(file, Buffer.of(0x5b, 0xff, 0xfe));
    assert.ok(assertRefused(await runTmr("server", "-c", file), "ERR_TMR_FILE").includes(file));
  });

  it("refuses a key file that is missing, readable by others, damaged or of another server, and shows no key", async () => {
    const [first, second] = system.serverFiles;
    const key = join(dirname(first), "key.json");
    const secrets = Object.values(JSON.parse(readFileSync(key, "utf8")) as Record<string, string>).filter(
      (value) => value.length > 40,
    );
    assert.equal(secrets.length, 3);
    const refused = async (expected: RegExp): Promise<void> => {
      const message = assertRefused(await runTmr("server", "-c", first), "ERR_TMR_KEY");
      assert.ok(message.includes(key), message);
      assert.match(message, expected);
      for (const secret of secrets) assert.ok(!message.includes(secret.slice(0, 12)), "no byte of a key is shown");
    };
    chmodSync(key, 0o644);
    await refused(/mode 0600.*received mode 0644/);
    chmodSync(key, 0o600);
    edit(key, (text) => text.replace("{", "["));
    await refused(/expected a JSON key file/);
    copyFileSync(join(dirname(second), "key.json"), key);
    await refused(/noise: expected the private half of "key" of server "tmr-a".*received another key/);
    copyFileSync(join(dirname(system.upstreamFiles[0]), "key.json"), key);
    await refused(/kind: expected "server", received "upstream"/);
    chmodSync(key, 0o600);
    edit(first, (text) => text.replace('"key.json"', '"away.json"'));
    const message = assertRefused(await runTmr("server", "-c", first), "ERR_TMR_KEY");
    assert.match(message, /away\.json: expected a readable key file, received no such file/);
  });

  it("refuses the key file of another upstream", async () => {
    const [first, second] = system.upstreamFiles;
    copyFileSync(join(dirname(second), "key.json"), join(dirname(first), "key.json"));
    const message = assertRefused(await runTmr("upstream", "-c", first), "ERR_TMR_KEY");
    assert.match(message, /noise: expected the private half of "key" of upstream 1/);
    assert.match(message, /signing: expected the private half of "signingKey" of upstream 1/);
  });

  it("names the address whose port is in use: clients, twin, upstream", async () => {
    const [server] = system.system.servers;
    const [upstream] = system.system.upstreams;
    for (const [address, role, file] of [
      [server.clients, "server", system.serverFiles[0]],
      [server.twin, "server", system.serverFiles[0]],
      [upstream.address, "upstream", system.upstreamFiles[0]],
    ] as const) {
      await occupy(address);
      const message = assertRefused(await runTmr(role, "-c", file), "ERR_TMR_LISTEN");
      assert.ok(message.includes(`${address}: the port is in use`), message);
      await new Promise((resolve) => occupied.pop()?.close(resolve));
    }
  });

  it("does not start from a damaged server-state.json, and leaves it as it is", async () => {
    const state = join(dirname(system.serverFiles[0]), "state");
    mkdirSync(state, { mode: 0o700 });
    const file = join(state, "server-state.json");
    for (const damaged of [
      '{"highestUsedEpoch":1',
      "",
      '{"highestUsedEpoch":"9","founded":true}',
      "\u0000\u0000",
      "null",
    ]) {
      writeFileSync(file, damaged);
      const message = assertRefused(await runTmr("server", "-c", system.serverFiles[0]), "ERR_TMR_FILE");
      assert.ok(message.includes(`${file}: expected {"highestUsedEpoch"`), message);
      assert.equal(readFileSync(file, "utf8"), damaged);
    }
  });

  it("does not start without its containers folder", async () => {
    edit(system.upstreamFiles[0], (text) => text.replace(/^containers = .*$/m, 'containers = "nowhere"'));
    const message = assertRefused(await runTmr("upstream", "-c", system.upstreamFiles[0]), "ERR_TMR_FILE");
    assert.match(message, /containers folder .*nowhere/);
  });
});
