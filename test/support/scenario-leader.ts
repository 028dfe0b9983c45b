/** Acts out the stories of test/scenarios/leader: the production leader on an ordering that only records its calls. */

import type { UpstreamId } from "../../ts/tmr/choose.js";
import { Leader } from "../../ts/tmr/leader.js";
import { SyncStamps } from "../../ts/tmr/sync-stamps.js";
import type { LeaderAction, LeaderEvent, LeaderOrdering } from "../../ts/tmr/term.js";
import { BATCH_HEADER_BYTES, BatchField } from "../../ts/wire/batch.js";
import { putU64 } from "../../ts/wire/bytes.js";
import type { LinkMessage } from "../../ts/wire/link.js";
import { disk, memberNames, members, Names } from "./scenario-names.js";
import { type Stage, Words } from "./scenario-text.js";

const TIMING = { heartbeatMs: 200, suspectMs: 600, graceMs: 150 };
const BURST_BYTES = 1024;
const upstreams: readonly UpstreamId[] = [1, 2, 3];

/** An ordering without batches: positions are what the story says; calls become lines. */
class RecordedOrdering implements LeaderOrdering {
  position = 0;
  /** batches after this position are still kept */
  keptAfter = 0;
  readonly acknowledgedBy = new Map<number, number>();
  readonly #streamed = new Set<number>();
  readonly #names: Names;
  calls: string[] = [];

  constructor(names: Names) {
    this.#names = names;
  }

  activate(epoch: number, position: number, digest: Uint8Array, membersBytes: Uint8Array): void {
    this.position = position;
    this.keptAfter = position;
    this.acknowledgedBy.clear();
    this.#streamed.clear();
    const at = `position ${position}, digest ${this.#names.digestName(digest)}`;
    this.calls.push(`engine: activate epoch ${epoch}, ${at}, members ${memberNames(membersBytes)}`);
  }

  deactivate(): void {
    this.#streamed.clear();
    this.calls.push("engine: deactivate");
  }

  stream(upstream: number, after: number): boolean {
    const possible = after >= this.keptAfter && after <= this.position;
    if (possible) this.#streamed.add(upstream);
    this.calls.push(`engine: stream to ${upstream} after ${after}${possible ? "" : ": cannot"}`);
    return possible;
  }

  unstream(upstream: number): void {
    this.#streamed.delete(upstream);
    this.calls.push(`engine: unstream ${upstream}`);
  }

  /** The engine's own decision, not a call. */
  dropped(upstream: number): void {
    this.#streamed.delete(upstream);
  }

  get reached(): number {
    return upstreams.reduce<number>((bits, id) => bits | (this.#streamed.has(id) ? 1 << (id - 1) : 0), 0);
  }

  acknowledged(upstream: number): number {
    return this.acknowledgedBy.get(upstream) ?? 0;
  }

  resend(upstream: number, after: number): void {
    this.calls.push(`engine: resend to ${upstream} after ${after}`);
  }

  batchAt(position: number): Buffer | null {
    return position > this.keptAfter && position <= this.position ? Buffer.from([0]) : null;
  }
}

export class LeaderStage implements Stage {
  readonly #names = new Names();
  readonly #ordering = new RecordedOrdering(this.#names);
  readonly #stamps = new SyncStamps(Buffer.alloc(32));
  #leader: Leader | null = null;
  #nowMs = 0;
  #refusal: string | null = null;

  act(event: string): string[] {
    const words = new Words(event);
    if (words.skip("leader")) {
      const lines = this.#start(words);
      words.end();
      return lines;
    }
    const leader = this.#leader;
    if (leader === null) throw new Error("a story begins with a line that says whose leader it is");
    const atMs = words.time();
    if (atMs < this.#nowMs) throw new Error("time does not go back");
    this.#nowMs = atMs;
    const events = this.#events(words);
    words.end();
    this.#ordering.calls = [];
    const actions = events.flatMap((each) => leader.step(each, atMs));
    if (this.#refusal !== null) this.#ordering.calls.push(`is not done: ${this.#refusal}`);
    this.#refusal = null;
    return [...this.#ordering.calls, ...this.#inWords(actions), this.#state(leader)];
  }

  /** `leader of twin 0, used-epoch 2, founded`, or one that is at work: `…, active in epoch 4, position 14, digest A14`. */
  #start(words: Words): string[] {
    const twin = words.demand("of", "twin").number() === 0 ? 0 : 1;
    const active = words.skip("active");
    const epoch = active ? words.demand("in", "epoch").number() : words.numberField("used-epoch", 0);
    const founded = active || !words.skip("not");
    if (!active) words.demand("founded");
    const leader = new Leader({
      twin,
      ordering: this.#ordering,
      highestUsedEpoch: active ? epoch - 2 : epoch,
      founded,
      forgiven: 0,
      timing: TIMING,
      burstBytes: BURST_BYTES,
      stamps: this.#stamps,
      verifyMac: (batch) => !Buffer.from(batch).toString("utf8").endsWith("!"),
    });
    this.#leader = leader;
    if (!active) return [];
    const position = words.numberField("position");
    const digest = words.field("digest") ?? "";
    const synced = (words.field("upstreams") ?? "1,2,3").split(",");
    words.end();
    this.#takeOver(synced, `position ${position} digest ${digest}`);
    return [this.#state(leader)];
  }

  /** An uneventful takeover that ends at 0 ms. */
  #takeOver(upstreamNumbers: readonly string[], log: string): void {
    const step = (atMs: number, text: string) => {
      for (const event of this.#events(new Words(text))) this.#leader?.step(event, atMs);
    };
    step(-500, `upstreams ${upstreamNumbers.join(",")} connect`);
    step(-400, "lead");
    for (const id of upstreamNumbers) step(-300, `upstream ${id} promises logEpoch 2 ${log}`);
    step(-100, "tick");
    for (const id of upstreamNumbers) step(0, `upstream ${id} syncs ${log}`);
  }

  // ---- events ------------------------------------------------------------------------------------------------------

  #events(words: Words): LeaderEvent[] {
    const subject = words.take();
    switch (subject) {
      case "tick":
        return [{ type: "tick" }];
      case "lead":
        return [{ type: "lead", mark: words.skip("mark") ? this.#mark(words) : null }];
      case "stop":
        return [{ type: "stop" }];
      case "resume":
        return [{ type: "resume" }];
      case "loss":
        this.#leader?.forgive(words.demand("up", "to").number());
        return [];
      case "admit":
        return this.#admission(words);
      case "twin":
        words.demand("distrusts");
        return [{ type: "distrusted", incarnations: members(words.take()) }];
      case "engine":
        return this.#engineEvent(words);
      case "upstream":
      case "upstreams": {
        const ids = words.numbers() as UpstreamId[];
        const verb = words.take();
        if (ids.length > 1 && !verb.startsWith("connect") && !verb.startsWith("disconnect")) {
          throw new Error("several upstreams can only connect or disconnect in one line");
        }
        return ids.map((id) => this.#upstreamEvent(id, verb, words));
      }
      default:
        throw new Error(`nobody is called ${subject}`);
    }
  }

  /** Only what the leader allows, as an operator would be told. */
  #admission(words: Words): LeaderEvent[] {
    const which = words.skip("all") ? "all" : (words.demand("upstream").number() as UpstreamId);
    this.#refusal = this.#leader?.whyNotAdmit(which) ?? null;
    return this.#refusal === null ? [{ type: "admit", which }] : [];
  }

  #mark(words: Words) {
    const digest = this.#names.digest(words.field("digest") ?? "");
    return { epoch: words.numberField("epoch", 0), position: words.numberField("position"), digest };
  }

  #engineEvent(words: Words): LeaderEvent[] {
    switch (words.take()) {
      case "ordered":
        this.#ordering.position = words.demand("up", "to").number();
        return [];
      case "keeps":
        this.#ordering.keptAfter = words.demand("batches", "after").number();
        return [];
      case "drops":
        this.#ordering.dropped(words.demand("upstream").number());
        return [];
      case "carries": {
        const position = words.demand("checkpoint").numberField("position");
        return [{ type: "checkpointed", position, stateHash: this.#names.digest(words.field("hash") ?? "") }];
      }
      case "finds": {
        if (words.skip("votes")) return [{ type: "split", position: words.demand("split", "at").number() }];
        if (words.skip("position")) {
          const position = words.number();
          words.demand("missing");
          return [{ type: "missing", position }];
        }
        const upstream = words.demand("upstream").number() as UpstreamId;
        this.#ordering.dropped(upstream);
        return [{ type: "diverged", upstream, position: words.demand("odd", "at").number() }];
      }
      default:
        throw new Error("the engine does no such thing");
    }
  }

  #upstreamEvent(upstream: UpstreamId, verb: string, words: Words): LeaderEvent {
    switch (verb) {
      case "connect":
      case "connects":
        return { type: "connected", upstream };
      case "disconnect":
      case "disconnects":
        return { type: "disconnected", upstream };
      case "votes":
        this.#ordering.acknowledgedBy.set(upstream, words.demand("for").number());
        return { type: "voted", upstream };
      default:
        return { type: "message", upstream, message: this.#message(upstream, verb, words) };
    }
  }

  #message(upstream: UpstreamId, verb: string, words: Words): LinkMessage {
    const epoch = words.numberField("epoch", this.#leader?.epoch ?? 0);
    const number = (name: string, fallback?: number) => words.numberField(name, fallback);
    const digest = () => this.#names.digest(words.field("digest") ?? "none");
    const incarnation = disk(words.field("disk") ?? `${upstream}a`);
    switch (verb) {
      case "promises": {
        const times = { logStart: 1, logMs: 0, calendarMs: 0, clockMs: 0 };
        const log = { logEpoch: number("logEpoch"), position: number("position"), digest: digest() };
        const member = members(words.field("members") ?? "1a,2a,3a");
        const stateDigest = new Uint8Array(32);
        const stamp = words.skip("unstamped") ? stateDigest : this.#stamps.make(log.logEpoch, upstream, member);
        const ask = this.#leader?.peers[upstream].ask ?? 0;
        return { type: "promise", epoch, ask, incarnation, members: member, stamp, stateDigest, ...log, ...times };
      }
      case "is":
        if (words.skip("blank")) return { type: "blank", epoch, incarnation };
        words.demand("behind");
        return { type: "behind", epoch, logEpoch: number("logEpoch"), position: number("position"), digest: digest() };
      case "refuses":
        return { type: "refused", epoch, promised: number("promised") };
      case "syncs":
        return { type: "synced", epoch, incarnation, position: number("position"), digest: digest() };
      case "knows":
        return { type: "probed", epoch, position: number("position"), known: 1, digest: digest() };
      case "lacks":
        return { type: "probed", epoch, position: number("position"), known: 0, digest: new Uint8Array(32) };
      case "gives":
        return this.#given(epoch, words);
      case "took":
        return {
          type: "extended",
          epoch,
          position: number("position", 0),
          digest: digest(),
          offset: number("offset", 0),
        };
      case "pongs": {
        const blank = words.skip("blank") ? 1 : 0;
        const leaderConnected = number("connected", 1);
        const log = { logEpoch: number("logEpoch", 0), position: number("position", 0), digest: digest() };
        const heard = { silentMs: number("silentMs", 0), leaderConnected };
        return { type: "pong", promised: number("promised"), clockMs: 0, blank, ...log, ...heard };
      }
      default:
        throw new Error(`upstreams do not know how to "${verb}"`);
    }
  }

  #given(epoch: number, words: Words): LinkMessage {
    if (words.skip("snapshot")) {
      const [position, offset] = [words.numberField("position"), words.numberField("offset", 0)];
      const digest = this.#names.digest(words.field("digest") ?? "");
      const [bytes, totalBytes] = [Buffer.alloc(words.numberField("bytes")), words.numberField("of")];
      return { type: "snapshot", epoch, position, digest, totalBytes, offset, bytes };
    }
    const after = words.demand("entries").numberField("after");
    const list = words.field("batches") ?? "none";
    const batches = list === "none" ? [] : list.split(",").map((name) => this.#batch(name));
    return { type: "entries", epoch, after, position: words.numberField("end", after + batches.length), batches };
  }

  /** `A15`, or `A15(4:14/15/0)`: of epoch 4, when the upstreams had acknowledged 14, 15 and nothing. */
  #batch(name: string): Buffer {
    const marks = /\((\d+):(\d+)\/(\d+)\/(\d+)\)$/.exec(name)?.slice(1).map(Number);
    if (marks === undefined) return Buffer.from(name);
    const batch = Buffer.alloc(BATCH_HEADER_BYTES);
    putU64(batch, BatchField.epoch, marks[0] ?? 0);
    for (const upstream of upstreams) putU64(batch, BatchField.acknowledged + 8 * (upstream - 1), marks[upstream] ?? 0);
    this.#names.nameBatch(name, batch);
    return batch;
  }

  // ---- what came of it ---------------------------------------------------------------------------------------------

  #inWords(actions: readonly LeaderAction[]): string[] {
    const lines: string[] = [];
    let to: UpstreamId[] = [];
    let said = "";
    for (const action of actions) {
      if (action.type === "send") {
        const words = this.#names.inWords(action.message);
        const another = words === said && !to.includes(action.upstream);
        if (another) lines.pop();
        to = another ? [...to, action.upstream] : [action.upstream];
        said = words;
        lines.push(`to ${to.join(",")}: ${said}`);
      } else {
        said = "";
        lines.push(this.#actionInWords(action));
      }
    }
    return lines;
  }

  #actionInWords(action: Exclude<LeaderAction, { type: "send" }>): string {
    switch (action.type) {
      case "use-epoch":
        return `durable: used epoch ${action.epoch}`;
      case "founded":
        return "durable: founded";
      case "active":
        return `says: active in epoch ${action.epoch} from position ${action.from.position}`;
      case "suspended":
        return `says: epoch ${action.epoch} is suspended`;
      case "checkpoint":
        return "orders a checkpoint";
      case "stopped":
        return "says: stopped";
      case "fenced":
        return `says: fenced, ${action.promised} is promised`;
      case "alarm": {
        const where = "position" in action ? ` at ${action.position}` : "";
        return `alarm: ${action.alarm}${"upstream" in action ? ` upstream ${action.upstream}` : ""}${where}`;
      }
      default:
        return action satisfies never;
    }
  }

  #state(leader: Leader): string {
    const peers = upstreams.map((id) => `${id} ${leader.peers[id].phase}`).join(", ");
    const promised = Math.max(...upstreams.map((id) => leader.peers[id].promised));
    const above = promised > leader.epoch ? `; sees epoch ${promised}` : "";
    return `= ${leader.phase}, epoch ${leader.epoch}, ${leader.hasQuorum ? "quorum" : "no quorum"}; ${peers}${above}`;
  }
}
