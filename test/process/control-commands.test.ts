import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { connect, type Session } from "../../ts/index.js";
import { present } from "../support/native-engine.js";
import { runTmr } from "../support/run-tmr.js";
import { ONE_SEAT, RunningPlant, until } from "../support/running-plant.js";

describe("the control socket of a running TMR server", function () {
  this.timeout(300_000);
  let running: RunningPlant;
  let session: Session;

  before(async () => {
    running = await RunningPlant.start();
    session = await connect({ system: running.systemFile, requestTimeoutMs: 60_000 });
  });
  after(async () => {
    await session?.close();
    await running?.stop();
  });

  /** The server that is active now, and its twin. */
  async function servers() {
    const { twin } = await running.active();
    return { active: present(running.plant.servers[twin]), passive: present(running.plant.servers[1 - twin]) };
  }

  function socketOf({ config }: { readonly config: string }): string {
    return join(dirname(config), "state", "control.sock");
  }

  it("says that the active server serves and that the passive one does not", async () => {
    const { active, passive } = await servers();
    const serving = await runTmr("health", "-c", active.config);
    assert.equal(serving.code, 0, serving.err + serving.out);
    assert.equal((await runTmr("health", "-c", passive.config)).code, 1);
    for (const server of [active, passive]) assert.equal(statSync(socketOf(server)).mode & 0o777, 0o600);
  });

  it("makes the passive server active, twice in turn; no client loses its seat", async () => {
    await using handle = await session.access(ONE_SEAT);
    for (let i = 0; i < 2; i++) {
      const { active, passive } = await servers();
      const ran = await runTmr("take-over", "-c", passive.config);
      assert.deepEqual([ran.code, ran.out], [0, "This server is active.\n"], ran.err + running.logs());
      assert.equal((await runTmr("health", "-c", passive.config)).code, 0);
      await until("the other one is fenced", async () =>
        (await runTmr("health", "-c", active.config, "--json")).out.includes('"role":"passive"') ? true : null,
      );
      await running.whole();
      assert.equal((await handle.info()).free, 0);
      await assert.rejects(session.access(ONE_SEAT), { code: "ERR_TMR_REFUSED", reason: "no-free-license" });
    }
    await handle.release();
  });

  it("keeps a second server out of the state folder", async () => {
    const { active } = await servers();
    const ran = await runTmr("server", "-c", active.config);
    assert.equal(ran.code, 2);
    assert.match(ran.err, /control\.sock: another process answers on it.*\(ERR_TMR_LISTEN\)\n$/);
    assert.equal((await runTmr("health", "-c", active.config)).code, 0, "the first one goes on");
  });

  it("is there again after kill -9, and gone after an orderly stop", async () => {
    const { passive } = await servers();
    await running.processes.kill(passive.name);
    assert.ok(existsSync(socketOf(passive)), "the killed process left its socket file");
    assert.equal((await runTmr("health", "-c", passive.config)).code, 2);
    running.processes.start(passive);
    await running.whole();
    assert.equal((await runTmr("health", "-c", passive.config)).code, 1);
    await running.processes.stopAll();
    for (const server of running.plant.servers) assert.ok(!existsSync(socketOf(server)));
  });
});
