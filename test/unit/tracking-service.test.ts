import assert from "node:assert/strict";
import { TmrError } from "../../ts/errors.js";
import { type EventWriter, TrackingService } from "../../ts/tracking/service.js";
import { TrackingWriter } from "../../ts/tracking/writer.js";
import type { SystemAnswer, SystemRecord } from "../../ts/wire/system-record.js";
import { LicenseKit, terms } from "../support/license-kit.js";
import { until } from "../support/running-plant.js";
import { MemoryDisk, optionsOf, readAll } from "../support/tracking-kit.js";

const quiet = { info: () => undefined, error: () => undefined };

/** A server whose log is a license state machine. */
class FakeServer {
  epoch = 0;
  readonly asked: SystemRecord[] = [];
  readonly kit = new LicenseKit();

  constructor() {
    this.kit.holdAll(terms({ tmrId: 1, quantity: 5 }));
    this.kit.open("a", 1_000_000_000);
  }

  get carried(): number {
    return this.kit.machine.position;
  }

  async propose(record: SystemRecord): Promise<SystemAnswer> {
    await Promise.resolve();
    if (this.epoch === 0) throw new TmrError("ERR_TMR_STATE", "this server is passive, not active");
    this.asked.push(record);
    const told = this.kit.one({ ...record, request: 0, session: new Uint8Array(16) });
    return { result: told, blob: Buffer.from(told.text) };
  }
}

/** The writer without its thread. */
class NearWriter implements EventWriter {
  readonly disk = new MemoryDisk("tmr-a");
  writer: TrackingWriter | null = null;

  async ask(call: Parameters<EventWriter["ask"]>[0], text = ""): ReturnType<EventWriter["ask"]> {
    await Promise.resolve();
    try {
      this.writer ??= new TrackingWriter(this.disk, optionsOf("tmr-a"));
      const nowMs = Date.UTC(2030, 0, 1);
      if (call === "take") return this.writer.take(text, nowMs);
      if (call === "begin") this.writer.begin(text, nowMs);
      else if (call === "tick") this.writer.tick(nowMs);
      else this.writer.end(call, nowMs);
      return null;
    } catch (error) {
      this.writer = null;
      throw error;
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

const events = (writer: NearWriter): number => readAll([writer.disk]).entries.length;
const settled = (what: string, is: () => boolean): Promise<boolean> =>
  until(what, () => Promise.resolve(is() ? true : null));

let running: TrackingService | null = null;

function start(...args: ConstructorParameters<typeof TrackingService>): TrackingService {
  running = new TrackingService(...args);
  return running;
}

describe("the tracking service", () => {
  afterEach(() => running?.stop());

  it("writes while its server is active, says when it is not any more, and goes on when it is again", async () => {
    const server = new FakeServer();
    const writer = new NearWriter();
    const service = start(server, writer, quiet, 5);
    server.epoch = 2;
    await settled("the list of licenses", () => events(writer) === 2);
    server.kit.access("a");
    await settled("an access", () => events(writer) === 3);
    server.epoch = 0;
    const last = (): string => writer.disk.read("6000010.tmr-a.000001.jsonl").toString("utf8");
    await settled("the end", () => last().includes('"event":"passive"'));
    server.epoch = 4;
    server.kit.access("a");
    await settled("another access", () => events(writer) === 5);
    await service.stop();
    assert.ok(last().includes('"event":"stopped"'));
    assert.deepEqual(readAll([writer.disk]).findings.faults, []);
  });

  it("leaves an idle system alone, and notices when something happens", async () => {
    const server = new FakeServer();
    const writer = new NearWriter();
    const service = start(server, writer, quiet, 5);
    server.epoch = 2;
    await settled("the list of licenses", () => events(writer) === 2);
    let before = -1;
    await settled("silence", () => {
      const same = before === server.asked.length;
      before = server.asked.length;
      return same;
    });
    const silent = server.asked.length;
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(server.asked.length <= silent + 2, `${server.asked.length - silent} questions of an idle system`);
    server.kit.access("a");
    server.kit.ask("a", 3);
    await settled("an access", () => events(writer) === 3);
    await service.stop();
  });

  it("tells of a disk that fails, and writes what waited when it works again", async () => {
    const server = new FakeServer();
    const writer = new NearWriter();
    const told: string[] = [];
    const log = {
      info: (_: object, text: string) => told.push(text),
      error: (_: object, text: string) => told.push(text),
    };
    const service = start(server, writer, log, 5, 10);
    server.epoch = 2;
    await settled("the list of licenses", () => events(writer) === 2);
    writer.disk.stepsLeft = 1;
    server.kit.access("a");
    server.kit.access("a");
    await settled("the fault", () => told.length === 1);
    writer.disk.restart(1);
    await settled("the rest", () => events(writer) === 5);
    await service.stop();
    assert.deepEqual(told, [
      "license tracking cannot write; events wait in the system, the oldest go in the end",
      "license tracking writes again",
    ]);
    assert.deepEqual(readAll([writer.disk]).findings.faults, []);
  });

  it("turns tracking off where the configuration says so", async () => {
    const server = new FakeServer();
    const service = start(server, null, quiet, 5);
    server.epoch = 2;
    await settled("the switch", () => server.asked.length === 1);
    await service.stop();
    assert.deepEqual(
      server.asked.map(({ quantity }) => quantity),
      [0],
    );
  });
});
