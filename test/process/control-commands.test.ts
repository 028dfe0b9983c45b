import assert from "node:assert/strict";
import { existsSync, statSync, writeFileSync } from "node:fs";
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

  it("has the active server order what an administrator asks; the passive one names it; a takeover keeps the list", async () => {
    const file = join(running.plant.dir, "list.json");
    const rule = { level: "firm", firmCode: 6_000_010, kind: "user", value: "nobody", effect: "deny" };
    writeFileSync(file, JSON.stringify({ format: "tmr-access-list/1", groups: {}, rules: [rule] }));
    const { active, passive } = await servers();
    const refused = await runTmr("acl", "import", "-c", passive.config, "-f", file);
    assert.deepEqual([refused.code, refused.out], [2, ""]);
    assert.match(refused.err, new RegExp(`this server is passive, not active; ${active.name} at \\S+ is: ask it`));
    assert.equal((await runTmr("acl", "import", "-c", active.config, "-f", file)).code, 0);
    assert.equal((await runTmr("take-over", "-c", passive.config)).code, 0);
    const shown = await runTmr("acl", "show", "-c", passive.config, "--json");
    assert.deepEqual((JSON.parse(shown.out) as { rules: unknown }).rules, [rule], shown.err);
    await using other = await connect({ system: running.systemFile, user: "nobody" });
    await assert.rejects(other.access(ONE_SEAT), { code: "ERR_TMR_REFUSED", reason: "access-list" });
    await using handle = await session.access(ONE_SEAT);
    const cancelled = await runTmr("network", "--cancel", String(handle.id), "-c", passive.config);
    assert.match(cancelled.out, /^Handle \d+ of 6000010:80 is cancelled/, cancelled.err);
    await assert.rejects(handle.info(), { code: "ERR_TMR_REFUSED", reason: "handle-lost" });
    const again = await runTmr("network", "--cancel", String(handle.id), "-c", passive.config);
    assert.match(again.err, /^tmr: There is no handle \d+ .*\(handle-unknown\) \(ERR_TMR_REFUSED\)\n$/);
    await running.whole();
  });

  it("shows who holds what, who answers, and the lines of monitors", async () => {
    await using handle = await session.access(ONE_SEAT);
    const system = ["--system", running.systemFile];
    const network = await runTmr("network", "-n", "--json", ...system);
    const [held] = JSON.parse(network.out) as { handle: number; seats: number; state: string; sinceMs: number }[];
    assert.deepEqual([held?.handle, held?.seats, held?.state], [handle.id, 1, "held"]);
    assert.ok(Math.abs(Date.now() - (held?.sinceMs ?? 0)) < 3_600_000, "since is calendar time");
    const known = await runTmr("servers", "-k", "--json", ...system);
    assert.deepEqual((JSON.parse(known.out) as { role: string }[]).map(({ role }) => role).toSorted(), [
      "active",
      "member",
      "member",
      "member",
      "passive",
    ]);
    assert.equal(known.code, 0);
    const lmstat = await runTmr("lmstat", "-a", ...system);
    assert.match(
      lmstat.out,
      /^Users of Plant_archive: {2}\(Total of 1 licenses issued; {2}Total of 1 licenses in use\)$/m,
    );
    assert.match(
      lmstat.out,
      new RegExp(`^ {4}\\S+ \\S+ \\S+ \\(v1\\.0\\) \\(127\\.0\\.0\\.1/\\d+ ${handle.id}\\), start `, "m"),
    );
    const list = await runTmr("list", "-l", ...system);
    assert.match(list.out, /^6000010:80:\d+ +Plant archive +1 +1 +0 +0$/m);
    assert.match((await runTmr("content", "-x", ...system)).out, /^ {2}Owner Information +Retention ten years$/m);
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
