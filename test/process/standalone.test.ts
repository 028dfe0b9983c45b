/** A standalone license server as a real process: what it told its clients survives, and no peer harms it. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Handle } from "../../ts/client/handle.js";
import { decodeResults, encodeNames, encodeRequests } from "../../ts/client/packet.js";
import type { Session } from "../../ts/client/session.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { flipped, HostilePeer } from "../support/hostile-peer.js";
import { license } from "../support/issuing.js";
import { residentBytes } from "../support/process-facts.js";
import { runTmr } from "../support/run-tmr.js";
import { until } from "../support/running-plant.js";
import { RunningStandalone } from "../support/running-standalone.js";
import { rejectedBy } from "../support/throws.js";

const MIB = 1024 * 1024;
const cad = { firmCode: 6_000_010, productCode: 13 };
const pool = { firmCode: 6_000_010, productCode: 14 };
const many = Array.from({ length: 300 }, (_, i) => license(`m${i}`, 1_000 + i, { text: "t".repeat(200) }));

async function usedOf(session: Session, productCode: number): Promise<number | undefined> {
  return (await session.items()).find((item) => item.productCode === productCode)?.used;
}

describe("a running standalone license server", function () {
  this.timeout(300_000);
  let server: RunningStandalone;

  before(async () => {
    server = await RunningStandalone.start([
      license("cad", 13, { quantity: 1 }),
      license("pool", 14, { quantity: 500 }),
      ...many,
    ]);
  });
  after(() => server?.stop());
  afterEach("it still serves", async () => {
    assert.ok(server.isRunning, server.log());
    await using session = await server.connect();
    const handle = await session.access(pool);
    await handle.release();
  });

  it("keeps what it told its clients when it is killed at any moment", async () => {
    const sessions = await Promise.all([1, 2, 3, 4].map((i) => server.connect(`user-${i}`)));
    const held = new Map<Session, Set<Handle>>(sessions.map((session) => [session, new Set()]));
    let going = true;
    let told = 0;
    const work = sessions.map(async (session, i) => {
      const own = held.get(session) as Set<Handle>;
      for (let turn = 0; going; turn++) {
        const [oldest] = own;
        if (oldest !== undefined && (own.size > 20 || turn % 3 === i % 3)) {
          await oldest.release();
          own.delete(oldest);
        } else own.add(await session.access(pool));
        told++;
      }
    });
    for (let kills = 0; kills < 3; kills++) {
      const before = told;
      await until("clients are served", async () => (told > before + 40 ? true : null));
      await server.kill();
      await server.startAgain();
    }
    going = false;
    await Promise.all(work);
    const all = [...held.values()].flatMap((handles) => [...handles]);
    const [first] = sessions;
    assert.ok(first !== undefined && all.length > 0);
    // Neither more nor less than what clients were told: no seat is lost, and none taken twice.
    assert.equal(await usedOf(first, 14), all.length);
    for (const handle of all) {
      assert.ok(handle.valid);
      assert.equal((await handle.info()).productCode, 14);
    }
    for (const session of sessions) await session.close();
    await using last = await server.connect();
    assert.equal(await usedOf(last, 14), 0);
  });

  it("refuses a seat that a client was told it has before the server was killed", async () => {
    await using session = await server.connect();
    const handle = await session.access(cad);
    await server.kill();
    await server.startAgain();
    await using other = await server.connect();
    const refused = await rejectedBy("ERR_TMR_REFUSED", () => other.access(cad));
    assert.match(refused.message, /0 of 1 seats/);
    await handle.release();
    await (await other.access(cad)).release();
  });

  it("closes whoever sends bytes that are no packet, and nobody else", async () => {
    await using session = await server.connect();
    const handle = await session.access(pool);
    const request = { kind: Kind.status, request: 1, session: randomBytes(16) };
    const packet = encodeRequests([{ request, blob: null }]);
    const broken: readonly (readonly [string, (peer: HostilePeer) => void])[] = [
      ["random bytes", (peer) => peer.write(Buffer.concat([Buffer.of(0, 200), randomBytes(200)]))],
      ["a flipped bit", (peer) => peer.write(flipped(peer.seal(packet), 20))],
      ["an empty message", (peer) => peer.send(Buffer.alloc(0))],
      ["a message that is too long", (peer) => peer.send(Buffer.alloc(70_000))],
      ["a reserved byte", (peer) => peer.send(flipped(packet, 16 + 2))],
      ["a count that does not fit", (peer) => peer.send(flipped(packet, 8))],
      ["a result", (peer) => peer.send(flipped(packet, 0, 3))],
    ];
    for (const [what, attack] of broken) {
      const peer = await server.peer();
      attack(peer);
      await Promise.race([
        peer.closed,
        new Promise((_resolve, reject) => {
          setTimeout(() => reject(new Error(`${what}: still open`)), 10_000).unref();
        }),
      ]);
    }
    const raw = await HostilePeer.connect(server.address);
    raw.write(randomBytes(200));
    await raw.closed;
    assert.ok(handle.valid);
    await handle.release();
  });

  it("answers a flood without growing, and serves others meanwhile", async () => {
    const session = randomBytes(16);
    const names = encodeNames({ host: "h", user: "u", station: "s", program: "p", runtimeVersion: "1.0.0" });
    const flood = async (): Promise<Set<number>> => {
      const peer = await server.peer();
      peer.send(encodeRequests([{ request: { kind: Kind.openSession, request: 1, session }, blob: names }]));
      await peer.next();
      const [packets, perPacket, ahead] = [400, 250, 12];
      const packet = encodeRequests(
        Array.from({ length: perPacket }, (_, j) => ({
          request: { kind: Kind.heartbeat, session, request: 2 + j, answeredBelow: 1 },
          blob: null,
        })),
      );
      const statuses = new Set<number>();
      let sent = 0;
      for (let answers = 0; answers < packets * perPacket; ) {
        // As much ahead of the answers as a server keeps for a client that is slow to read.
        for (; sent < packets && sent * perPacket < answers + ahead * perPacket; sent++) peer.send(packet);
        for (const { result } of decodeResults(await peer.next()) ?? []) {
          statuses.add(result.status);
          answers++;
        }
      }
      await peer.reset();
      return statuses;
    };
    await flood();
    const bytes = residentBytes(server.pid);
    const [statuses] = await Promise.all([
      flood(),
      flood(),
      (async () => {
        await using other = await server.connect();
        for (let i = 0; i < 20; i++) await (await other.access(pool)).release();
      })(),
    ]);
    for (const status of statuses) assert.ok(status === Status.ok || status === Status.busy, `status ${status}`);
    const grown = residentBytes(server.pid) - bytes;
    assert.ok(grown < 64 * MIB, `${Math.round(grown / MIB)} MiB more`);
  });

  it("closes a client that asks and never reads, and keeps nothing of it", async () => {
    const askInVain = async (): Promise<void> => {
      const peer = await server.peer();
      const session = randomBytes(16);
      const names = encodeNames({ host: "h", user: "u", station: "s", program: "p", runtimeVersion: "1.0.0" });
      peer.send(encodeRequests([{ request: { kind: Kind.openSession, request: 1, session }, blob: names }]));
      await peer.next();
      peer.socket.pause();
      for (let first = 2; first < 4_000; first += 250) {
        const requests = Array.from({ length: 250 }, (_, i) => ({
          request: { kind: Kind.items, session, request: first + i, answeredBelow: first + i },
          blob: null,
        }));
        peer.send(encodeRequests(requests));
      }
      await peer.closed;
    };
    const closed = async (): Promise<number> => (await server.status()).counters["closedUnread"] ?? 0;
    await askInVain();
    const [unread, bytes] = [await closed(), residentBytes(server.pid)];
    for (let i = 0; i < 3; i++) await askInVain();
    assert.equal(await closed(), unread + 3);
    const grown = residentBytes(server.pid) - bytes;
    assert.ok(grown < 64 * MIB, `${Math.round(grown / MIB)} MiB more`);
  });

  it("is shown and used by the commands of a TMR system", async () => {
    const system = ["--system", server.server.systemFile];
    const status = await runTmr("status", ...system);
    assert.deepEqual([status.code, /license-server at .* serves/.test(status.out)], [0, true], status.out + status.err);
    const content = await runTmr("content", ...system, "--json");
    const items = JSON.parse(content.out) as { itemRef: number; container: string; productCode: number }[];
    assert.equal(items.length, 302);
    assert.match(items[0]?.container ?? "", /^130-\d+$/);
    const list = await runTmr("list", ...system, "--json");
    assert.equal((JSON.parse(list.out) as unknown[]).length, 1);
    const checkout = ["checkout", ...system, "-p", "6000010:13", "--"];
    const inner = await runTmr(...checkout, process.execPath, "-e", "process.exit(7)");
    assert.equal(inner.code, 7, inner.err);
    const refused = await runTmr("checkout", ...system, "-p", "6000010:99", "--", "true");
    assert.deepEqual([refused.code, /No license 6000010:99/.test(refused.err)], [3, true]);
    const health = await runTmr("health", "-c", server.server.serverFile);
    assert.deepEqual([health.code, health.out], [0, "serves: active, alone\n"]);
    const admit = await runTmr("resume", "-c", server.server.serverFile, "--accept-loss");
    assert.match(admit.err, /standalone license server/);
  });

  it("serves a container that is put into its folder while it runs, behind the ones before it", async () => {
    await using session = await server.connect();
    const before = (await session.containers()).map(({ container }) => container);
    const added = await server.issue([license("late", 15)]);
    const handle = await until("the new license", () => session.access({ ...cad, productCode: 15 }));
    assert.equal(handle.granted.container, added);
    const serial = (name: string): number => Number(name.split("-")[1]);
    const names = (await session.containers()).map(({ container }) => container);
    assert.deepEqual(
      names,
      [...before, added].toSorted((a, b) => serial(a) - serial(b)),
    );
  });

  it("writes where a client connects from, so that an access list can tell", async () => {
    const rules = [{ level: "product", ...cad, kind: "subnet", value: "127.0.0.0/8", effect: "deny" }];
    const list = (them: unknown) =>
      Buffer.from(JSON.stringify({ format: "tmr-access-list/1", groups: {}, rules: them }));
    const set = async (them: unknown): Promise<string> =>
      (await server.control().propose({ kind: "setAccessList", blob: list(them).toString("base64url") })).status;
    assert.equal(await set(rules), "ok");
    await using session = await server.connect();
    const refused = await rejectedBy("ERR_TMR_REFUSED", () => session.access(cad));
    assert.equal((refused as { reason?: unknown }).reason, "access-list");
    await (await session.access(pool)).release();
    assert.equal(await set([]), "ok");
    await (await session.access(cad)).release();
  });

  it("does not start with a damaged store, and leaves it as it is", async () => {
    await server.kill();
    const file = join(server.server.dir, "server", "state", "standalone.sqlite");
    const [whole, log] = [readFileSync(file), readFileSync(`${file}-wal`)];
    // A lost write-ahead log: what was acknowledged is in neither file.
    writeFileSync(`${file}-wal`, "");
    const started = await runTmr("upstream", "-c", server.server.serverFile);
    assert.equal(started.code, 2);
    assert.match(started.err, /the end of its log is lost; restore it from a backup/);
    writeFileSync(file, whole);
    writeFileSync(`${file}-wal`, log);
    await server.startAgain();
  });

  it("does not start twice on one folder", async () => {
    const second = await runTmr("upstream", "-c", server.server.serverFile);
    assert.equal(second.code, 2);
    assert.match(second.err, /is running already/);
  });
});
