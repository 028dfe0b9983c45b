import assert from "node:assert/strict";
import { appendFileSync, cpSync, existsSync, mkdtempSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { connect, type Session } from "../../ts/index.js";
import { FolderReader } from "../../ts/tracking/disk.js";
import type { Fault } from "../../ts/tracking/findings.js";
import { openTrackingKey } from "../../ts/tracking/signatures.js";
import { readTracking, type Verdict } from "../../ts/tracking/verify.js";
import { license } from "../support/issuing.js";
import { runTmr } from "../support/run-tmr.js";
import { ONE_SEAT, RunningPlant, until } from "../support/running-plant.js";
import { RunningStandalone } from "../support/running-standalone.js";

const TAKEOVERS = 3;
const ACCESSES_BETWEEN = 150;

describe("license tracking by real servers", function () {
  this.timeout(300_000);
  let running: RunningPlant;
  let session: Session;
  let states: string[] = [];

  before(async () => {
    running = await RunningPlant.start(({ servers }) => {
      for (const { config } of servers) {
        appendFileSync(config, "\n[tracking]\nenabled = true\nmaxFileBytes = 65536\n");
      }
    });
    states = running.plant.servers.map(({ config }) => join(dirname(config), "state"));
    session = await connect({ system: running.systemFile, suspectMs: 300, requestTimeoutMs: 30_000, user: "anna" });
  });
  after(async () => {
    await session?.close();
    await running?.stop();
  });

  function read(events: Map<string, number> = new Map()): Verdict {
    const folders = states.map((state) => join(state, "tracking")).filter((folder) => existsSync(folder));
    const keys = states.map((state) => openTrackingKey(join(state, "tracking-key.json")).publicKey);
    return readTracking(
      folders.map((folder) => new FolderReader(folder)),
      keys,
      ({ firm, members }) => {
        const event = String(members["event"]);
        if (firm === ONE_SEAT.firmCode) events.set(event, (events.get(event) ?? 0) + 1);
      },
    );
  }

  it(`loses and doubles no event over ${TAKEOVERS} takeovers by kill -9`, async () => {
    let done = 0;
    const work = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        const handle = await session.access(ONE_SEAT);
        await handle.release();
        done += 1;
      }
    };
    await until("tracking to begin", async () => {
      const events = new Map<string, number>();
      read(events);
      return events.has("license") ? true : null;
    });
    for (let i = 0; i < TAKEOVERS; i++) {
      await work(ACCESSES_BETWEEN);
      const { name } = await running.active();
      const victim = running.plant.servers.find((server) => server.name === name);
      assert.ok(victim !== undefined);
      const killed = running.processes.kill(victim.name);
      await work(ACCESSES_BETWEEN);
      await killed;
      running.processes.start(victim);
      await running.whole();
    }
    await assert.rejects(session.access({ ...ONE_SEAT, quantity: 2 }), /no-free-license|seats are free/);
    await until("all events in the files", async () => {
      const events = new Map<string, number>();
      read(events);
      return events.get("refusal") === 1 ? true : null;
    });
    await session.close();
    const { name: active } = await running.active();
    const config = running.plant.servers.find((server) => server.name === active)?.config ?? "";
    const live = await runTmr("log", "verify", ...states.map((state) => join(state, "tracking")), "--live", config);
    assert.deepEqual([live.code, live.out.trimEnd().split("\n").at(-1)], [0, "whole"], live.err);
    await running.processes.stopAll();
    const events = new Map<string, number>();
    const { findings, firms } = read(events);
    assert.deepEqual(findings.faults, [], running.logs());
    assert.deepEqual([events.get("access"), events.get("release"), events.get("refusal")], [done, done, 1]);
    const firm = firms.find((one) => one.firm === ONE_SEAT.firmCode);
    assert.deepEqual([firm?.lost, firm?.servers.length], [0, 2]);
    const keys = states.flatMap((state) => ["--key", openTrackingKey(join(state, "tracking-key.json")).publicKey]);
    const folders = states.map((state) => join(state, "tracking"));
    const verified = await runTmr("log", "verify", ...folders, ...keys);
    assert.deepEqual([verified.code, verified.out.trimEnd().split("\n").at(-1)], [0, "whole"]);
    const reported = await runTmr(
      "report",
      ...folders,
      "--by",
      "all",
      "--product",
      String(ONE_SEAT.productCode),
      "--json",
    );
    const [row] = JSON.parse(reported.out) as { maximum: number; unused: number; accesses: number; refusals: number }[];
    assert.deepEqual([row?.maximum, row?.unused, row?.accesses, row?.refusals], [1, 0, done, 1]);
    for (const state of states) assert.equal(statSync(join(state, "tracking-key.json")).mode & 0o777, 0o600);
  });
});

describe("license tracking by a standalone license server", function () {
  this.timeout(120_000);
  let server: RunningStandalone;
  let state = "";

  before(async () => {
    server = await RunningStandalone.start([license("cad", ONE_SEAT.productCode, { quantity: 1 })]);
    await server.kill();
    appendFileSync(server.server.serverFile, "\n[tracking]\nenabled = true\n");
    state = join(dirname(server.server.serverFile), "state");
    await server.startAgain();
  });
  after(() => server?.stop());

  it("tells each event once through kills, and finds a cut tail as long as it runs", async () => {
    const folder = join(state, "tracking");
    const told: string[] = [];
    const read = (): readonly Fault[] => {
      told.length = 0;
      const { findings } = readTracking([new FolderReader(folder)], [], ({ members }) => {
        const { event, product, used, status } = members;
        if (product === ONE_SEAT.productCode && event !== "license")
          told.push(`${String(event)} ${String(used ?? status)}`);
      });
      return findings.faults;
    };
    await until("tracking to begin", async () => (existsSync(folder) && read().length === 0 ? true : null));
    const expected: string[] = [];
    const earlier = mkdtempSync(join(state, "earlier-"));
    for (let i = 0; i < 3; i++) {
      await using session = await server.connect();
      const handle = await session.access(ONE_SEAT);
      await assert.rejects(session.access(ONE_SEAT), /0 of 1 seats/);
      await server.kill();
      await server.startAgain();
      await handle.release();
      expected.push("access 1", "refusal no-free-license", "release 0");
      await until("all events in the files", async () => {
        read();
        return told.length === expected.length ? true : null;
      });
      assert.deepEqual(told, expected, server.log());
      if (i === 0) {
        await until("a whole copy", async () => {
          cpSync(folder, earlier, { recursive: true });
          return readTracking([new FolderReader(earlier)], []).findings.faults.length === 0 ? true : null;
        });
      }
    }
    const verify = async (path: string, ...flags: string[]) => {
      const { code, out } = await runTmr("log", "verify", path, ...flags);
      return [code, out.trimEnd().split("\n").at(-1)];
    };
    const live = ["--live", server.server.serverFile];
    assert.deepEqual(await verify(folder, ...live), [0, "whole"], server.log());
    assert.deepEqual(await verify(earlier), [0, "whole"]);
    const [code, verdict] = await verify(earlier, ...live);
    assert.equal(code, 1);
    assert.match(String(verdict), /fault/);
  });
});
