import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { connect } from "../../ts/client/connect.js";
import { loadStandaloneConfig, loadUpstreamConfig } from "../../ts/config/index.js";
import { flipped } from "../support/hostile-peer.js";
import { license } from "../support/issuing.js";
import { upstreamStatus } from "../support/ports-under-attack.js";
import { type Ran, runTmr } from "../support/run-tmr.js";
import { ONE_SEAT, programFile, RunningPlant, until } from "../support/running-plant.js";
import { RunningStandalone } from "../support/running-standalone.js";

const PRODUCT = { firmCode: 6_000_010, productCode: 13 };

function ended(ran: Ran, code: number): Ran {
  assert.equal(ran.code, code, `${ran.out}${ran.err}`);
  return ran;
}

describe("tmr store of a standalone license server", function () {
  this.timeout(120_000);
  let server: RunningStandalone;
  let config: string;
  let state: string;
  let scratch: string;

  beforeEach(async () => {
    server = await RunningStandalone.start([license("cad", 13)]);
    config = server.server.serverFile;
    state = loadStandaloneConfig(config).state;
    scratch = server.server.dir;
  });
  afterEach(() => server.stop());

  const store = (...args: readonly string[]): Promise<Ran> => runTmr("store", ...args, "-c", config);

  /** The state folder as a new disk has it. */
  async function loseDisk(): Promise<void> {
    await server.kill();
    rmSync(state, { recursive: true });
  }

  it("checks and exports a running server, and gives it back on a new disk with its handles", async () => {
    const session = await server.connect();
    const handle = await session.access(PRODUCT);
    const file = join(scratch, "backup.tmrstore");
    const report = JSON.parse(ended(await store("check", "--json"), 0).out) as { position: number };
    assert.ok(report.position >= 1);
    assert.match(ended(await store("export", file), 0).out, /up to position \d+ is in .*backup\.tmrstore/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.match(ended(await store("check", file), 0).out, /is sound: store format 1/);
    await loseDisk();
    assert.match(ended(await store("restore", file), 0).out, /is back from the copy/);
    await server.startAgain();
    assert.equal((await handle.info()).free, 4);
    await handle.release();
    await session.close();
  });

  it("overwrites neither an export nor a store", async () => {
    const file = join(scratch, "backup.tmrstore");
    ended(await store("export", file), 0);
    const before = readFileSync(file);
    assert.match(ended(await store("export", file), 2).err, /an export never overwrites.*ERR_TMR_FILE/s);
    assert.ok(readFileSync(file).equals(before));
    assert.match(ended(await store("restore", file), 2).err, /has a store already.*a restore never overwrites/s);
    assert.match(ended(await store("restore", file, "--accept-loss"), 2).err, /ERR_TMR_ARGUMENT/);
  });

  it("names damage: a flipped byte and a cut file, in the store and in an export", async () => {
    const file = join(scratch, "backup.tmrstore");
    ended(await store("export", file), 0);
    await server.kill();
    const whole = readFileSync(file);
    for (const damaged of [flipped(whole, whole.length >> 1), whole.subarray(0, -40)]) {
      writeFileSync(file, damaged);
      assert.match(ended(await store("check", file), 2).err, /not a sound export.*ERR_TMR_STORE/s);
    }
    writeFileSync(file, whole);
    // A store with everything in the one file, so that each damage below is to something that is there.
    await loseDisk();
    ended(await store("restore", file), 0);
    const database = join(state, "standalone.sqlite");
    const bytes = readFileSync(database);
    const batch = bytes.indexOf("TMRB");
    assert.ok(batch > 0, "a batch lies in the store");
    for (const damaged of [flipped(bytes, batch + 100), bytes.subarray(0, bytes.length >> 1)]) {
      writeFileSync(database, damaged);
      assert.match(ended(await store("check"), 2).err, /ERR_TMR_STORE/);
      assert.ok(readFileSync(database).equals(damaged), "a check changes nothing");
    }
    assert.deepEqual(readdirSync(state), ["standalone.sqlite"]);
  });

  it("takes no export of another system", async () => {
    const file = join(scratch, "other.tmrstore");
    const other = await RunningStandalone.start([license("cad", 13)]);
    try {
      ended(await runTmr("store", "export", file, "-c", other.server.serverFile), 0);
    } finally {
      await other.stop();
    }
    await loseDisk();
    assert.match(
      ended(await store("restore", file), 2).err,
      /of another system, expected "license-server" of this one/,
    );
    assert.ok(!existsSync(join(state, "standalone.sqlite")));
  });

  it("leaves nothing, or everything, when a restore is killed; what is half there is never taken for a new server", async () => {
    const session = await server.connect();
    await session.access(PRODUCT);
    const file = join(scratch, "backup.tmrstore");
    ended(await store("export", file), 0);
    const database = join(state, "standalone.sqlite");
    for (let delayMs = 60; delayMs <= 360; delayMs += 100) {
      await loseDisk();
      const child = spawn(process.execPath, [programFile, "store", "restore", file, "-c", config], { stdio: "ignore" });
      const exit = once(child, "exit");
      const timer = setTimeout(() => child.kill("SIGKILL"), delayMs);
      await exit;
      clearTimeout(timer);
      if (existsSync(database)) ended(await store("check"), 0);
      else ended(await store("restore", file), 0);
    }
    await loseDisk();
    ended(await store("restore", file), 0);
    renameSync(database, `${database}.restoring`);
    const started = await runTmr("upstream", "-c", config);
    assert.match(ended(started, 2).err, /a restore of .* was interrupted.*tmr store restore.*ERR_TMR_FILE/s);
    ended(await store("restore", file), 0);
    assert.ok(!existsSync(`${database}.restoring`));
    await server.startAgain();
    await session.close();
  });
});

describe("tmr store of an upstream", function () {
  this.timeout(240_000);
  let running: RunningPlant;

  before(async () => {
    running = await RunningPlant.start();
  });
  after(() => running?.stop());

  function files(id: 1 | 2 | 3) {
    const config = running.plant.system.upstreamFiles[id - 1] ?? "";
    const { state } = loadUpstreamConfig(config);
    return { config, state, out: join(dirname(config), "backup.tmrstore") };
  }

  async function stopWithoutDisk(id: 1 | 2 | 3): Promise<void> {
    await running.processes.kill(`upstream-${id}`);
    rmSync(files(id).state, { recursive: true });
  }

  function start(id: 1 | 2 | 3): void {
    const description = running.plant.upstreams[id - 1];
    if (description !== undefined) running.processes.start(description);
  }

  it("puts it back blank, with a new identity, and the others fill it", async () => {
    const { config, out } = files(2);
    const session = await connect({ system: running.systemFile, requestTimeoutMs: 60_000 });
    ended(await runTmr("store", "export", out, "-c", config), 0);
    const before = await upstreamStatus(running, 2);
    const handle = await session.access(ONE_SEAT);
    await stopWithoutDisk(2);
    const { out: said } = ended(await runTmr("store", "restore", out, "-c", config), 0);
    assert.match(said, /blank store with a new identity.*the two other upstreams fill it/s);
    start(2);
    await running.whole();
    const after = await upstreamStatus(running, 2);
    assert.notEqual(after.incarnation, before.incarnation);
    assert.equal(after.blank, false);
    // It knows what was confirmed after the copy: together with one other it carries the system.
    await running.processes.kill("upstream-1");
    assert.equal((await handle.info()).free, 0);
    await handle.release();
    start(1);
    await running.whole();
    await session.close();
  });

  it("refuses the last resort while the system serves, and an export of another upstream", async () => {
    const { config, out } = files(2);
    await stopWithoutDisk(2);
    const refused = ended(await runTmr("store", "restore", out, "-c", config, "--accept-loss"), 2);
    assert.match(refused.err, /serves: the other upstreams have everything.*ERR_TMR_STATE/s);
    const swapped = join(dirname(out), "of-3.tmrstore");
    ended(await runTmr("store", "export", swapped, "-c", files(3).config), 0);
    const wrong = ended(await runTmr("store", "restore", swapped, "-c", config), 2);
    assert.match(wrong.err, /is of upstream 3 .* of this system, expected "upstream-2"/);
    start(2);
    await running.whole();
  });

  it("brings a system back whose three disks are lost, from copies, once the operator accepts the loss", async () => {
    const session = await connect({ system: running.systemFile, requestTimeoutMs: 60_000 });
    const handle = await session.access(ONE_SEAT);
    await running.processes.stopAll();
    for (const id of [1, 2, 3] as const) {
      const { config, out, state } = files(id);
      rmSync(out, { force: true });
      ended(await runTmr("store", "export", out, "-c", config), 0);
      rmSync(state, { recursive: true });
      const { out: said } = ended(await runTmr("store", "restore", out, "-c", config, "--accept-loss"), 0);
      assert.match(said, /is back as it was/);
    }
    for (const description of running.all) running.processes.start(description);
    await running.whole();
    await until("the handle is there", async () => ((await handle.info()).free === 0 ? true : null), 60_000);
    await handle.release();
    await session.close();
  });
});
