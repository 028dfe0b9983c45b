import assert from "node:assert/strict";
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { UNEQUAL_PRODUCT } from "../../ts/cli/demo/licenses.js";
import { connect, type Session } from "../../ts/index.js";
import { flipped } from "../support/hostile-peer.js";
import { issuingIn, license } from "../support/issuing.js";
import { present } from "../support/native-engine.js";
import { upstreamStatus } from "../support/ports-under-attack.js";
import { ONE_SEAT, RunningPlant, until } from "../support/running-plant.js";

describe("an upstream whose files are damaged", function () {
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
  afterEach("no seat is lost or doubled", async function () {
    try {
      const handle = await session.access(ONE_SEAT);
      assert.equal(handle.granted.free, 0);
      await handle.release();
      const item = (await session.items()).find(({ productCode }) => productCode === ONE_SEAT.productCode);
      assert.equal(item?.used, 0);
    } catch (error) {
      throw new Error(`after "${this.currentTest?.title}"\n${running.logs()}`, { cause: error });
    }
  });

  /** The upstream is down while its files are changed; resolves when all three are in step again. */
  async function changedWhileDown(id: 1 | 2 | 3, change: () => void): Promise<void> {
    const upstream = present(running.plant.upstreams[id - 1]);
    await running.processes.kill(upstream.name);
    change();
    running.processes.start(upstream);
    await running.whole();
  }

  function logOf(name: string): string[] {
    return readFileSync(join(running.plant.logDir, `${name}.log`), "utf8").split("\n");
  }

  function containersOf(id: 1 | 2 | 3): string {
    return present(running.plant.system.containerDirs[id - 1]);
  }

  it("lists broken containers with the reason, in its status and its log, and serves its sound one", async () => {
    const folder = containersOf(3);
    const sound = readFileSync(join(folder, "plant.tmrc"));
    const elsewhere = issuingIn(join(running.plant.dir, "elsewhere"));
    await elsewhere.issue([license("cad", 13)]);
    const reasons: Readonly<Record<string, RegExp>> = {
      "a-flipped.tmrc": /the signature does not fit|damaged/,
      "b-truncated.tmrc": /not a container file, or truncated or damaged/,
      "c-empty.tmrc": /not a container file, or truncated or damaged/,
      "d-wrong-key.tmrc": /Firm Code 6000010 is signed with another key than the one in system\.toml/,
      "e-for-upstream-1.tmrc": /the container is for upstream-1, this is upstream-3/,
      "f-other-actid.tmrc": /altered: actId is \d+ outside, Firm Code 6000010 signed \d+/,
      "g-binary.tmrc": /not a container file/,
    };
    await changedWhileDown(3, () => {
      const put = (name: string, bytes: Uint8Array | string) => writeFileSync(join(folder, name), bytes);
      // In the middle of the signed payload.
      put("a-flipped.tmrc", flipped(sound, Math.floor(sound.length / 2)));
      put("b-truncated.tmrc", sound.subarray(0, sound.length - 100));
      put("c-empty.tmrc", "");
      copyFileSync(join(elsewhere.out, "upstream-3.tmrc"), join(folder, "d-wrong-key.tmrc"));
      copyFileSync(join(containersOf(1), "plant.tmrc"), join(folder, "e-for-upstream-1.tmrc"));
      put("f-other-actid.tmrc", sound.toString("utf8").replace(/"actId":\d+/, '"actId":77'));
      put("g-binary.tmrc", Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * 37) % 256)));
    });
    const { containers } = await upstreamStatus(running, 3);
    assert.deepEqual(
      containers.map(({ file, stated }) => [file, stated]),
      [...Object.keys(reasons).map((file) => [file, false]), ["plant.tmrc", true]],
    );
    const lines = logOf("upstream-3");
    for (const [file, reason] of Object.entries(reasons)) {
      const shown = present(containers.find((container) => container.file === file));
      assert.match(present(shown.fault), reason);
      assert.equal(shown.items, 0);
      const line = lines.find((each) => each.includes(`"file":"${file}"`) && each.includes('"level":50'));
      assert.match(present(line), reason);
    }
    assert.equal(present(containers.at(-1)).fault, undefined);
    assert.ok(present(containers.at(-1)).tmrItems > 0);
    for (const file of Object.keys(reasons)) rmSync(join(folder, file));
  });

  it("takes its broken container out of the system, which serves the license from the two others", async () => {
    const file = join(containersOf(2), "plant.tmrc");
    const sound = readFileSync(file);
    const holders = async () =>
      (await session.items()).find(({ productCode }) => productCode === ONE_SEAT.productCode)?.holders;
    assert.deepEqual(await holders(), [1, 2, 3]);
    await using handle = await session.access(ONE_SEAT);
    await changedWhileDown(2, () => writeFileSync(file, flipped(sound, Math.floor(sound.length / 3))));
    const [shown] = (await upstreamStatus(running, 2)).containers;
    assert.match(present(shown?.fault), /plant\.tmrc/);
    await until("the two others hold it", async () => ((await holders())?.join() === "1,3" ? true : null));
    // The copies of upstreams 1 and 3 are unequal, and upstream 2 has none any more: nobody outvotes the other.
    await assert.rejects(session.access({ ...ONE_SEAT, productCode: UNEQUAL_PRODUCT }), { code: "ERR_TMR_REFUSED" });
    assert.equal((await handle.info()).free, 0);
    await handle.release();
    await (await session.access(ONE_SEAT)).release();
    // Put back, it counts again without a restart.
    writeFileSync(file, sound);
    await until("all three hold it", async () => ((await holders())?.join() === "1,2,3" ? true : null));
  });

  it("sets its damaged store aside, starts blank and is admitted again by a new epoch; nothing is lost", async () => {
    await using handle = await session.access(ONE_SEAT);
    const before = await running.active();
    const { incarnation } = await upstreamStatus(running, 1);
    const folder = join(dirname(running.plant.upstreams[0].config), "state");
    const file = join(folder, "replica.sqlite");
    await changedWhileDown(1, () => {
      // What was written last is in the write-ahead log: both are damaged, as by a disk that fails.
      for (const part of [file, `${file}-wal`]) {
        const bytes = readFileSync(part);
        for (let at = 40; at < bytes.length; at += 512) bytes[at] = (bytes[at] ?? 0) ^ 0x10;
        writeFileSync(part, bytes);
      }
    });
    const kept = readdirSync(folder).filter((name) => name.includes(".damaged-"));
    assert.ok(kept.length > 0, "the damaged store is kept");
    assert.ok(logOf("upstream-1").some((line) => line.includes('"level":60') && line.includes("lost disk")));
    const status = await upstreamStatus(running, 1);
    assert.deepEqual([status.blank, status.counters.lostStores], [false, 1]);
    assert.notEqual(status.incarnation, incarnation);
    const active = await running.active();
    assert.ok(active.epoch > before.epoch, `admitted by epoch ${active.epoch}, before ${before.epoch}`);
    const other = await upstreamStatus(running, 2);
    assert.ok(status.position >= before.carried && other.position >= before.carried);
    assert.equal((await handle.info()).free, 0);
    await assert.rejects(session.access(ONE_SEAT), { code: "ERR_TMR_REFUSED", reason: "no-free-license" });
    // What it was filled with is the log of the others: it carries the system together with one of them.
    await running.processes.kill("upstream-2");
    assert.equal((await handle.info()).free, 0);
    await handle.release();
    await (await session.access(ONE_SEAT)).release();
    running.processes.start(running.plant.upstreams[1]);
    await running.whole();
  });
});
