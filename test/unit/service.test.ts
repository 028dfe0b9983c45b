/** What a service manager is told, when it is told that the service is alive, and when it is not. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { withPriority } from "../../ts/cli/server-log.js";
import { atWork } from "../../ts/service/at-work.js";
import { type Beating, startHeart } from "../../ts/service/heart.js";
import { ServiceManager } from "../../ts/service/manager.js";
import { Progress } from "../../ts/service/progress.js";
import { engine } from "../support/native-engine.js";
import { NotifyReceiver } from "../support/notify-receiver.js";

/** A service manager that takes down what it is told. */
function listening(environment: Record<string, string>, pid = 7): { manager: ServiceManager; told: string[] } {
  const told: string[] = [];
  const manager = new ServiceManager({ NOTIFY_SOCKET: "@s", ...environment }, pid, (path, message) => {
    assert.equal(Buffer.from(path).toString(), "@s");
    told.push(Buffer.from(message).toString());
    return null;
  });
  return { manager, told };
}

const silent = { error: () => undefined, info: () => undefined };

describe("what a service manager is told", () => {
  it("arrives at a datagram socket in the file system and at one with an abstract name", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tmr-test-"));
    for (const path of [join(folder, "notify"), `@tmr-test-${process.pid}`]) {
      const receiver = await NotifyReceiver.listen(path);
      try {
        const manager = new ServiceManager({ NOTIFY_SOCKET: path }, process.pid, (to, message) =>
          engine.sendDatagram(to, message),
        );
        manager.status("two\nlines");
        manager.reloading(12n);
        manager.ready();
        await receiver.message(/^READY=1$/);
        assert.deepEqual(receiver.messages, ["STATUS=two lines", "RELOADING=1\nMONOTONIC_USEC=12", "READY=1"]);
      } finally {
        receiver.close();
      }
    }
    rmSync(folder, { recursive: true });
  });

  it("is lost without harm where nobody listens: the error is named", () => {
    const message = Buffer.from("READY=1");
    assert.equal(engine.sendDatagram(Buffer.from("@tmr-test-nobody"), message), "ECONNREFUSED");
    assert.equal(engine.sendDatagram(Buffer.from("/nonexistent/socket"), message), "ENOENT");
    assert.equal(engine.sendDatagram(Buffer.alloc(0), message), "EINVAL");
    assert.equal(engine.sendDatagram(Buffer.from(`/${"x".repeat(200)}`), message), "ENAMETOOLONG");
    const send = engine.sendDatagram as (...args: unknown[]) => unknown;
    for (const wrong of [[], ["path", message], [Buffer.from("@x")], [Buffer.from("@x"), "text"]]) {
      assert.throws(() => send(...wrong), { code: "ERR_TMR_ARGUMENT" });
    }
  });

  it("is nothing without NOTIFY_SOCKET, and a status only when it is another one", () => {
    const sent: unknown[] = [];
    const alone = new ServiceManager({ WATCHDOG_USEC: "1000" }, 7, (_path, message) => {
      sent.push(message);
      return null;
    });
    alone.ready();
    assert.deepEqual([alone.listens, alone.watchdogMs, sent.length], [false, null, 0]);
    const { manager, told } = listening({});
    for (const text of ["a", "a", "b"]) manager.status(text);
    assert.deepEqual(told, ["STATUS=a", "STATUS=b"]);
  });

  it("includes a watchdog only when it is meant for this process and is a time", () => {
    const rows: readonly [Record<string, string>, number | null][] = [
      [{ WATCHDOG_USEC: "30000000" }, 30_000],
      [{ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "7" }, 30_000],
      [{ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "" }, 30_000],
      [{ WATCHDOG_USEC: "30000000", WATCHDOG_PID: "8" }, null],
      [{ WATCHDOG_USEC: "0" }, null],
      [{ WATCHDOG_USEC: "-1" }, null],
      [{ WATCHDOG_USEC: "soon" }, null],
      [{}, null],
    ];
    for (const [environment, ms] of rows) {
      assert.equal(listening(environment).manager.watchdogMs, ms, JSON.stringify(environment));
    }
  });
});

describe("the heart of a service", () => {
  const beats = (told: readonly string[]): number => told.filter((message) => message === "WATCHDOG=1").length;

  it("beats while the service works, stops when it does not, says why, and beats again when it does", async () => {
    const { manager, told } = listening({ WATCHDOG_USEC: "30000" });
    let fault: string | null | Error = null;
    let asked = 0;
    const lines: string[] = [];
    const service: Beating = {
      summary: () => "fine",
      fault: () => {
        asked++;
        if (fault instanceof Error) throw fault;
        return fault;
      },
    };
    const rounds = async (count: number): Promise<void> => {
      const until = asked + count;
      while (asked < until) await new Promise((resolve) => setTimeout(resolve, 1));
    };
    const end = startHeart(manager, service, {
      error: (about) => lines.push(JSON.stringify(about)),
      info: (_about, text) => lines.push(text),
    });
    await rounds(2);
    assert.ok(beats(told) >= 2);
    for (const broken of ["the engine stands still", new Error("closed")]) {
      fault = broken;
      await rounds(1);
      const before = beats(told);
      await rounds(3);
      assert.equal(beats(told), before);
    }
    fault = null;
    const before = beats(told);
    await rounds(2);
    assert.ok(beats(told) > before);
    end();
    assert.deepEqual(lines, ['{"fault":"the engine stands still"}', '{"fault":"closed"}', "the service works again"]);
    assert.deepEqual(
      told.filter((message) => message !== "WATCHDOG=1"),
      ["STATUS=fine", "STATUS=does not work: the engine stands still", "STATUS=does not work: closed", "STATUS=fine"],
    );
  });

  it("does not run where nobody listens", () => {
    const manager = new ServiceManager({}, 7, () => assert.fail("nobody listens"));
    startHeart(manager, { summary: () => assert.fail("asked"), fault: () => assert.fail("asked") }, silent)();
  });
});

describe("a server that does not get on", () => {
  it("is stuck only when the same work has waited longer than patience", () => {
    // time, something waits, done, stuck for
    const rows: readonly [number, boolean, number, number | null][] = [
      [0, false, 0, null],
      [1_000, true, 0, null],
      [1_100, true, 0, null],
      [1_101, true, 0, 101],
      [1_150, true, 1, null],
      [1_300, true, 1, 150],
      [1_301, false, 1, null],
      [1_400, true, 1, null],
      [1_450, true, 1, null],
    ];
    const progress = new Progress(100);
    for (const [nowMs, waits, done, stuck] of rows) {
      assert.equal(progress.stuckMs({ waits, done }, nowMs), stuck, `at ${nowMs}`);
    }
  });

  it("is at fault with a quorum, and not without one, nor as a passive server, nor with nothing to do", () => {
    const well = { role: "active", quorum: true, position: 5, carried: 5, counters: { pending: 0 } };
    const rows = [
      [well, false],
      [{ ...well, position: 6 }, true],
      [{ ...well, counters: { pending: 3 } }, true],
      [{ ...well, position: 6, quorum: false }, false],
      [{ ...well, position: 6, role: "passive" }, false],
      [{ ...well, counters: {} }, false],
    ] as const;
    for (const [status, atFault] of rows) {
      let nowMs = 0;
      const fault = atWork(
        () => status,
        600,
        () => nowMs,
      );
      assert.equal(fault(), null);
      nowMs = 11_000;
      assert.equal(fault(), null, "not yet");
      nowMs = 11_300;
      assert.equal(fault(), atFault ? "requests wait for 11 s though there is a quorum" : null);
    }
  });
});

describe("the log in the journal", () => {
  it("has syslog's priority before each line", async () => {
    const { pino } = await import("pino");
    const lines: string[] = [];
    const log = pino(
      { level: "trace", base: null, timestamp: false },
      withPriority({ write: (line) => lines.push(line) }),
    );
    log.trace("t");
    log.debug("d");
    log.info("i");
    log.warn("w");
    log.error("e");
    log.fatal("f");
    assert.deepEqual(
      lines.map((line) => /^<\d>(?=\{"level":\d0,"msg":"\w"\}\n$)/.exec(line)?.[0]),
      ["<7>", "<7>", "<6>", "<4>", "<3>", "<2>"],
    );
  });
});
