import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { connect, type Session } from "../../ts/index.js";
import type { ServerStatus } from "../../ts/wire/server-status.js";
import { present } from "../support/native-engine.js";
import { upstreamStatus } from "../support/ports-under-attack.js";
import { type Ran, runTmr } from "../support/run-tmr.js";
import { ONE_SEAT, RunningPlant, until } from "../support/running-plant.js";

describe("a blank upstream while another one is away", function () {
  this.timeout(300_000);
  let running: RunningPlant;
  let session: Session;

  before(async () => {
    running = await RunningPlant.start();
    session = await connect({ system: running.systemFile, requestTimeoutMs: 120_000 });
  });
  after(async () => {
    await session?.close();
    await running?.stop();
  });

  afterEach("what the processes said, when it failed", async function () {
    if (this.currentTest?.state !== "failed") return;
    console.error(JSON.stringify(await running.statuses(), null, 1), running.logs());
  });

  async function activeConfig(): Promise<string> {
    return present(running.plant.servers[(await running.active()).twin]).config;
  }

  async function admit(...flags: string[]): Promise<Ran> {
    return runTmr("admit", "-c", await activeConfig(), "--upstream", "2", ...flags);
  }

  function stateOf(status: ServerStatus, id: 1 | 2 | 3): string {
    return present(status.upstreams[id - 1]).state;
  }

  it("stays blank until the operator accepts the loss; then the system serves, and the other one rejoins", async () => {
    const handle = await session.access(ONE_SEAT);
    const [, second, third] = running.plant.upstreams;
    await running.processes.kill(third.name);
    await running.processes.kill(second.name);
    rmSync(join(dirname(second.config), "state"), { recursive: true });
    running.processes.start(second);
    const before = await until("upstream 2 is blank and there is no quorum", async () => {
      const status = await running.active();
      return stateOf(status, 2) === "blank" && stateOf(status, 3) === "down" && !status.quorum ? status : null;
    });
    const health = await runTmr("health", "-c", await activeConfig());
    assert.equal(health.code, 1, health.err);
    assert.match(health.out, /no quorum; upstreams: 1 \w+, 2 blank, 3 down/);

    const unforced = await admit();
    assert.equal(unforced.code, 2);
    assert.match(unforced.err, /^Nothing was changed\.[^]*--accept-loss/);
    const { incarnation, blank, position } = await upstreamStatus(running, 2);
    assert.deepEqual([blank, position], [true, 0]);
    const unchanged = await running.active();
    assert.deepEqual(
      [unchanged.epoch, stateOf(unchanged, 2), unchanged.quorum],
      [before.epoch, "blank", false],
      "without the flag nothing was changed",
    );

    const forced = await admit("--accept-loss");
    assert.equal(forced.code, 0, forced.err + running.logs());
    assert.match(forced.out, /^Upstream 2 was admitted; the system serves again[.,]/);
    const after = await running.active();
    assert.ok(after.epoch > before.epoch, "by a new epoch");
    assert.ok(after.quorum);
    const admitted = await upstreamStatus(running, 2);
    assert.deepEqual([admitted.blank, admitted.incarnation], [false, incarnation]);
    assert.equal((await runTmr("health", "-c", await activeConfig())).code, 0);
    // What upstream 1 knew is kept: nothing was lost here.
    assert.equal((await handle.info()).free, 0);
    await assert.rejects(session.access(ONE_SEAT), { code: "ERR_TMR_REFUSED", reason: "no-free-license" });
    const again = await admit("--accept-loss");
    assert.equal(again.code, 2, "an upstream that is not blank is not admitted");
    assert.match(again.err, /\(ERR_TMR_STATE\)\n$/);

    running.processes.start(third);
    await running.whole();
    // Together with one of the two others each carries the system: upstream 3 has the same log.
    await running.processes.kill(running.plant.upstreams[0].name);
    assert.equal((await handle.info()).free, 0);
    await handle.release();
    await (await session.access(ONE_SEAT)).release();
    running.processes.start(running.plant.upstreams[0]);
    await running.whole();
  });

  it("is admitted as well when both TMR servers were started since", async () => {
    const [first, , third] = running.plant.upstreams;
    for (const { name } of [...running.plant.servers, first, third]) await running.processes.kill(name);
    rmSync(join(dirname(third.config), "state"), { recursive: true });
    for (const server of [...running.plant.servers, third]) running.processes.start(server);
    // One of them takes over by itself and then waits for a second promise: it may be told.
    const config = await until("one of them tries to lead", async () => {
      for (const server of running.plant.servers) {
        const { out } = await runTmr("health", "-c", server.config);
        if (/taking-over, leader preparing, no quorum.*3 blank/.test(out)) return server.config;
      }
      return null;
    });
    const passive = present(running.plant.servers.find((server) => server.config !== config)).config;
    const early = await runTmr("admit", "-c", passive, "--upstream", "3", "--accept-loss");
    assert.equal(early.code, 2);
    assert.match(early.err, /does not lead.*\(ERR_TMR_STATE\)\n$/);
    const forced = await runTmr("admit", "-c", config, "--upstream", "3", "--accept-loss");
    assert.equal(forced.code, 0, forced.err + running.logs());
    await (await session.access(ONE_SEAT)).release();
    running.processes.start(first);
    await running.whole();
  });

  it("is founded anew with the two others when all three are blank, and containers are as before", async () => {
    await session.access(ONE_SEAT);
    for (const { name, config } of running.plant.upstreams) {
      await running.processes.kill(name);
      rmSync(join(dirname(config), "state"), { recursive: true });
    }
    for (const upstream of running.plant.upstreams) running.processes.start(upstream);
    const config = await until("all three are blank", async () => {
      const active = await activeConfig();
      return (await runTmr("health", "-c", active)).out.includes("1 blank, 2 blank, 3 blank") ? active : null;
    });
    const one = await runTmr("admit", "-c", config, "--upstream", "1", "--accept-loss");
    assert.equal(one.code, 2, "none of them vouches for another");
    const unforced = await runTmr("admit", "-c", config, "--upstream", "all");
    assert.match(unforced.err, /^Nothing was changed\. All three stores are blank/);
    assert.equal((await upstreamStatus(running, 1)).blank, true);
    const forced = await runTmr("admit", "-c", config, "--upstream", "all", "--accept-loss");
    assert.equal(forced.code, 0, forced.err + running.logs());
    assert.match(forced.out, /^The system was founded anew; the system serves again[.,]/);
    await running.whole();
    await using fresh = await connect({ system: running.systemFile, requestTimeoutMs: 60_000 });
    // The seat that was taken before is free: its session is gone.
    await (await fresh.access(ONE_SEAT)).release();
  });
});
