/** What a standalone server answers is durable before, survives a crash, and comes from one write per turn. */
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import type { Orderer } from "../../ts/engine/types.js";
import { genesisDigest } from "../../ts/license/genesis.js";
import { Sequencer } from "../../ts/standalone/sequencer.js";
import { StandaloneSigner } from "../../ts/standalone/signer.js";
import { MemoryStore, type WriteFault } from "../../ts/store/memory-store.js";
import { licensePorts, licenseStates } from "../../ts/upstream/license-ports.js";
import type { HeldContainer } from "../../ts/upstream/statement.js";
import { Kind } from "../../ts/wire/kinds.js";
import { sha256, upstreamKeys } from "../support/license-ports.js";
import { engine } from "../support/native-engine.js";
import {
  type Answer,
  type Asked,
  answersIn,
  orderingOptions,
  requestsPacket,
  sessionOf,
} from "../support/ordering-kit.js";
import { ordinary, standaloneGenesis } from "../support/standalone-kit.js";

const digest = genesisDigest(standaloneGenesis, sha256);
const wall = Date.UTC(2030, 0, 1);
const incarnation = Buffer.alloc(16, 7);
const seat = { kind: Kind.access, mode: 1, quantity: 1, firmCode: 6000010, productCode: 13 };

/** A sequencer on a store that may outlive it. */
class Alone {
  readonly orderer: Orderer;
  readonly sequencer: Sequencer;
  readonly signer = new StandaloneSigner(
    createPrivateKey(upstreamKeys[0]?.privateKey.export({ format: "pem", type: "pkcs8" }) ?? ""),
  );
  readonly missing: number[] = [];
  nowMs = 1_000;
  wallMs = wall;

  constructor(
    readonly store: MemoryStore,
    containers: readonly HeldContainer[] = [{ container: "130-77", actId: 1, items: [ordinary(1, { quantity: 2 })] }],
  ) {
    this.orderer = engine.createOrderer({ ...orderingOptions(), quorum: 1 });
    this.signer.containers = containers;
    this.sequencer = new Sequencer({
      ordering: this.orderer,
      store,
      states: licenseStates(standaloneGenesis, licensePorts(engine)),
      sha256,
      statement: (version) => this.signer.make(version),
      attest: () => null,
      minTimeoutMs: 5_000,
      snapshots: { everyBatches: 4, everyBytes: 1 << 20, keepBatches: 2 },
      ports: {
        statusDocument: () => Buffer.from('{"name":"alone"}'),
        missing: (position) => this.missing.push(position),
      },
    });
  }

  static fresh(fault?: (write: number, operation: string) => WriteFault | null): Alone {
    const options = { upstream: 1, genesisDigest: digest, incarnation } as const;
    return new Alone(new MemoryStore(fault === undefined ? options : { ...options, fault }));
  }

  pump(): void {
    this.sequencer.pump(this.nowMs, this.wallMs);
  }

  client(): number {
    return this.orderer.addClient();
  }

  send(client: number, ...asked: Asked[]): void {
    assert.equal(this.orderer.clientMessage(client, requestsPacket(...asked)), 0);
  }

  answers(client: number): Answer[] {
    const answers: Answer[] = [];
    for (;;) {
      const packet = this.orderer.takeClientMessage(client);
      if (packet === null) return answers;
      answers.push(...answersIn(packet));
    }
  }

  ask(client: number, ...asked: Asked[]): Answer[] {
    this.send(client, ...asked);
    this.pump();
    return this.answers(client);
  }

  /** The next life on the same disk. */
  crash(): Alone {
    return new Alone(this.store.crash());
  }
}

const names = (answers: readonly Answer[]): string[] => answers.map(({ statusName }) => statusName);
const open = { kind: Kind.openSession, request: 1 };

describe("a standalone sequencer", () => {
  it("states its containers before anything else and serves them", () => {
    const alone = Alone.fresh();
    alone.pump();
    assert.equal(alone.sequencer.position, 1);
    const client = alone.client();
    assert.deepEqual(names(alone.ask(client, open, { ...seat, request: 2 }, { ...seat, request: 3 })), [
      "ok",
      "ok",
      "ok",
    ]);
    assert.deepEqual(names(alone.ask(client, { ...seat, request: 4 })), ["no-free-license"]);
  });

  it("makes what arrived in one turn durable by one write", () => {
    const alone = Alone.fresh();
    alone.pump();
    const { writes } = alone.store;
    const clients = [1, 2, 3].map(() => alone.client());
    clients.forEach((client, i) => alone.send(client, { ...open, session: sessionOf(i + 1) }));
    // More than a batch takes: several batches, still one write.
    const session = sessionOf(1);
    alone.send(clients[0] as number, ...Array.from({ length: 40 }, (_, i) => ({ request: i + 2, session })));
    alone.pump();
    assert.equal(alone.store.writes, writes + 1);
    assert.equal(alone.sequencer.position, 4);
    assert.deepEqual(
      clients.map((client) => alone.answers(client).length),
      [41, 1, 1],
    );
  });

  it("answers nothing that it could not make durable", () => {
    let failing = false;
    const alone = Alone.fresh((_write, operation) => (failing && operation === "append" ? "before" : null));
    alone.pump();
    const client = alone.client();
    alone.ask(client, open);
    failing = true;
    alone.send(client, { ...seat, request: 2 });
    assert.throws(() => alone.pump(), { code: "ERR_TMR_STORE_WRITE" });
    assert.deepEqual(alone.answers(client), []);
    const again = alone.crash();
    again.pump();
    assert.deepEqual(names(again.ask(again.client(), { ...seat, request: 2 })), ["ok"]);
  });

  it("finds after a crash what it answered, and executes a repeated request once", () => {
    const alone = Alone.fresh();
    alone.pump();
    const client = alone.client();
    const [, granted] = alone.ask(client, open, { ...seat, request: 2 });
    const again = alone.crash();
    again.pump();
    const other = again.client();
    const [repeated] = again.ask(other, { ...seat, request: 2 });
    assert.deepEqual([repeated?.statusName, repeated?.handle], ["ok", granted?.handle]);
    assert.deepEqual(names(again.ask(other, { ...seat, request: 3 }, { ...seat, request: 4 })), [
      "ok",
      "no-free-license",
    ]);
    assert.equal(again.sequencer.epoch, alone.sequencer.epoch + 2);
  });

  it("goes on from a snapshot with the same state, after the log before it went", () => {
    const alone = Alone.fresh();
    alone.pump();
    const client = alone.client();
    alone.ask(client, open, { ...seat, request: 2 });
    for (let request = 3; request < 20; request++) alone.ask(client, { request });
    assert.ok(alone.store.firstPosition > 1);
    const { stateDigest } = alone.sequencer;
    assert.deepEqual(alone.crash().sequencer.stateDigest, stateDigest);
  });

  it("ends a silent session after its time-out, clamped to the limits, and gives its seat back", () => {
    const alone = Alone.fresh();
    alone.pump();
    const client = alone.client();
    const [opened] = alone.ask(client, { ...open, durationMs: 1 }, { ...seat, quantity: 2, request: 2 });
    assert.equal(opened?.timeoutMs, 5_000);
    const other = { session: sessionOf(2) };
    assert.deepEqual(names(alone.ask(client, { ...open, ...other, durationMs: 2 ** 40 })), ["ok"]);
    for (let waited = 0; waited < 20_000; waited += 250) {
      alone.nowMs += 250;
      alone.pump();
    }
    assert.deepEqual(names(alone.ask(client, { ...seat, quantity: 2, ...other, request: 2 })), ["ok"]);
    assert.deepEqual(names(alone.ask(client, { request: 3 })), ["session-unknown"]);
  });

  it("lets no session time pass while it is down, and takes back no calendar time", () => {
    const alone = Alone.fresh();
    alone.pump();
    const client = alone.client();
    alone.ask(client, { ...open, durationMs: 5_000 }, { ...seat, request: 2 });
    const again = alone.crash();
    again.nowMs = 10_000_000;
    again.wallMs = wall - 86_400_000;
    again.pump();
    assert.equal(again.sequencer.calendarMs, wall);
    assert.deepEqual(names(again.ask(again.client(), { request: 3 })), ["ok"]);
  });

  it("states what its containers hold now, once", () => {
    const alone = Alone.fresh();
    alone.pump();
    const client = alone.client();
    alone.ask(client, open);
    alone.signer.containers = [{ container: "130-77", actId: 1, items: [ordinary(1, { quantity: 9 })] }];
    alone.sequencer.containersChanged();
    const [told] = alone.ask(client, { ...seat, request: 2 });
    assert.deepEqual([told?.statusName, told?.total], ["ok", 9]);
    const { position } = alone.sequencer;
    alone.nowMs += 5_000;
    alone.pump();
    assert.equal(alone.sequencer.position, position);
  });

  it("says when a client knows an answer that the store does not have", () => {
    const alone = Alone.fresh();
    alone.pump();
    const [answer] = alone.ask(alone.client(), open);
    const older = Alone.fresh();
    const { mark = 0, markProof = new Uint8Array(8) } = answer ?? {};
    assert.equal(mark, 2);
    older.ask(older.client(), { request: 2, mark, markProof });
    assert.deepEqual(older.missing, [2]);
  });

  it("answers status and what is borrowed itself, and no other question of its kind", () => {
    const alone = Alone.fresh();
    const asked = [{ kind: Kind.status }, { kind: Kind.attest, handle: 7 }, { kind: 66 }];
    const [status, attest, other] = alone.ask(alone.client(), ...asked);
    assert.deepEqual([status?.statusName, status?.blob.toString()], ["ok", '{"name":"alone"}']);
    assert.deepEqual(
      [attest?.statusName, attest?.blob.toString()],
      ["handle-unknown", "Nothing is borrowed as handle 7."],
    );
    assert.equal(other?.statusName, "bad-request");
  });

  it("tells whoever waits to ask again when it stops, and orders nothing more", () => {
    const alone = Alone.fresh();
    alone.pump();
    const client = alone.client();
    alone.send(client, open);
    alone.sequencer.stop();
    alone.pump();
    assert.deepEqual(names(alone.answers(client)), ["not-active"]);
    let outcome: unknown = null;
    alone.sequencer.command({ kind: Kind.tracking }, (told) => {
      outcome = told;
    });
    assert.equal(outcome, "not-active");
  });
});
