import assert from "node:assert/strict";
import { connect } from "../../ts/index.js";
import { runTmr } from "../support/run-tmr.js";
import { ONE_SEAT, RunningPlant } from "../support/running-plant.js";

describe("tmr switch-over", function () {
  this.timeout(120_000);
  let running: RunningPlant;

  before(async () => {
    running = await RunningPlant.start();
  });
  after(() => running?.stop());

  async function active(): Promise<{ twin: 0 | 1; name: string; config: string; epoch: number }> {
    const { twin, epoch } = await running.active();
    const { name, config } = running.plant.servers[twin];
    return { twin, name, config, epoch };
  }

  it("hands over to the twin; a client's call is answered there, and its seat is still its own", async () => {
    await using session = await connect({ system: running.systemFile });
    const handle = await session.access(ONE_SEAT);
    for (let i = 0; i < 4; i++) {
      const before = await active();
      const { code, out, err } = await runTmr("switch-over", "-c", before.config);
      assert.equal(code, 0, `${err}\n${running.logs()}`);
      assert.match(out, /^The other TMR server is active \(\d+ ms\); this one is passive\.\n$/);
      assert.equal((await handle.info()).free, 0);
      const after = await active();
      assert.equal(after.twin, 1 - before.twin);
      assert.ok(after.epoch > before.epoch);
      await running.whole();
    }
    await handle.release();
  });

  it("is refused on the passive server", async () => {
    const { twin } = await active();
    const { code, err } = await runTmr("switch-over", "-c", running.plant.servers[twin === 0 ? 1 : 0].config);
    assert.equal(code, 1);
    assert.match(err, /^tmr: not switched over: this server is passive, not active/);
  });

  it("is refused without a twin, and the server serves on in its epoch", async () => {
    const before = await active();
    const twin = running.plant.servers[before.twin === 0 ? 1 : 0];
    await running.processes.kill(twin.name);
    const { code, err } = await runTmr("switch-over", "-c", before.config);
    assert.equal(code, 1);
    assert.match(err, /^tmr: not switched over: the other TMR server does not answer/);
    assert.deepEqual(await active(), before);
    running.processes.start(twin);
    await running.whole();
  });
});
