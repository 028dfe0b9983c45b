import assert from "node:assert/strict";
import * as fc from "fast-check";
import { LIMITS } from "../../ts/license/limits.js";
import { Kind } from "../../ts/wire/kinds.js";
import { askSeries, linesOf, type ToldSeries } from "../support/events-kit.js";
import { LicenseKit, terms } from "../support/license-kit.js";
import { seeded } from "../support/seeded.js";
import { PowerCut, readAll, TrackingServer } from "../support/tracking-kit.js";

const DAY_MS = 86_400_000;

function plant(maxEventBytes = LIMITS.maxEventBytes): LicenseKit {
  const kit = new LicenseKit({ ...LIMITS, maxEventBytes });
  kit.holdAll(terms({ tmrId: 1, quantity: 3 }), terms({ tmrId: 2, firmCode: 6000020, quantity: 3 }));
  kit.open("a", 100_000_000);
  return kit;
}

/** One access and its release, of either firm. */
function work(kit: LicenseKit, firmCode = 6000010): void {
  kit.calendarMs += 1_000;
  const { handle } = kit.access("a", { firmCode });
  kit.ask("a", Kind.release, { handle });
}

/** How many events the system numbered, over all series. */
function assigned(kit: LicenseKit): number {
  return linesOf<ToldSeries>(kit.one(askSeries()).text).reduce((sum, series) => sum + series.assigned, 0);
}

describe("the tracking writer", () => {
  it("writes one series per Firm Code, whose lines follow each other", () => {
    const kit = plant();
    const server = new TrackingServer("tmr-a");
    server.activate(kit);
    work(kit);
    work(kit, 6000020);
    server.drain(kit);
    server.stop(kit);
    assert.deepEqual(
      server.disk
        .list()
        .filter((name) => name.endsWith(".jsonl"))
        .sort(),
      ["0.tmr-a.000001.jsonl", "6000010.tmr-a.000001.jsonl", "6000020.tmr-a.000001.jsonl"],
    );
    const { findings, entries } = readAll([server.disk]);
    assert.deepEqual([findings.faults, findings.notes], [[], []]);
    assert.deepEqual(
      entries.map(({ firm, number, members }) => [firm, number, members["event"], members["time"]]),
      [
        [0, 1, "tracking", "2030-01-01T00:00:00.000Z"],
        [6000010, 1, "license", "2030-01-01T00:00:00.000Z"],
        [6000010, 2, "access", "2030-01-01T00:00:01.000Z"],
        [6000010, 3, "release", "2030-01-01T00:00:01.000Z"],
        [6000020, 1, "license", "2030-01-01T00:00:00.000Z"],
        [6000020, 2, "access", "2030-01-01T00:00:02.000Z"],
        [6000020, 3, "release", "2030-01-01T00:00:02.000Z"],
      ],
    );
    const text = server.disk.read("6000010.tmr-a.000001.jsonl").toString("utf8").split("\n");
    assert.deepEqual(
      text.filter((line) => line !== "").map((line) => (JSON.parse(line) as { event: string }).event),
      ["file", "started", "license", "access", "release", "stopped", "signature"],
    );
  });

  it("goes on in a new file when one is full, and in a new month", () => {
    const kit = plant();
    const server = new TrackingServer("tmr-a", { maxFileBytes: 4_000 });
    server.activate(kit);
    for (let i = 0; i < 40; i++) {
      if (i === 20) kit.calendarMs += 40 * DAY_MS;
      work(kit);
      server.drain(kit);
    }
    server.stop(kit);
    const files = server.disk.list().filter((name) => name.startsWith("6000010.tmr-a.0"));
    assert.ok(files.length > 4, String(files));
    const { findings, entries } = readAll([server.disk]);
    assert.deepEqual(findings.faults, []);
    assert.equal(entries.filter(({ firm }) => firm === 6000010).length, 81);
  });

  it("hides users, hosts and stations behind pseudonyms", () => {
    const kit = plant();
    const names = Buffer.from("\x05cad-1\x04anna\x00\x03cad\x00", "latin1");
    kit.ask("b", Kind.openSession, { blob: names });
    const server = new TrackingServer("tmr-a", { pseudonym: (name) => `~${name.length}` });
    server.activate(kit);
    kit.access("b");
    server.drain(kit);
    const last = readAll([server.disk]).entries.find(({ members }) => members["event"] === "access");
    const { user, host, program } = last?.members ?? {};
    assert.deepEqual([user, host, program], ["~4", "~5", "cad"]);
  });

  it("removes whole files by age and by size, in a way that verification accepts", () => {
    for (const some of [{ maxAgeDays: 3 }, { maxSeriesBytes: 12_000, maxFileBytes: 3_000 }]) {
      const kit = plant();
      const server = new TrackingServer("tmr-a", some);
      server.activate(kit);
      for (let day = 0; day < 12; day++) {
        kit.calendarMs += DAY_MS;
        for (let i = 0; i < 5; i++) work(kit);
        server.drain(kit);
      }
      server.stop(kit);
      const files = server.disk.list().filter((name) => name.startsWith("6000010.tmr-a.0"));
      assert.ok(!files.includes("6000010.tmr-a.000001.jsonl") && files.length >= 3, String(files));
      const { findings, entries } = readAll([server.disk]);
      assert.deepEqual(findings.faults, []);
      const numbers = entries.filter(({ firm }) => firm === 6000010).map(({ number }) => number);
      assert.deepEqual([numbers.at(-1), (numbers[0] ?? 0) > 1], [121, true]);
    }
  });

  it("tells what went unwritten while nobody wrote", () => {
    const kit = plant(6_000);
    const server = new TrackingServer("tmr-a");
    server.activate(kit);
    server.drain(kit);
    for (let i = 0; i < 60; i++) work(kit);
    server.drain(kit);
    server.stop(kit);
    const { findings, firms } = readAll([server.disk]);
    assert.deepEqual(findings.faults, []);
    const firm = firms.find((one) => one.firm === 6000010);
    assert.ok((firm?.lost ?? 0) > 50);
    assert.equal((firm?.lost ?? 0) + (firm?.events ?? 0), 121);
    assert.deepEqual(findings.notes, [
      `Firm Code 6000010: ${firm?.lost} events went unwritten; the TMR system itself says so.`,
    ]);
  });

  it("counts on where the system does after an accepted loss, and says so", () => {
    const kit = plant();
    const server = new TrackingServer("tmr-a");
    server.activate(kit);
    for (let i = 0; i < 5; i++) work(kit);
    server.drain(kit);
    const fresh = plant();
    fresh.calendarMs += DAY_MS;
    server.activate(fresh);
    work(fresh);
    server.drain(fresh);
    server.stop(fresh);
    const { findings, entries } = readAll([server.disk]);
    assert.deepEqual(findings.faults, []);
    assert.deepEqual(
      entries.filter(({ firm }) => firm === 6000010).map(({ number }) => number),
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2, 3],
    );
  });

  it("survives a power cut at every single step, of writing, of a new file and of removing old ones", () => {
    const run = (maxAgeDays: number, stepsLeft: number, keep: number): number => {
      const kit = plant();
      const server = new TrackingServer("tmr-a", { maxFileBytes: 1_500, maxAgeDays });
      server.disk.stepsLeft = stepsLeft;
      const act = (): void => {
        server.activate(kit);
        for (let i = 0; i < 8; i++) {
          work(kit);
          kit.calendarMs += DAY_MS;
          server.poll(kit);
        }
        server.drain(kit);
        server.stop(kit);
      };
      try {
        act();
      } catch (error) {
        assert.ok(error instanceof PowerCut, String(error));
        server.die(keep);
        act();
      }
      const { findings, entries, firms } = readAll([server.disk]);
      assert.deepEqual([findings.faults, findings.notes], [[], []]);
      assert.ok(firms.every(({ twice, lost }) => twice + lost === 0));
      if (maxAgeDays === 0) assert.equal(entries.length, assigned(kit));
      return server.disk.steps;
    };
    for (const maxAgeDays of [0, 3]) {
      const steps = run(maxAgeDays, Number.POSITIVE_INFINITY, 0);
      assert.ok(steps > 40, String(steps));
      for (let step = 0; step < steps; step++) run(maxAgeDays, step, [0, 0.5, 1][step % 3] ?? 0);
    }
  });

  it("loses and doubles nothing over any takeovers, deaths and power cuts of two servers", () => {
    const action = fc.record({
      what: fc.constantFrom("work", "work", "poll", "poll", "switch", "die", "cut", "stop"),
      number: fc.nat({ max: 40 }),
      keep: fc.constantFrom(0, 0.4, 1),
    });
    fc.assert(
      fc.property(fc.array(action, { minLength: 5, maxLength: 40, size: "max" }), (actions) => {
        const kit = plant();
        const servers = [
          new TrackingServer("tmr-a", { maxFileBytes: 2_500 }),
          new TrackingServer("tmr-b", { maxFileBytes: 4_000 }),
        ] as const;
        let active: TrackingServer = servers[0];
        const attempt = (act: () => void, keep: number): void => {
          try {
            act();
          } catch (error) {
            assert.ok(error instanceof PowerCut, String(error));
            active.die(keep);
            active.activate(kit);
          }
        };
        attempt(() => active.activate(kit), 0);
        for (const { what, number, keep } of actions) {
          if (what === "work") for (let i = 0; i < number; i++) work(kit, i % 3 === 0 ? 6000020 : 6000010);
          else if (what === "poll") attempt(() => active.poll(kit), keep);
          else if (what === "cut") active.disk.stepsLeft = number;
          else {
            if (what === "die") active.die(keep);
            else if (what === "stop") attempt(() => active.stop(kit), keep);
            else attempt(() => active.passive(kit), keep);
            active = servers[number % 2] as TrackingServer;
            attempt(() => active.activate(kit), keep);
          }
        }
        attempt(() => active.drain(kit), 1);
        active.drain(kit);
        for (const server of servers) {
          server.disk.stepsLeft = Number.POSITIVE_INFINITY;
          server.stop(kit);
        }
        const { findings, entries } = readAll(
          servers.filter(({ disk }) => disk.list().length > 0).map(({ disk }) => disk),
        );
        assert.deepEqual(findings.faults, []);
        assert.equal(entries.length, assigned(kit));
      }),
      seeded(60),
    );
  });
});
