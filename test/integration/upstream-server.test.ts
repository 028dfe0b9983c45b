import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import pino from "pino";
import { parseAddress } from "../../ts/transport/dial.js";
import type { RunningUpstream } from "../../ts/upstream/server.js";
import { Kind, Status } from "../../ts/wire/kinds.js";
import { MESSAGE_HEADER_BYTES, MessageType, packetOf } from "../../ts/wire/message.js";
import { REQUEST_BYTES, type Request, writeRequest } from "../../ts/wire/request.js";
import { readResult } from "../../ts/wire/result.js";
import { engine } from "../support/native-engine.js";
import { appendOf, type BatchOptions, batchAfter, type DecodedVote, type Entry } from "../support/replica-kit.js";
import { scratchFolder } from "../support/scratch.js";
import { Peer, rawSocket, UpstreamFolder } from "../support/upstream-kit.js";

const processFile = fileURLToPath(new URL("../support/upstream-process.js", import.meta.url));

describe("upstream server", () => {
  const scratch = scratchFolder();
  let folder: UpstreamFolder;
  const running: RunningUpstream[] = [];
  const peers: Peer[] = [];

  beforeEach(async () => {
    folder = await UpstreamFolder.make(scratch());
  });
  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.close();
    for (const upstream of running.splice(0)) await upstream.stop();
  });

  async function run(...args: Parameters<UpstreamFolder["run"]>): Promise<RunningUpstream> {
    const upstream = await folder.run(...args);
    running.push(upstream);
    return upstream;
  }

  async function link(address: string, staticKey = folder.server(0).keys.noise): Promise<Peer> {
    const peer = await Peer.dial(address, folder.issuing.system.system.upstreams[0].key, staticKey);
    peers.push(peer);
    return peer;
  }

  async function client(address: string): Promise<Peer> {
    const peer = await Peer.dial(address, folder.issuing.system.system.upstreams[0].key);
    peers.push(peer);
    return peer;
  }

  /** Founds the system with this upstream's real incarnation and syncs it under epoch 2. */
  async function founded(peer: Peer): Promise<void> {
    const { incarnation } = await peer.expect({ type: "prepare", epoch: 2, ask: 1 }, "blank");
    const members = Buffer.concat([incarnation, Buffer.alloc(16, 2), Buffer.alloc(16, 3)]);
    await peer.expect({ type: "found", epoch: 2, ask: 1, members }, "promise");
    await peer.expect(
      { type: "sync", stamp: Buffer.alloc(32), epoch: 2, members, position: 0, digest: folder.genesisDigest },
      "synced",
    );
  }

  function next(previous: Entry | null, more: Partial<BatchOptions> = {}): Entry {
    const genesis = { batch: Buffer.alloc(0), position: 0, digest: folder.genesisDigest };
    return batchAfter(previous ?? genesis, { epoch: 2, ...more });
  }

  async function ask(peer: Peer, request: Partial<Request>): Promise<{ status: number; text: string }> {
    const record = Buffer.alloc(REQUEST_BYTES);
    writeRequest(record, 0, { kind: Kind.openSession, request: 1, session: Buffer.alloc(16, 7), ...request });
    peer.send(packetOf(MessageType.requests, record, Buffer.alloc(0)));
    const packet = await peer.next();
    const { status } = readResult(packet, MESSAGE_HEADER_BYTES);
    return { status, text: packet.subarray(MESSAGE_HEADER_BYTES + 128).toString() };
  }

  it("serves a TMR server: founding, sync, appends, and its own statement into the log", async () => {
    const upstream = await run();
    assert.equal(upstream.status().blank, true);
    const peer = await link(upstream.address);
    await founded(peer);
    const statement = await peer.offered(2);
    const first = next(null, { statement: { upstream: 1, bytes: statement } });
    const vote = (await peer.ask(appendOf(first))) as DecodedVote;
    assert.equal(vote.type, "vote");
    assert.equal(vote.position, 1);
    assert.deepEqual(vote.digest, first.digest);
    assert.equal(vote.results.readUInt16LE(2), Status.ok, vote.results.subarray(128).toString());
    const status = upstream.status();
    assert.deepEqual([status.promised, status.logEpoch, status.position, status.blank], [2, 2, 1, false]);
    assert.equal(status.digest, first.digest.toString("hex"));
    assert.equal(status.stateDigest, vote.stateDigest.toString("hex"));
    assert.equal(status.incarnation, vote.incarnation.toString("hex"));
    assert.deepEqual(status.links, [folder.server(0).name]);
    assert.deepEqual(
      status.containers.map(({ file, items, tmrItems, stated }) => [file, items, tmrItems, stated]),
      [["upstream-1.tmrc", 1, 1, true]],
    );
  });

  it("closes a TMR server and a client that say nothing, and keeps those that do", async () => {
    const idleMs = 500;
    const upstream = await run(folder.config, undefined, { idleMs });
    const [talks, dead, idle] = [
      await link(upstream.address),
      await link(upstream.address),
      await client(upstream.address),
    ];
    for (const peer of [talks, dead]) await peer.expect({ type: "ping", epoch: 0 }, "pong");
    const gone = [dead.next(), idle.next()].map((next) => assert.rejects(next, /the connection closed/));
    const bothGone = Promise.all(gone);
    for (let over = false; !over; ) {
      await talks.expect({ type: "ping", epoch: 0 }, "pong");
      const pause = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), idleMs / 10));
      over = await Promise.race([bothGone.then(() => true), pause]);
    }
    assert.deepEqual(upstream.status().links, [folder.server(0).name]);
    await talks.expect({ type: "ping", epoch: 0 }, "pong");
  });

  it("keeps promise, log and incarnation over a restart", async () => {
    const before = await run();
    const peer = await link(before.address);
    await founded(peer);
    const first = next(null);
    const vote = (await peer.ask(appendOf(first))) as DecodedVote;
    await peer.expect({ type: "prepare", epoch: 5, ask: 1 }, "promise");
    await before.stop();
    const after = await run();
    const again = await link(after.address, folder.server(1).keys.noise);
    assert.equal((await again.expect({ type: "prepare", epoch: 4, ask: 1 }, "refused")).promised, 5);
    const promise = await again.expect({ type: "prepare", epoch: 7, ask: 1 }, "promise");
    assert.deepEqual([promise.logEpoch, promise.position], [2, 1]);
    assert.deepEqual(promise.digest, first.digest);
    assert.deepEqual(promise.stateDigest, vote.stateDigest);
    assert.deepEqual(promise.incarnation, vote.incarnation);
  });

  it("does not finish a handshake with a stranger's key, and counts it", async () => {
    const upstream = await run();
    const stranger = engine.generateKeyPair().privateKey;
    await assert.rejects(link(upstream.address, stranger), { code: "ERR_TMR_CONNECT" });
    assert.equal(upstream.status().counters.refusedHandshakes, 1);
    assert.deepEqual(upstream.status().links, []);
  });

  it("tells a client what it holds, and refuses a TMR license with tmr-only", async () => {
    const upstream = await run();
    const peer = await client(upstream.address);
    assert.equal((await ask(peer, { kind: Kind.openSession })).status, Status.ok);
    const license = { kind: Kind.access, firmCode: 6_000_010, quantity: 1 };
    const refused = await ask(peer, { ...license, productCode: 13 });
    assert.equal(refused.status, Status["tmr-only"]);
    assert.match(refused.text, /only the TMR servers/);
    assert.equal((await ask(peer, { ...license, productCode: 99 })).status, Status["not-found"]);
    assert.equal((await ask(peer, { kind: Kind.statement })).status, Status["bad-request"]);
    const items = JSON.parse((await ask(peer, { kind: Kind.items })).text) as { tmr: boolean }[];
    assert.deepEqual(
      items.map(({ tmr }) => tmr),
      [true],
    );
    const status = JSON.parse((await ask(peer, { kind: Kind.status })).text) as { id: number; clients: number };
    assert.deepEqual([status.id, status.clients], [1, 1]);
    assert.equal(upstream.status().counters.unknownKinds, 1);
  });

  it("goes on serving through garbage, half-open handshakes and packets that are none", async () => {
    const upstream = await run();
    const halfOpen = await rawSocket(upstream.address);
    halfOpen.write(Buffer.of(0));
    const garbage = await rawSocket(upstream.address);
    garbage.write(Buffer.alloc(4000, 0xff));
    garbage.resume();
    await once(garbage, "close");
    const bad = await client(upstream.address);
    bad.send(Buffer.alloc(100, 1));
    await assert.rejects(bad.next(), /closed/);
    const badLink = await link(upstream.address);
    badLink.send(Buffer.alloc(100, 1));
    assert.equal((await badLink.expect({ type: "ping", epoch: 0 }, "pong")).blank, 1);
    assert.equal((await ask(await client(upstream.address), {})).status, Status.ok);
    const { counters } = upstream.status();
    assert.deepEqual([counters.refusedHandshakes, counters.malformedPackets, counters.malformed], [1, 1, 1]);
    halfOpen.destroy();
  });

  it("notices changes of its containers folder and states them anew", async () => {
    const upstream = await run();
    const peer = await link(upstream.address);
    await founded(peer);
    const first = await peer.offered(2);
    assert.match(first.toString("latin1"), /"tmrId":1\}/);
    const carried = next(null, { statement: { upstream: 1, bytes: first } });
    await peer.ask(appendOf(carried));
    const file = folder.putContainer();
    const bytes = readFileSync(file);
    bytes[200] = (bytes[200] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const broken = await peer.offered(2, first);
    assert.match(broken.subarray(64).toString(), /"items":\[\].*"version":2/);
    await peer.ask(appendOf(next(carried, { statement: { upstream: 1, bytes: broken } })));
    const [shown] = upstream.status().containers;
    assert.deepEqual([shown?.items, shown?.stated], [0, false]);
    assert.match(shown?.fault ?? "", /upstream-1\.tmrc/);
    const answer = await ask(await client(upstream.address), {
      kind: Kind.access,
      firmCode: 6_000_010,
      productCode: 13,
    });
    assert.equal(answer.status, Status["not-found"]);
    folder.putContainer();
    await upstream.reload();
    assert.match((await peer.offered(2, broken)).subarray(64).toString(), /"tmrId":1\}.*"version":3/);
  });

  it("sets a damaged store aside, says so, and starts blank with a new incarnation", async () => {
    const before = await run();
    const peer = await link(before.address);
    await founded(peer);
    for (let entry = next(null); entry.position <= 20; entry = next(entry)) await peer.ask(appendOf(entry));
    const { incarnation } = before.status();
    await before.stop();
    const { state } = folder.config;
    const [name = ""] = readdirSync(state).filter((each) => each.endsWith(".sqlite"));
    const bytes = readFileSync(join(state, name));
    const at = bytes.lastIndexOf("TMRB");
    bytes[at + 300] = (bytes[at + 300] ?? 0) ^ 4;
    writeFileSync(join(state, name), bytes);
    const lines: string[] = [];
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        lines.push(chunk.toString());
        done();
      },
    });
    const after = await run(folder.config, pino(sink));
    const status = after.status();
    assert.deepEqual([status.blank, status.position, status.counters.lostStores], [true, 0, 1]);
    assert.notEqual(status.incarnation, incarnation);
    assert.ok(lines.some((line) => /"level":60.*position \d+ is missing or altered.*lost disk/.test(line)));
    const kept = readdirSync(state).filter((each) => each.includes(".damaged-"));
    assert.ok(kept.some((each) => readFileSync(join(state, each)).equals(bytes)));
  });

  it("says in log and status that it does not wait for its disk", async () => {
    const lines: string[] = [];
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        lines.push(chunk.toString());
        done();
      },
    });
    assert.equal((await run(folder.config)).status().durable, true);
    await running.pop()?.stop();
    const hasty = await run({ ...folder.config, store: { durable: false } }, pino(sink));
    assert.equal(hasty.status().durable, false);
    assert.ok(lines.some((line) => /"level":50.*NOT DURABLE: \[store\] durable = false/.test(line)));
  });

  it("says that a port is in use and lets go of its store", async () => {
    const upstream = await run();
    const { port } = parseAddress(upstream.address);
    const other = { ...folder.config, state: join(scratch(), "other"), listen: `127.0.0.1:${port}` };
    await assert.rejects(folder.run(other), { code: "ERR_TMR_LISTEN" });
    running.push(await folder.run({ ...other, listen: "127.0.0.1:0" }));
    await assert.rejects(folder.run(folder.config), { code: "ERR_TMR_FILE" });
  });

  it("refuses the store of another upstream without touching it", async () => {
    const upstream = await run();
    await upstream.stop();
    const before = readdirSync(folder.config.state);
    await assert.rejects(folder.run({ ...folder.config, id: 2 }), { code: "ERR_TMR_STORE" });
    assert.deepEqual(readdirSync(folder.config.state), before);
  });

  it("closes its links and clients when it stops, twice if asked", async () => {
    const upstream = await run();
    const peer = await link(upstream.address);
    const other = await client(upstream.address);
    await Promise.all([upstream.stop(), assert.rejects(peer.next(), /closed/), assert.rejects(other.next(), /closed/)]);
    await upstream.stop();
  });

  describe("as a process", () => {
    function start(prefix: readonly string[] = []) {
      const [command, ...args] = [...prefix, process.execPath, processFile, folder.issuing.system.upstreamFiles[0]];
      const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
      const errors: Buffer[] = [];
      child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
      const address = once(createInterface({ input: child.stdout }), "line").then(([line]) => line as string);
      const ended = once(child, "close").then(([code]) => code as number | null);
      return { child, address, ended, errors: () => Buffer.concat(errors).toString() };
    }

    it("has every position it voted for after a kill -9 at any moment", async () => {
      let previous: Entry | null = null;
      let voted: Entry | null = null;
      for (const rounds of [1, 17, 40]) {
        const upstream = start();
        const peer = await link(await upstream.address);
        if (voted === null) await founded(peer);
        const { position } = await peer.expect({ type: "prepare", epoch: 2, ask: 1 }, "promise");
        // What was under way when it died may be there or not; what it voted for must be.
        assert.ok(position === (voted?.position ?? 0) || position === previous?.position);
        if (position !== previous?.position) previous = voted;
        for (let i = 0; i < rounds; i++) {
          previous = next(previous, { salt: i + 1 });
          assert.equal((await peer.ask(appendOf(previous))).type, "vote");
          voted = previous;
        }
        previous = next(previous, { salt: 99 });
        peer.send(appendOf(previous));
        await new Promise((resolve) => setImmediate(resolve));
        upstream.child.kill("SIGKILL");
        await upstream.ended;
      }
      const upstream = start();
      const peer = await link(await upstream.address);
      const probed = await peer.expect({ type: "probe", epoch: 2, position: voted?.position ?? 0 }, "probed");
      assert.deepEqual(probed.digest, voted?.digest);
      upstream.child.kill("SIGKILL");
      await upstream.ended;
    });

    it("ends with code 1 and a message when a write fails, and has not voted for what it could not write", async () => {
      const limit = ["bash", "-c", `trap '' XFSZ; ulimit -f 700; exec "$0" "$@"`];
      const upstream = start(limit);
      const peer = await link(await upstream.address);
      await founded(peer);
      let voted: Entry | null = null;
      for (;;) {
        const entry: Entry = next(voted, { blobBytes: 4000 });
        const answer = await peer.ask(appendOf(entry)).catch(() => null);
        if (answer === null) break;
        assert.equal(answer.type, "vote");
        voted = entry;
      }
      assert.equal(await upstream.ended, 1);
      assert.match(upstream.errors(), /^tmr: .*ERR_TMR_STORE_WRITE/);
      const again = await run();
      const other = await link(again.address);
      const probe = { type: "probe", epoch: 2, position: voted?.position ?? 0 } as const;
      assert.deepEqual((await other.expect(probe, "probed")).digest, voted?.digest);
    });
  });

  it("leaves nothing but its store in the state folder", async () => {
    await (await run()).stop();
    const left = readdirSync(folder.config.state).sort();
    assert.deepEqual(left, ["replica.sqlite", "replica.sqlite.mark"]);
    rmSync(folder.config.state, { recursive: true });
  });
});
