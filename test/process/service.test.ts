/** A server as a service: what its manager hears from start to end, SIGHUP, and an engine that stands still. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { createFirm } from "../../ts/central/firm.js";
import { createStandalone } from "../../ts/central/found-standalone.js";
import { decodeResults, encodeNames, encodeRequests } from "../../ts/client/packet.js";
import { loadStandaloneConfig } from "../../ts/config/index.js";
import type { Engine, Gateway } from "../../ts/engine/types.js";
import { connect } from "../../ts/index.js";
import { atWork } from "../../ts/service/at-work.js";
import { runStandalone } from "../../ts/standalone/server.js";
import { Kind } from "../../ts/wire/kinds.js";
import { license } from "../support/issuing.js";
import { engine } from "../support/native-engine.js";
import { NotifyReceiver } from "../support/notify-receiver.js";
import { until } from "../support/running-plant.js";
import { RunningStandalone } from "../support/running-standalone.js";
import { scratchFolder } from "../support/scratch.js";

const cad = { firmCode: 6_000_010, productCode: 13 };
const WATCHDOG_MS = 300;
const names = { host: "h", user: "u", station: "s", program: "p", runtimeVersion: "1.0.0" };

describe("a server as a service", function () {
  this.timeout(120_000);
  let receiver: NotifyReceiver;
  let server: RunningStandalone;
  let original: string;
  const file = (): string => server.server.serverFile;

  /** Writes upstream.toml, sends SIGHUP, and resolves to the line of the log that says what came of it. */
  async function reload(text: string): Promise<{ readonly [key: string]: unknown; readonly msg: string }> {
    const lines = (): string[] =>
      server
        .log()
        .split("\n")
        .filter((line) => line.includes('"configuration '));
    const before = lines().length;
    const heard = receiver.messages.length;
    writeFileSync(file(), text);
    process.kill(server.pid, "SIGHUP");
    await receiver.message(/^RELOADING=1\nMONOTONIC_USEC=\d+$/, heard);
    await receiver.message(/^READY=1$/, heard);
    const said = lines();
    assert.equal(said.length, before + 1, server.log());
    return JSON.parse(said.at(-1) ?? "") as { msg: string };
  }

  /** The session time-out that a client gets that asks for none. */
  async function defaultTimeoutMs(): Promise<number | undefined> {
    const peer = await server.peer();
    const request = { kind: Kind.openSession, request: 1, session: randomBytes(16) };
    peer.send(encodeRequests([{ request, blob: encodeNames(names) }]));
    const [answer] = decodeResults(await peer.next()) ?? [];
    await peer.reset();
    return answer?.result.timeoutMs;
  }

  before(async () => {
    receiver = await NotifyReceiver.listen(`@tmr-test-service-${process.pid}`);
    Object.assign(process.env, { NOTIFY_SOCKET: receiver.path, WATCHDOG_USEC: String(WATCHDOG_MS * 1000) });
    try {
      server = await RunningStandalone.start([license("cad", 13, { quantity: 2 })]);
    } finally {
      delete process.env["NOTIFY_SOCKET"];
      delete process.env["WATCHDOG_USEC"];
    }
    original = readFileSync(file(), "utf8");
  });
  after(async () => {
    await server?.stop();
    receiver?.close();
  });

  it("says that it is ready and how it is, and beats", async () => {
    await receiver.message(/^READY=1$/);
    assert.match(await receiver.message(/^STATUS=/), /^STATUS=serving, position \d+, 0 clients$/);
    const from = receiver.messages.length;
    await receiver.message(/^WATCHDOG=1$/, from);
    await using session = await connect({ system: server.server.systemFile });
    await receiver.message(/^STATUS=serving, position \d+, 1 clients$/);
    await session.items();
  });

  it("does not beat while its loop stands still", async () => {
    process.kill(server.pid, "SIGSTOP");
    try {
      // What was sent before the signal took effect has arrived after this.
      await new Promise((resolve) => setTimeout(resolve, WATCHDOG_MS));
      const from = receiver.messages.length;
      await new Promise((resolve) => setTimeout(resolve, 3 * WATCHDOG_MS));
      assert.deepEqual(receiver.messages.slice(from), []);
    } finally {
      process.kill(server.pid, "SIGCONT");
    }
    await receiver.message(/^WATCHDOG=1$/, receiver.messages.length);
  });

  it("takes another configuration at SIGHUP without dropping a client", async () => {
    await using session = await connect({ system: server.server.systemFile });
    const handle = await session.access(cad);
    assert.equal(await defaultTimeoutMs(), 120_000);
    const accepted = async (): Promise<number> => (await server.status()).counters["accepted"] ?? 0;
    const before = await accepted();
    const { msg, changed } = await reload(
      `${original.replace('level = "info"', 'level = "debug"')}\n[session]\ntimeoutMs = 7000\n[tracking]\nenabled = true\n`,
    );
    assert.equal(msg, "configuration reloaded");
    assert.deepEqual((changed as string[]).slice(0, 3), ["log.level", "session.timeoutMs", "tracking"]);
    assert.equal(await defaultTimeoutMs(), 7_000);
    await until("license tracking is on", async () => (server.log().includes("license tracking is on") ? true : null));
    assert.ok(handle.valid);
    assert.equal((await handle.info()).productCode, 13);
    // The two questions of this test are all who came: nobody had to connect again.
    assert.equal(await accepted(), before + 2);
    await handle.release();
    assert.equal((await reload(original)).msg, "configuration reloaded");
    assert.equal(await defaultTimeoutMs(), 120_000);
  });

  it("changes nothing over a file with faults, and names them", async () => {
    const { msg, fault, level } = await reload(
      `${original.replace('level = "info"', 'level = "debug"')}\n[session]\ntimeoutMs = 7000\nminTimeout = 5\n`,
    );
    assert.match(msg, /^configuration not reloaded: it has faults, nothing was changed$/);
    assert.match(String(fault), /session\.minTimeout: expected one of the keys .*did you mean "minTimeoutMs"/);
    assert.equal(level, 50);
    assert.equal(await defaultTimeoutMs(), 120_000);
  });

  it("changes nothing over a file that needs a restart, and says what needs it", async () => {
    const { msg, restart, now } = await reload(`${original}\n[session]\ntimeoutMs = 7000\n[limits]\nmaxClients = 99\n`);
    assert.equal(msg, "configuration not reloaded, nothing was changed: limits.maxClients needs a restart");
    assert.deepEqual([restart, now], [["limits.maxClients"], ["session.timeoutMs"]]);
    assert.equal(await defaultTimeoutMs(), 120_000);
    assert.equal((await reload(original)).msg, "configuration reloaded: nothing has changed");
  });

  it("survives any number of SIGHUPs at once", async () => {
    const from = receiver.messages.length;
    for (let i = 0; i < 20; i++) process.kill(server.pid, "SIGHUP");
    await receiver.message(/^READY=1$/, from);
    await receiver.message(/^WATCHDOG=1$/, receiver.messages.length);
  });

  it("says that it stops, and ends in order with SIGTERM", async () => {
    process.kill(server.pid, "SIGTERM");
    await receiver.message(/^STOPPING=1$/);
    await until("the process is gone", async () => (server.isRunning ? null : true));
    assert.match(server.log(), /"msg":"stopped"/);
  });
});

describe("a service whose engine stands still", () => {
  const scratch = scratchFolder();

  it("is at fault, though its loop turns", async () => {
    const folder = scratch();
    const firm = createFirm(join(folder, "central"), { firmCode: 6_000_010, name: "Test firm" });
    const created = createStandalone(join(folder, "srv"), { firms: [firm] });
    const config = { ...loadStandaloneConfig(created.serverFile), listen: "127.0.0.1:0" };
    let gateway: Gateway | undefined;
    const watched: Engine = Object.assign(Object.create(engine) as Engine, {
      createGateway: (options: Parameters<Engine["createGateway"]>[0]) => {
        gateway = engine.createGateway(options);
        return gateway;
      },
    });
    const fatal = (error: unknown): never => assert.fail(String(error));
    const log = pino({ level: "silent" });
    const server = await runStandalone(config, { engine: watched, log, version: "0", fatal });
    let nowMs = 0;
    const fault = atWork(
      () => server.status(),
      0,
      () => nowMs,
    );
    const options = { servers: [server.address], serverKey: created.standalone.key, requestTimeoutMs: 3_000 };
    const before = await connect(options);
    assert.equal(fault(), null);
    nowMs = 60_000;
    assert.equal(fault(), null, "nothing waits");
    // From now on it makes no batch.
    Object.defineProperty(gateway, "nextBatch", { value: () => 0 });
    const asked = before.items().catch(() => null);
    await until("a request waits", async () => ((server.status().counters["pending"] ?? 0) > 0 ? true : null));
    assert.equal(fault(), null, "not yet");
    nowMs += 10_001;
    assert.match(fault() ?? "", /^requests wait for 10 s though there is a quorum$/);
    await server.stop();
    const closing = before.close();
    await Promise.all([asked, closing]);
    rmSync(folder, { recursive: true, force: true });
  });
});
