import assert from "node:assert/strict";
import { genesisDigest as digestOfGenesis } from "../../ts/license/genesis.js";
import { MemoryStore } from "../../ts/store/memory-store.js";
import { licensePorts, licenseStates } from "../../ts/upstream/license-ports.js";
import { Replica } from "../../ts/upstream/replica.js";
import { type HeldContainer, StatementSigner } from "../../ts/upstream/statement.js";
import type { UpstreamNumber } from "../../ts/upstream/types.js";
import { putU64 } from "../../ts/wire/bytes.js";
import { Kind } from "../../ts/wire/kinds.js";
import { decodeLink, encodeLink, type LinkMessage } from "../../ts/wire/link.js";
import { MESSAGE_HEADER_BYTES, MessageField, MessageType } from "../../ts/wire/message.js";
import { REQUEST_BYTES, RequestField } from "../../ts/wire/request.js";
import { RESULT_BYTES } from "../../ts/wire/result.js";
import { readAnswers, sessionOf, type Told } from "../support/license-kit.js";
import { testGenesis, upstreamKeys } from "../support/license-ports.js";
import { engine } from "../support/native-engine.js";
import { type Asked, orderingOptions, requestsPacket } from "../support/ordering-kit.js";
import { founders, incarnationOf, sha256 } from "../support/replica-kit.js";

const ports = licensePorts(engine);
const genesisDigest = Buffer.from(digestOfGenesis(testGenesis, ports.sha256));
const states = licenseStates(testGenesis, ports);
const terms = { actId: 5, firmCode: 6_000_010, productCode: 13, tmrId: 1, text: "CAD", quantity: 2, featureMap: 0 };
const container: HeldContainer = { container: "130-77", actId: 5, items: [terms] };

/** A replica with the real license rules, a container, and a link to the leader. */
class Node {
  store: MemoryStore;
  replica: Replica;
  constructor(readonly upstream: UpstreamNumber) {
    this.store = new MemoryStore({ upstream, genesisDigest, incarnation: incarnationOf(upstream) });
    this.replica = this.#start();
  }

  #start(): Replica {
    const key = upstreamKeys[this.upstream - 1]?.privateKey;
    assert.ok(key !== undefined);
    const signer = new StatementSigner(this.upstream, key);
    signer.containers = [container];
    const { upstream, store } = this;
    return new Replica({ upstream, store, states, sha256, statement: (version) => signer.make(version) });
  }

  restart(): void {
    this.store = this.store.crash();
    this.replica = this.#start();
  }

  receive(message: Uint8Array): Buffer[] {
    return this.replica.receive(message, 1, 1000, 1_700_000_000_000);
  }

  control(message: LinkMessage): Buffer[] {
    return this.receive(encodeLink(message));
  }
}

/** Three replicas under the native orderer, led by hand. */
function system() {
  const nodes = ([1, 2, 3] as const).map((upstream) => new Node(upstream));
  const orderer = engine.createOrderer(orderingOptions());
  const client = orderer.addClient();
  const holdings: [number, Buffer][] = [];
  let logMs = 0;

  const lead = (epoch: number, first: boolean) => {
    const digest = nodes[0]?.replica.digest as Buffer;
    const position = nodes[0]?.replica.position ?? 0;
    for (const node of nodes) {
      node.control(first ? { type: "found", epoch, ask: 1, members: founders } : { type: "prepare", epoch, ask: 1 });
      for (const reply of node.control({
        type: "sync",
        stamp: Buffer.alloc(32),
        epoch,
        members: founders,
        position,
        digest,
      })) {
        const message = decodeLink(reply);
        if (message?.type === "holding") holdings.push([node.upstream, Buffer.from(message.statement)]);
        else assert.equal(message?.type, "synced");
      }
    }
    orderer.activate(epoch, position, digest, founders);
    for (const node of nodes) assert.ok(orderer.stream(node.upstream, position));
  };

  const propose = (upstream: number, statement: Buffer) => {
    const record = Buffer.alloc(REQUEST_BYTES);
    record[RequestField.kind] = Kind.statement;
    putU64(record, RequestField.durationMs, upstream);
    assert.ok(orderer.propose(record, statement));
  };

  /** Orders what is pending and carries the answers of `voters` back. */
  const pump = (voters: readonly Node[] = nodes) => {
    logMs += 10;
    assert.ok(orderer.nextBatch(logMs, 1_700_000_000_000) > 0);
    for (const node of nodes) {
      for (
        let append = orderer.takeAppend(node.upstream);
        append !== null;
        append = orderer.takeAppend(node.upstream)
      ) {
        if (!voters.includes(node)) continue;
        for (const reply of node.receive(append)) {
          if (reply[MessageField.type] === MessageType.vote) assert.equal(orderer.vote(node.upstream, reply), 0);
        }
      }
    }
    const alarm = orderer.takeEvent();
    assert.ok(alarm === null || alarm.type === "proposed", JSON.stringify(alarm));
  };

  const answers = (): Told[] => {
    const packet = orderer.takeClientMessage(client);
    if (packet === null) return [];
    const records = packet.readUInt32LE(MessageField.count) * RESULT_BYTES;
    const blobs = MESSAGE_HEADER_BYTES + records;
    return readAnswers({ records: packet.subarray(MESSAGE_HEADER_BYTES, blobs), blobs: packet.subarray(blobs) });
  };

  const ask = (...asked: readonly Asked[]) => {
    assert.equal(orderer.clientMessage(client, requestsPacket(...asked)), 0);
  };

  return { nodes, orderer, holdings, lead, propose, pump, answers, ask };
}

describe("replicas under the native orderer, with the license rules", () => {
  const session = sessionOf("a");
  const open = { kind: Kind.openSession, request: 1, session, blob: Buffer.alloc(5) };
  const access = (request: number) => ({
    kind: Kind.access,
    mode: 1,
    request,
    session,
    quantity: 1,
    firmCode: 6_000_010,
    productCode: 13,
  });

  function serving() {
    const made = system();
    made.lead(2, true);
    assert.equal(made.holdings.length, 3);
    for (const [upstream, statement] of made.holdings) {
      made.propose(upstream, statement);
      made.pump();
    }
    return made;
  }

  it("state what they hold, and grant what two of them hold", () => {
    const { pump, answers, ask, nodes } = serving();
    ask(open, access(2), access(3), access(4));
    pump();
    assert.deepEqual(
      answers().map(({ outcome, free }) => [outcome, free]),
      [
        ["ok", 0],
        ["ok", 1],
        ["ok", 0],
        ["no-free-license", 0],
      ],
    );
    const digests = new Set(nodes.map(({ replica }) => Buffer.from(replica.state.stateDigest).toString("hex")));
    assert.equal(digests.size, 1);
  });

  it("give the same answers again after all of them were killed and another leader took over", () => {
    const { pump, answers, ask, nodes, lead, orderer } = serving();
    ask(open, access(2));
    pump();
    const before = answers();
    for (const node of nodes) node.restart();
    orderer.deactivate();
    lead(5, false);
    ask(open, access(2), access(3));
    pump();
    const after = answers();
    assert.deepEqual(
      after.slice(0, 2).map(({ outcome, handle, request }) => [outcome, handle, request]),
      before.map(({ outcome, handle, request }) => [outcome, handle, request]),
    );
    assert.equal(after[2]?.outcome, "ok");
    assert.notEqual(after[2]?.handle, before[1]?.handle);
  });

  it("catch up by a repeated append after two of them carried without the third", () => {
    const { pump, answers, ask, nodes, orderer } = serving();
    const [first, second, third] = nodes as [Node, Node, Node];
    ask(open, access(2));
    pump([first, second]);
    assert.deepEqual(
      answers().map(({ outcome }) => outcome),
      ["ok", "ok"],
    );
    const behind = third.replica.position;
    orderer.resend(3, behind);
    ask(access(3));
    pump();
    assert.deepEqual(third.replica.digest, first.replica.digest);
    assert.deepEqual(third.replica.state.stateDigest, first.replica.state.stateDigest);
  });

  it("hand their state over as a snapshot", () => {
    const { pump, ask, nodes } = serving();
    ask(open, access(2));
    pump();
    const [donor] = nodes;
    assert.ok(donor !== undefined);
    const bytes = donor.replica.state.snapshot();
    const { position, digest } = donor.replica;
    const blank = new Node(2);
    const install = {
      type: "install",
      stateHash: Buffer.alloc(32),
      epoch: 9,
      position,
      digest,
      totalBytes: bytes.length,
      offset: 0,
      bytes,
    } as const;
    const [reply] = blank.control(install);
    assert.equal(decodeLink(reply as Buffer)?.type, "extended");
    blank.restart();
    assert.equal(blank.replica.position, position);
    assert.deepEqual(blank.replica.state.stateDigest, donor.replica.state.stateDigest);
    assert.deepEqual(Buffer.from(blank.replica.state.snapshot()), Buffer.from(bytes));
  });
});
