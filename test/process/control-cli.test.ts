import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { controlSocketPath } from "../../ts/admin/control-protocol.js";
import { ControlSocket } from "../../ts/admin/control-socket.js";
import { FakeControlTarget, leaveStaleSocket } from "../support/control-kit.js";
import { type Ran, runTmr } from "../support/run-tmr.js";
import { scratchFolder } from "../support/scratch.js";

/** Each command with arguments that are well formed, before `--config`. */
const commands = [
  ["health"],
  ["take-over"],
  ["admit", "--upstream", "2", "--accept-loss"],
  ["resume", "--accept-loss"],
] as const;

/** A message on stderr with the code, no stack trace, nothing on stdout, exit code 2. */
function assertFailed(ran: Ran, expected: RegExp): void {
  assert.equal(ran.code, 2, ran.err + ran.out);
  assert.equal(ran.out, "");
  assert.match(ran.err, expected);
  assert.doesNotMatch(ran.err, /^\s+at .*:\d+:\d+/m);
}

describe("tmr health, take-over, admit and resume", function () {
  this.timeout(120_000);
  const scratch = scratchFolder();
  const target = new FakeControlTarget();
  let control: ControlSocket | null = null;

  const state = (): string => join(scratch(), "state");
  const file = (): string => join(scratch(), "tmr.toml");

  beforeEach(() => {
    target.reset();
    writeFileSync(file(), '[server]\nstate = "state"\n');
  });
  afterEach(async () => {
    await control?.close();
    control = null;
  });

  async function serve(): Promise<void> {
    control = await ControlSocket.open(state());
    control.attach(target);
  }

  it("ask a standalone license server by its upstream.toml", async () => {
    await serve();
    writeFileSync(file(), '[upstream]\nmode = "standalone"\nstate = "state"\n');
    assert.match((await runTmr("health", "-c", file())).out, /^does not serve: passive/);
  });

  it("say what is wrong with the file, and ask nobody", async () => {
    await serve();
    const missing = join(scratch(), "missing.toml");
    for (const command of commands) {
      assertFailed(await runTmr(...command), /required option '-c, --config <file>'/);
      assertFailed(await runTmr(...command, "-c", missing), /missing\.toml.*\(ERR_TMR_FILE\)\n$/);
    }
    const bad = join(scratch(), "bad.toml");
    writeFileSync(bad, "[server]\nstate = 5\n");
    assertFailed(await runTmr("health", "-c", bad), /server\.state: expected a path, received 5 \(ERR_TMR_CONFIG\)\n$/);
    writeFileSync(bad, '[upstream]\nmode = "standalone"\n');
    assertFailed(
      await runTmr("health", "-c", bad),
      /upstream\.state: expected a path, received nothing \(ERR_TMR_CONFIG\)\n$/,
    );
    writeFileSync(bad, '[upstream]\nid = 1\nstate = "state"\n');
    assertFailed(
      await runTmr("health", "-c", bad),
      /server\.state: expected a path, received nothing \(ERR_TMR_CONFIG\)\n$/,
    );
    writeFileSync(bad, `[server]\nstate = "${"x".repeat(120)}"\n`);
    assertFailed(await runTmr("health", "-c", bad), /at most 107 bytes.*\(ERR_TMR_CONNECT\)\n$/);
    assert.deepEqual(target.calls, []);
  });

  it("refuse flags that they do not know and values that make no sense", async () => {
    await serve();
    for (const which of ["0", "2,3", "ALL", ""]) {
      assertFailed(
        await runTmr("admit", "-c", file(), "--upstream", which, "--accept-loss"),
        /Expected 1, 2, 3 or all/,
      );
    }
    assertFailed(await runTmr("admit", "-c", file(), "--accept-loss"), /required option '--upstream/);
    assertFailed(await runTmr("admit", "-c", file(), "--upstream", "2", "--accept-losses"), /unknown option/);
    assertFailed(await runTmr("take-over", "-c", file(), "--force"), /unknown option '--force'/);
    assertFailed(await runTmr("take-over", "-c", file(), "now"), /too many arguments/);
    assertFailed(await runTmr("health", "-c", file(), "--timeout", "soon"), /Expected a number of seconds/);
    assert.deepEqual(target.calls, []);
  });

  it("say that no server answers: none ever did, one was killed, or one was stopped", async () => {
    for (const command of commands) {
      assertFailed(
        await runTmr(...command, "-c", file()),
        /control\.sock: no TMR server answers.*\(ERR_TMR_CONNECT\)\n$/,
      );
    }
    mkdirSync(state());
    await leaveStaleSocket(controlSocketPath(state(), "ERR_TMR_CONNECT"));
    assertFailed(await runTmr("health", "-c", file()), /no TMR server answers/);
    await serve();
    await control?.close();
    assertFailed(await runTmr("health", "-c", file(), "--json"), /no TMR server answers/);
  });

  it("health prints one line, and ends with 0 only when the server serves", async () => {
    await serve();
    const passive = await runTmr("health", "-c", file());
    assert.deepEqual(passive, {
      code: 1,
      out: "does not serve: passive, leader idle, no quorum; upstreams: 1 streaming, 2 blank, 3 down\n",
      err: "",
    });
    target.say("active", "active", false);
    assert.equal((await runTmr("health", "-c", file())).code, 1);
    target.say("active", "active", true);
    assert.deepEqual(await runTmr("health", "--config", file()), {
      code: 0,
      out: "serves: active, leader active, quorum; upstreams: 1 streaming, 2 streaming, 3 down\n",
      err: "",
    });
    const { code, out } = await runTmr("health", "-c", file(), "--json");
    assert.equal(code, 0);
    assert.match(out, /^[^\n]+\n$/);
    assert.deepEqual(JSON.parse(out), {
      role: "active",
      phase: "active",
      quorum: true,
      answers: true,
      peer: "passive",
      upstreams: ["streaming", "streaming", "down"],
    });
    control?.attach(null);
    assertFailed(await runTmr("health", "-c", file()), /starting or stopping \(ERR_TMR_STATE\)\n$/);
    assert.deepEqual(target.calls, []);
  });

  it("take-over ends with 0 when the server is active, with 1 when it is not in time", async () => {
    await serve();
    const late = await runTmr("take-over", "-c", file(), "--timeout", "0.2");
    assert.deepEqual([late.code, late.out], [1, ""]);
    assert.match(late.err, /^tmr: this server is not active after 0\.2 s: passive, leader idle/);
    target.begun = () => target.say("active", "active", true);
    assert.deepEqual(await runTmr("take-over", "-c", file()), { code: 0, out: "This server is active.\n", err: "" });
    assert.deepEqual(target.calls, ["take-over", "take-over"]);
    assert.equal((await runTmr("take-over", "-c", file())).out, "This server is active already.\n");
    target.say("stopping", "idle", false);
    assertFailed(await runTmr("take-over", "-c", file()), /is stopping \(ERR_TMR_STATE\)\n$/);
    assert.deepEqual(target.calls, ["take-over", "take-over"]);
  });

  it("admit says what may be lost, and changes nothing without --accept-loss", async () => {
    await serve();
    for (const which of ["1", "2", "3"]) {
      const ran = await runTmr("admit", "-c", file(), "--upstream", which);
      assertFailed(ran, /^Nothing was changed\. Upstream \d has lost its store/);
      for (const loss of [
        /granted twice/,
        /come back/,
        /handles taken there end/,
        /is cut/,
        /add --accept-loss\.\n$/,
      ]) {
        assert.match(ran.err, loss);
      }
    }
    const ran = await runTmr("admit", "-c", file(), "--upstream", "all");
    assertFailed(ran, /^Nothing was changed\. All three stores are blank/);
    assert.match(ran.err, /founded anew[^]*every session and every handle is gone[^]*containers are not touched/);
    assert.deepEqual(target.calls, []);
  });

  it("admit with --accept-loss ends with 0 at a quorum, with 1 when there is none in time, with 2 when refused", async () => {
    await serve();
    const admit = (which: string, ...flags: string[]): Promise<Ran> =>
      runTmr("admit", "-c", file(), "--upstream", which, "--accept-loss", ...flags);
    target.say("taking-over", "preparing", false);
    const late = await admit("3", "--timeout", "0.2");
    assert.deepEqual([late.code, late.out], [1, ""]);
    assert.match(late.err, /^tmr: no quorum after 0\.2 s: taking-over/);
    target.begun = () => target.say("active", "active", true);
    const done = await admit("2");
    assert.deepEqual([done.code, done.err], [0, ""]);
    assert.match(done.out, /^Upstream 2 was admitted; the system serves again\. active, leader active, quorum/);
    assert.match((await admit("all")).out, /^The system was founded anew; the system serves again\./);
    assert.deepEqual(target.calls, ["admit 3", "admit 2", "admit all"]);
    target.refusal = "upstream 1 is not blank";
    assertFailed(await admit("1"), /^tmr: upstream 1 is not blank \(ERR_TMR_STATE\)\n$/);
  });

  it("resume says what is lost, and has a stopped server take part again with --accept-loss only", async () => {
    await serve();
    target.say("stopped", "stopped", false);
    const ran = await runTmr("resume", "-c", file());
    assertFailed(ran, /^Nothing was changed\. A TMR server stops when[^]*granted twice[^]*add --accept-loss\.\n$/);
    assert.deepEqual(target.calls, []);
    target.begun = () => target.say("passive", "idle", false);
    const resumed = await runTmr("resume", "-c", file(), "--accept-loss");
    assert.deepEqual([resumed.code, resumed.err], [0, ""]);
    assert.match(resumed.out, /^This server takes part again: passive, leader idle/);
    target.refusal = "this server is passive, not stopped";
    assertFailed(await runTmr("resume", "-c", file(), "--accept-loss"), /passive, not stopped \(ERR_TMR_STATE\)\n$/);
    assert.deepEqual(target.calls, ["resume", "resume"]);
  });
});
