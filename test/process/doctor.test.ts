import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Processes } from "../../ts/cli/demo/processes.js";
import type { Finding } from "../../ts/cli/doctor/finding.js";
import { license } from "../support/issuing.js";
import { runTmr } from "../support/run-tmr.js";
import { programFile, RunningPlant } from "../support/running-plant.js";
import { RunningStandalone } from "../support/running-standalone.js";

const licenses = `
[[license]]
id = "cad"
productCode = 80
quantity = 1
`;
/** An hour ahead, as far as the program can see. */
const AHEAD = "data:text/javascript,const real=Date.now;Date.now=()=>real()+3600000";

interface Said {
  readonly problems: number;
  readonly findings: readonly Finding[];
}

describe("tmr doctor", function () {
  this.timeout(240_000);
  let running: RunningPlant;

  before(async () => {
    running = await RunningPlant.start(() => undefined, { licenses });
  });
  after(() => running?.stop());

  /** Findings that are not well, as lines; the exit code must fit them. */
  async function open(...args: readonly string[]): Promise<{ lines: string[]; findings: readonly Finding[] }> {
    const ran = await runTmr("doctor", "--system", running.systemFile, "--json", ...args);
    const said = JSON.parse(ran.out) as Said;
    assert.equal(said.problems, said.findings.filter(({ level }) => level === "problem").length);
    assert.equal(ran.code, said.problems === 0 ? 0 : 1, ran.err);
    const lines = said.findings
      .filter(({ level }) => level !== "ok")
      .map(({ level, check, where }) => `${level} ${check} ${where}`);
    return { lines, findings: said.findings };
  }

  /** All five have one address here, so this is said each time; the limit of open files is that of whoever runs the test. */
  const always = /^warning (?:hosts 127\.0\.0\.1|descriptors .*)$/;
  async function besides(...args: readonly string[]): Promise<string[]> {
    return (await open(...args)).lines.filter((line) => !always.test(line));
  }

  it("finds a system well, but for what five processes on one host share", async () => {
    const { lines, findings } = await open("--config", running.plant.system.upstreamFiles[0]);
    assert.ok(lines.includes("warning hosts 127.0.0.1"));
    assert.deepEqual(
      lines.filter((line) => !always.test(line) && !line.includes("disk speed")),
      [],
    );
    const checked = new Set(findings.map(({ check }) => check));
    for (const check of ["service", "reachability", "links", "store", "agreement", "versions", "clocks", "licenses"]) {
      assert.ok(checked.has(check), check);
    }
    for (const check of ["descriptors", "configuration", "disk space", "disk speed"])
      assert.ok(checked.has(check), check);
    const person = await runTmr("doctor", "--system", running.systemFile);
    assert.equal(person.code, 0, person.err);
    assert.match(person.out, /plant-1: 0 problems, \d+ warnings, \d+ ok\n$/);
  });

  it("finds an upstream that was killed, and who misses it", async () => {
    await running.processes.kill("upstream-2");
    const active = (await running.active()).name;
    const lines = await besides();
    assert.ok(lines.includes("problem reachability upstream-2"), lines.join("\n"));
    assert.ok(lines.includes(`problem links ${active} > upstream-2`), lines.join("\n"));
    running.processes.start(running.plant.upstreams[1]);
    await running.whole();
    assert.deepEqual(await besides(), []);
  });

  it("finds a description with another key", async () => {
    const { system } = running.plant.system;
    const key = system.upstreams[2].key.toString("base64url");
    const other = system.upstreams[1].signingKey.toString("base64url");
    const file = join(dirname(running.systemFile), "altered.toml");
    writeFileSync(file, readFileSync(running.systemFile, "utf8").replace(`key = "${key}"`, `key = "${other}"`));
    assert.deepEqual(await besides("--system", file), ["problem keys upstream-3"]);
    const there = await besides("--system", file, "--config", running.plant.system.serverFiles[0]);
    assert.ok(there.includes(`problem configuration ${running.plant.system.serverFiles[0]}`), there.join("\n"));
  });

  it("finds one clock that is wrong", async () => {
    const upstream = running.plant.upstreams[0];
    await running.processes.kill(upstream.name);
    const wrong = new Processes(programFile, running.plant.logDir, () => ["--import", AHEAD]);
    wrong.start(upstream);
    await running.whole();
    assert.deepEqual(await besides(), ["warning clocks upstream-1"]);
    await wrong.kill(upstream.name);
    running.processes.start(upstream);
    await running.whole();
  });

  it("finds key files that others may read", async () => {
    const config = running.plant.system.serverFiles[1];
    const key = join(dirname(config), "key.json");
    chmodSync(key, 0o640);
    assert.deepEqual(await besides("--config", config), [`problem keys ${config}`]);
    chmodSync(key, 0o600);
  });

  it("finds a virtual address that leads to the passive server, or nowhere", async () => {
    const active = await running.active();
    const { servers } = running.plant.system.system;
    const passive = servers.find(({ name }) => name !== active.name)?.clients ?? "";
    const own = servers.find(({ name }) => name === active.name)?.clients ?? "";
    assert.deepEqual(await besides("--virtual-address", own), []);
    assert.deepEqual(await besides("--virtual-address", passive), [`problem virtual address ${passive}`]);
    assert.deepEqual(await besides("--virtual-address", "127.0.0.1:1"), ["problem virtual address 127.0.0.1:1"]);
  });

  it("ends with 2 when it is used wrongly", async () => {
    assert.equal((await runTmr("doctor", "--system", "no-such-file.toml")).code, 2);
    assert.equal((await runTmr("doctor", "--system", running.systemFile, "--config", "no-such-file.toml")).code, 2);
  });
});

describe("tmr doctor of a standalone license server", function () {
  this.timeout(60_000);

  it("finds it well, with its disk; and that it is down", async () => {
    const server = await RunningStandalone.start([license("cad", 13)]);
    try {
      const { systemFile: system, serverFile: config } = server.server;
      const whole = await runTmr("doctor", "--system", system, "--config", config);
      assert.equal(whole.code, 0, whole.out + whole.err);
      assert.match(whole.out, /ok +configuration .*upstream\.toml/);
      await server.kill();
      const down = await runTmr("doctor", "--system", system);
      assert.equal(down.code, 1);
      assert.match(down.out, /problem {2}reachability +license-server/);
    } finally {
      await server.stop();
    }
  });
});
