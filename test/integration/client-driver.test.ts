import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { queryStatus } from "../../ts/client/query-status.js";
import { loadEngine } from "../../ts/engine/index.js";
import { connect, type Session } from "../../ts/index.js";
import { FakeSeats } from "../support/fake-seats.js";
import { FakeTmrServer } from "../support/fake-tmr-server.js";

const license = { firmCode: 6_000_010, productCode: 13 };

describe("client library over encrypted connections", () => {
  const keys = loadEngine().generateKeyPair();
  let seats: FakeSeats;
  let first: FakeTmrServer;
  let second: FakeTmrServer;

  beforeEach(async () => {
    seats = new FakeSeats(20);
    first = new FakeTmrServer(seats, keys.privateKey, "active");
    second = new FakeTmrServer(seats, keys.privateKey, "passive");
    await Promise.all([first.start(), second.start()]);
  });

  afterEach(async () => {
    await Promise.all([first.kill(), second.kill()]);
  });

  function open(options: { requestTimeoutMs?: number; suspectMs?: number } = {}): Promise<Session> {
    return connect({ servers: [first.address, second.address], serverKey: keys.publicKey, ...options });
  }

  it("checks a license out, asks about it, and gives it back", async () => {
    await using session = await open();
    const handle = await session.access(license);
    assert.deepEqual([handle.item, handle.free, handle.total, handle.validUntil], [1, 19, 20, null]);
    assert.equal(handle.valid, true);
    assert.equal((await handle.info()).container, "131-5");
    await handle.release();
    await handle.release();
    assert.equal(handle.valid, false);
    assert.equal(seats.taken.size, 0);
  });

  it("gives everything back at the end of the block that uses it", async () => {
    {
      await using session = await open();
      await using kept = await session.access(license);
      await session.access(license);
      assert.equal(kept.valid, true);
      assert.equal(seats.taken.size, 2);
    }
    assert.equal(seats.taken.size, 0);
    assert.equal(seats.sessions, 0);
  });

  it("lists containers, and items over as many answers as it takes", async () => {
    await using session = await open();
    assert.deepEqual(await session.containers(), [
      { container: "131-5", kind: "virtual", items: 2, sessions: 1, handles: 0 },
    ]);
    assert.deepEqual(
      (await session.items()).map(({ itemRef }) => itemRef),
      [1, 2, 3],
    );
    assert.equal((await session.serverStatus()).role, "active");
  });

  it("rejects a refusal with its reason and the server's sentence", async () => {
    await using session = await open();
    await Promise.all(Array.from({ length: 20 }, () => session.access(license)));
    await assert.rejects(session.access(license), {
      code: "ERR_TMR_REFUSED",
      reason: "no-free-license",
      message: "all 20 licenses are in use",
    });
  });

  it("rejects wrong arguments before anything is sent", async () => {
    await using session = await open();
    const before = first.packets;
    await assert.rejects(session.access({ ...license, firmCode: -1 }), { code: "ERR_TMR_ARGUMENT" });
    await assert.rejects(session.access({ ...license, timeoutMs: 0 }), { code: "ERR_TMR_ARGUMENT" });
    await assert.rejects(connect({ servers: [], serverKey: keys.publicKey }), { code: "ERR_TMR_ARGUMENT" });
    await assert.rejects(connect({ servers: [first.address], serverKey: "AAAA" }), { code: "ERR_TMR_ARGUMENT" });
    assert.equal(first.packets, before);
  });

  it("puts the calls of one turn into one packet", async () => {
    await using session = await open();
    const before = first.packets;
    await Promise.all(Array.from({ length: 20 }, () => session.access(license)));
    assert.equal(first.packets, before + 1);
  });

  it("keeps session and handles when the active server is killed and its twin takes over", async () => {
    await using session = await open();
    const handle = await session.access(license);
    const reconnected = once(session.events, "reconnected");
    await first.kill();
    second.role = "active";
    assert.equal((await handle.info()).free, 19);
    assert.deepEqual(await reconnected, [second.address]);
    assert.equal(handle.valid, true);
    assert.equal(seats.taken.size, 1);
    await first.start();
  });

  it("follows a server that steps down", async () => {
    await using session = await open();
    const handle = await session.access(license);
    second.role = "active";
    first.stepDown();
    const reconnected = once(session.events, "reconnected");
    await handle.info();
    assert.deepEqual(await reconnected, [second.address]);
  });

  it("leaves a server that stopped answering, and asks for no second seat", async () => {
    await using session = await open({ suspectMs: 100 });
    first.role = "silent";
    second.role = "active";
    const handle = await session.access(license);
    assert.equal(first.unanswered.length, 1);
    assert.equal(handle.valid, true);
    assert.equal(seats.taken.size, 1);
  });

  it("loses and doubles nothing in a loop of accesses while the twins are killed in turn", async () => {
    await using session = await open();
    const executed = seats.executed;
    let [active, passive] = [first, second];
    const rounds = 400;
    for (let round = 0; round < rounds; round++) {
      const asked = session.access(license);
      if (round % 50 === 25) {
        await active.kill();
        passive.role = "active";
        active.role = "passive";
        await active.start();
        [active, passive] = [passive, active];
      }
      const handle = await asked;
      assert.equal(seats.taken.size, 1);
      await handle.release();
      assert.equal(seats.taken.size, 0);
    }
    assert.equal(seats.executed, executed + 2 * rounds);
  });

  it("gives back a seat that is granted after its caller has aborted", async () => {
    await using session = await open({ suspectMs: 100 });
    first.role = "silent";
    const abort = new AbortController();
    const asked = session.access({ ...license, signal: abort.signal });
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (first.unanswered.length > 0) resolve();
        else setImmediate(look);
      };
      look();
    });
    abort.abort();
    await assert.rejects(asked, { name: "AbortError" });
    second.role = "active";
    // The first goes behind the access, the second behind the release of what that access was granted.
    await session.containers();
    await session.containers();
    assert.equal(seats.taken.size, 0);
    assert.equal(seats.executed, 5);
  });

  it("reports handles lost when the session timed out, and serves new calls in a new session", async () => {
    await using session = await open();
    const handle = await session.access(license);
    seats.forgetSessions();
    const lost = once(session.events, "handle-lost");
    const next = await session.access(license);
    assert.deepEqual(await lost, [handle]);
    assert.deepEqual([handle.valid, next.valid], [false, true]);
    await handle.release();
    await assert.rejects(handle.info(), { code: "ERR_TMR_REFUSED", reason: "handle-unknown" });
  });

  it("says that no server could be reached", async () => {
    await Promise.all([first.kill(), second.kill()]);
    await assert.rejects(open({ requestTimeoutMs: 200 }), { code: "ERR_TMR_CONNECT", message: /ECONNREFUSED/ });
    await Promise.all([first.start(), second.start()]);
  });

  it("does not talk to a server that cannot prove its key", async () => {
    const serverKey = loadEngine().generateKeyPair().publicKey;
    const servers = [first.address, second.address];
    await assert.rejects(connect({ servers, serverKey, requestTimeoutMs: 200 }), { code: "ERR_TMR_CONNECT" });
    assert.equal(first.packets + second.packets, 0);
  });

  it("says that no server is active when both are passive", async () => {
    first.role = "passive";
    await assert.rejects(open({ requestTimeoutMs: 200 }), { code: "ERR_TMR_REFUSED", reason: "not-active" });
  });

  it("closes once, refuses what waits, and every call afterwards", async () => {
    const session = await open();
    first.role = "silent";
    const waiting = session.access(license);
    const refused = assert.rejects(waiting, { code: "ERR_TMR_CLOSED" });
    first.role = "active";
    await Promise.all([session.close(), session.close()]);
    await refused;
    await assert.rejects(session.containers(), { code: "ERR_TMR_CLOSED" });
    assert.equal(seats.sessions, 0);
  });

  it("asks any server about itself without a session", async () => {
    assert.equal((await queryStatus(second.address, keys.publicKey, 5_000)).role, "passive");
    second.role = "silent";
    await assert.rejects(queryStatus("127.0.0.1:1", keys.publicKey, 5_000), { code: "ERR_TMR_CONNECT" });
  });

  for (const [how, end] of [
    ["that holds a license and ends its own work", ""],
    ["that closed its session", "await session.close();"],
  ] as const) {
    it(`lets a program exit ${how}`, async () => {
      const program = `
        import { connect } from ${JSON.stringify(new URL("../../ts/index.js", import.meta.url).href)};
        const session = await connect({
          servers: ${JSON.stringify([first.address, second.address])},
          serverKey: ${JSON.stringify(Buffer.from(keys.publicKey).toString("base64url"))},
        });
        await session.access({ firmCode: 6000010, productCode: 13 });
        ${end}
        console.log("done");`;
      const child = spawn(process.execPath, ["--input-type=module", "-e", program]);
      const output: Buffer[] = [];
      child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
      child.stderr.on("data", (chunk: Buffer) => output.push(chunk));
      const [code] = (await once(child, "close")) as [number];
      assert.equal(Buffer.concat(output).toString(), "done\n");
      assert.equal(code, 0);
      assert.equal(seats.sessions, end === "" ? 1 : 0);
    });
  }
});
