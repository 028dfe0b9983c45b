import assert from "node:assert/strict";
import { connect, type Session } from "../../ts/index.js";
import { ONE_SEAT, RunningPlant } from "../support/running-plant.js";

const ACCESSES = 10_000;
const KILLS = 15;

describe("kill -9 of any one process", function () {
  this.timeout(600_000);
  let running: RunningPlant;
  let session: Session;

  before(async () => {
    running = await RunningPlant.start();
    session = await connect({ system: running.systemFile, suspectMs: 300, requestTimeoutMs: 30_000 });
  });
  after(async () => {
    await session?.close();
    await running?.stop();
  });

  it(`is no error, no lost and no doubled seat in a client's loop of ${ACCESSES} accesses`, async () => {
    let done = 0;
    let looping = true;
    const kills: string[] = [];
    const killer = (async () => {
      // Upstreams and servers in turn, the active one as often as the passive one; each returns before the next dies.
      for (let i = 0; i < KILLS && looping; i++) {
        const goal = Math.floor(((i + 0.5) / KILLS) * ACCESSES);
        while (done < goal && looping) await new Promise((resolve) => setTimeout(resolve, 1));
        const victim = running.all[i % running.all.length];
        if (victim === undefined || !looping) break;
        await running.processes.kill(victim.name);
        kills.push(`${victim.name} at ${done}`);
        const servedFrom = done;
        while (done < servedFrom + 50 && looping) await new Promise((resolve) => setTimeout(resolve, 1));
        running.processes.start(victim);
        await running.whole();
      }
    })();
    try {
      for (; done < ACCESSES; done++) {
        const handle = await session.access(ONE_SEAT);
        assert.equal(handle.free, 0, `access ${done}: the one seat is taken`);
        await handle.release();
      }
    } catch (error) {
      throw new Error(`access ${done} failed after kills: ${kills.join(", ")}\n${running.logs()}`, { cause: error });
    } finally {
      looping = false;
    }
    await killer;
    assert.equal(kills.length, KILLS, "every kill happened while the client worked");
    const item = (await session.items()).find((candidate) => candidate.productCode === ONE_SEAT.productCode);
    assert.equal(item?.used, 0, "no seat is left over");
  });
});
