/**
 * Acts out the stories of test/scenarios/replica: the production replica on a store in memory, with real batches in a
 * real chain. The license state only counts: what a replica promises and adopts does not depend on licenses.
 */
import { MemoryStore } from "../../ts/store/memory-store.js";
import { StoreDamageError } from "../../ts/store/store.js";
import { Replica } from "../../ts/upstream/replica.js";
import { previousDigest } from "../../ts/wire/batch.js";
import { decodeLink, encodeLink, type LinkMessage } from "../../ts/wire/link.js";
import { MessageField, MessageType } from "../../ts/wire/message.js";
import { appendOf, batchAfter, countingStates, decodeVote, type Entry, genesisDigest, sha256 } from "./replica-kit.js";
import { disk, diskName, memberNames, members, Names } from "./scenario-names.js";
import { type Stage, Words } from "./scenario-text.js";

const UPSTREAM = 1;
const CLOCK_MS = 1_700_000_000_000;
const MAX_BYTES = 4096;
/** Both twins' links; the number of a twin's link is one more than the twin's. */
const LINKS = [1, 2];

export class ReplicaStage implements Stage {
  readonly #names = new Names();
  readonly #entries = new Map<string, Entry>();
  #store: MemoryStore | null = null;
  #replica: Replica | null = null;
  #disks = -1;
  #everyBatches = 10_000;
  #keepBatches = 1_000;
  #holds: string | null = null;

  constructor() {
    this.#names.define("genesis", genesisDigest);
  }

  act(event: string): string[] {
    const words = new Words(event);
    if (words.skip("replica")) {
      this.#start(words);
      return [this.#state()];
    }
    if (words.skip("batches")) {
      this.#define(words);
      return [];
    }
    const nowMs = words.time();
    const lines = this.#happens(words, nowMs);
    words.end();
    return [...lines, this.#state()];
  }

  #start(words: Words): void {
    this.#everyBatches = words.numberField("snapshot-every", this.#everyBatches);
    this.#keepBatches = words.numberField("keeping", this.#keepBatches);
    words.end();
    this.#newDisk();
  }

  #run(): void {
    const statement = (version: number) => {
      if (this.#holds === null) return null;
      const payload = Buffer.from(JSON.stringify({ holds: this.#holds, version }));
      return { bytes: payload, payloadDigest: sha256(payload) };
    };
    this.#replica = new Replica({
      upstream: UPSTREAM,
      store: this.#theStore,
      states: countingStates,
      sha256,
      statement,
      snapshots: { everyBatches: this.#everyBatches, everyBytes: 1e9, keepBatches: this.#keepBatches },
    });
    for (const link of LINKS) this.#replica.connected(link);
  }

  /** `batches A1-A3 epoch 2 after genesis`: a chain of batches, and the digests behind them under the same names. */
  #define(words: Words): void {
    const [first = "", last = first] = words.take().split("-");
    const epoch = words.numberField("epoch");
    const carried = words.numberField("carried", 0);
    const after = words.field("after") ?? "genesis";
    words.end();
    const letter = first.replace(/\d+$/, "");
    let previous = after === "genesis" ? null : this.#entry(after);
    for (let n = digits(first); n <= digits(last); n++) {
      const entry = batchAfter(previous, { epoch, carried, salt: letter.charCodeAt(0) });
      if (entry.position !== n) throw new Error(`${letter}${n} would stand at position ${entry.position}`);
      this.#entries.set(`${letter}${n}`, entry);
      this.#names.define(`${letter}${n}`, entry.digest, entry.batch);
      previous = entry;
    }
  }

  #happens(words: Words, nowMs: number): string[] {
    const subject = words.take();
    if (subject === "disk") {
      words.demand("is", "replaced");
      this.#newDisk();
      return [];
    }
    if (subject === "crash") {
      this.#store = this.#theStore.crash();
      this.#run();
      return [];
    }
    if (subject === "containers") {
      this.#holds = words.demand("hold").take();
      this.#theReplica.containersChanged();
      return [];
    }
    if (subject !== "twin") throw new Error(`nobody is called ${subject}`);
    const link = words.number() + 1;
    const verb = words.take();
    if (verb === "disconnects") this.#theReplica.disconnected(link);
    if (verb === "connects") this.#theReplica.connected(link);
    if (verb.endsWith("connects")) return [];
    const message = verb === "appends" ? appendOf(this.#entry(words.take())) : encodeLink(this.#message(verb, words));
    const before = this.#theReplica.counters();
    const replies = this.#answers(message, link, nowMs);
    if (replies.length > 0) return replies;
    const after = this.#theReplica.counters();
    if (after.malformed > before.malformed) return ["no answer: malformed"];
    return [after.unexpected > before.unexpected ? "no answer: no honest leader says that" : "no answer"];
  }

  /** A store that says it is damaged is set aside as the upstream process does it: a new, blank one takes its place. */
  #answers(message: Uint8Array, link: number, nowMs: number): string[] {
    try {
      return this.#theReplica.receive(message, link, nowMs, CLOCK_MS).map((reply) => this.#inWords(reply));
    } catch (error) {
      if (!(error instanceof StoreDamageError)) throw error;
      this.#newDisk();
      return ["the store is set aside, a new one takes its place, the links break"];
    }
  }

  #newDisk(): void {
    const incarnation = disk(`${UPSTREAM}${"abcdefgh".charAt(++this.#disks)}`);
    this.#store = new MemoryStore({ upstream: UPSTREAM, genesisDigest, incarnation });
    this.#run();
  }

  #message(verb: string, words: Words): LinkMessage {
    const epoch = words.numberField("epoch", 0);
    const digest = () => this.#names.digest(words.field("digest") ?? "genesis");
    switch (verb) {
      case "prepares":
        return { type: "prepare", epoch, ask: 1 };
      case "founds":
        return { type: "found", epoch, ask: 1, members: members(words.field("members") ?? "") };
      case "probes":
        return { type: "probe", epoch, position: words.numberField("position") };
      case "fetches":
        return {
          type: "fetch",
          epoch,
          after: words.numberField("after"),
          offset: words.numberField("offset", 0),
          maxBytes: words.numberField("most", MAX_BYTES),
        };
      case "extends": {
        const list = words.field("batches") ?? "";
        const batches = list.split(",").map((name) => this.#entry(name).batch);
        return { type: "extend", epoch, after: words.numberField("after"), afterDigest: digest(), batches };
      }
      case "installs":
        return this.#install(epoch, words);
      case "syncs":
        return {
          type: "sync",
          epoch,
          members: members(words.field("members") ?? "1a,2a,3a"),
          stamp: Buffer.alloc(32, 7),
          position: words.numberField("position"),
          digest: digest(),
        };
      case "resets":
        return { type: "reset", epoch, incarnation: disk(words.field("disk") ?? "1a") };
      case "pings":
        return { type: "ping", epoch };
      default:
        throw new Error(`a TMR server does not know how to "${verb}"`);
    }
  }

  /** `installs snapshot A4 part 1/2`: the license state behind A4, cut into parts of equal length. */
  #install(epoch: number, words: Words): LinkMessage {
    const name = words.demand("snapshot").take();
    const [part = 1, parts = 1] = (words.field("part") ?? "1/1").split("/").map(Number);
    const whole = this.#snapshot(name);
    const size = Math.ceil(whole.length / parts);
    const offset = (part - 1) * size;
    const { position, digest } = this.#entry(name);
    const bytes = whole.subarray(offset, offset + size);
    const stateHash = words.skip("voted") ? sha256(whole) : words.skip("forged") ? sha256() : Buffer.alloc(32);
    return { type: "install", epoch, position, digest, stateHash, totalBytes: whole.length, offset, bytes };
  }

  #snapshot(name: string): Uint8Array {
    const chain = [this.#entry(name)];
    for (let first = chain[0]; first !== undefined && first.position > 1; first = chain[0]) {
      const previous = previousDigest(first.batch);
      const before = [...this.#entries.values()].find(({ digest }) => digest.equals(previous));
      if (before === undefined) throw new Error(`the chain before ${name} is not defined`);
      chain.unshift(before);
    }
    const state = countingStates.create();
    for (const { batch } of chain) state.apply(batch);
    return state.snapshot();
  }

  // ---- what came of it ---------------------------------------------------------------------------------------------

  #inWords(reply: Buffer): string {
    if (reply[MessageField.type] === MessageType.vote) {
      const { epoch, position, digest, incarnation, results } = decodeVote(reply);
      const what = `position ${position}, digest ${this.#names.digestName(digest)}, disk ${diskName(incarnation)}`;
      return `answers vote epoch ${epoch}, ${what}${results.length === 0 ? ", results no longer kept" : ""}`;
    }
    const message = decodeLink(reply);
    if (message === null) throw new Error("a reply is not a message");
    return `answers ${this.#names.inWords(message)}`;
  }

  #state(): string {
    const { promised, logEpoch, blank, members: named } = this.#theStore.meta();
    const { firstPosition, lastPosition } = this.#theStore;
    const snapshot = this.#theStore.snapshot();
    const kept = snapshot === null ? "" : `snapshot at ${snapshot.position}, `;
    const log = firstPosition > lastPosition ? "no batch" : `batches ${firstPosition} to ${lastPosition}`;
    const end = `log ends at ${lastPosition} ${this.#names.digestName(this.#theStore.lastDigest())}`;
    const who = blank ? "blank" : `members ${memberNames(named)}`;
    return `= promised ${promised}, logEpoch ${logEpoch}; ${end} (${kept}${log}); ${who}`;
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new Error(`no batch is called ${name}`);
    return entry;
  }

  get #theStore(): MemoryStore {
    if (this.#store === null) throw new Error("a story begins with a line that says what the replica is");
    return this.#store;
  }

  get #theReplica(): Replica {
    if (this.#replica === null) throw new Error("a story begins with a line that says what the replica is");
    return this.#replica;
  }
}

function digits(name: string): number {
  return Number(/\d+$/.exec(name)?.[0] ?? Number.NaN);
}
