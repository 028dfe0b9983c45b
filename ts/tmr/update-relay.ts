/**
 * Activation of a TMR system: contexts and updates pass between whoever commands this server and the upstreams. Nothing
 * is decided here about their content; what is decided is when: an update begins only while all three count.
 */
import type { System } from "../config/system.js";
import type { Gateway } from "../engine/types.js";
import { type ErrorCode, errorCodes, TmrError } from "../errors.js";
import { SIGNATURE_BYTES } from "../license/statement.js";
import { successionBlob, type Voucher } from "../license/succession.js";
import { Kind } from "../wire/kinds.js";
import { encodeLink, type LinkMessageOf } from "../wire/link.js";
import type { SystemRecord } from "../wire/system-record.js";
import { type UpstreamId, upstreamIds } from "./choose.js";
import type { TmrCore } from "./core.js";
import type { RelayedReply } from "./core-ports.js";

/** What an upstream is asked about its containers folder and its system.toml. */
type RelayedQuestion = "askContext" | "update" | "vouch";

/** What an upstream says of its containers, and how it stands. */
export interface UpstreamContext {
  readonly upstream: UpstreamId;
  /** compact JWS; empty with a fault */
  readonly context: string;
  /** why there is none */
  readonly fault: string;
  /** it votes, and what its containers hold is stated and carried */
  readonly counts: boolean;
}

export interface UpdateRelayPorts {
  readonly name: (upstream: UpstreamId) => string;
  /** null: it takes part and votes; else what it is instead */
  whyNotCounting(upstream: UpstreamId): string | null;
  /** null: this server is active with a quorum; else why not */
  whyNotServing(): string | null;
  /** highest position that two upstreams have */
  carried(): number;
  send(upstream: UpstreamId, message: LinkMessageOf<RelayedQuestion>): void;
}

/** The relay of a TMR server process. */
export function updateRelay(
  core: Pick<TmrCore, "role" | "leader">,
  gateway: Pick<Gateway, "carried" | "sendControl">,
  system: Pick<System, "upstreams">,
  server: { faultText(fault: "not-active" | "no-quorum"): string; sent(): void },
): UpdateRelay {
  const phaseOf = (upstream: UpstreamId) => core.leader.peers[upstream].phase;
  return new UpdateRelay({
    name: (upstream) => system.upstreams[upstream - 1]?.name ?? "",
    whyNotCounting: (upstream) => (phaseOf(upstream) === "streaming" ? null : phaseOf(upstream)),
    whyNotServing: () => {
      if (core.role !== "active") return server.faultText("not-active");
      return core.leader.hasQuorum ? null : server.faultText("no-quorum");
    },
    carried: () => gateway.carried,
    send: (upstream, message) => {
      gateway.sendControl(upstream, encodeLink(message));
      server.sent();
    },
  });
}

type Reply = LinkMessageOf<RelayedReply>;

interface Waiting {
  readonly upstream: UpstreamId;
  readonly untilMs: number;
  readonly settle: (reply: Reply | null) => void;
}

/** An upstream that does not answer for so long is not waited for; below the life of a control connection. */
const PATIENCE_MS = 4_000;

export class UpdateRelay {
  readonly #ports: UpdateRelayPorts;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  constructor(ports: UpdateRelayPorts) {
    this.#ports = ports;
  }

  /** Asks all three. Rejects with ERR_TMR_STATE when this server does not serve. */
  contexts(nowMs: number): Promise<UpstreamContext[]> {
    const why = this.#ports.whyNotServing();
    if (why !== null) return Promise.reject(new TmrError("ERR_TMR_STATE", why));
    return Promise.all(upstreamIds.map((upstream) => this.#context(upstream, nowMs)));
  }

  /** Has one upstream import an update. Rejects with the reason; then nothing was changed, unless it is a time-out. */
  async apply(upstream: UpstreamId, update: string, nowMs: number): Promise<"applied" | "there"> {
    const why = this.#ports.whyNotServing() ?? this.#whyNotAll();
    if (why !== null) throw new TmrError("ERR_TMR_STATE", why);
    const bytes = Buffer.from(update);
    const reply = await this.#ask(upstream, nowMs, (ask) => ({ type: "update", ask, update: bytes }));
    if (reply?.type !== "updated") throw this.#silent(upstream);
    if (reply.outcome < 2) return reply.outcome === 0 ? "applied" : "there";
    const [code = "", ...words] = Buffer.from(reply.text).toString("utf8").split(" ");
    const known = Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : "ERR_TMR_ACTIVATION";
    throw new TmrError(known, `${this.#ports.name(upstream)}: ${words.join(" ")}`);
  }

  /**
   * The record by which a new machine takes the place of an upstream: both others vouch for the key that their system.toml
   * names. Rejects with ERR_TMR_STATE and the reason of the one that does not.
   */
  async succession(upstream: UpstreamId, key: Uint8Array, nowMs: number): Promise<SystemRecord> {
    const why = this.#ports.whyNotServing();
    if (why !== null) throw new TmrError("ERR_TMR_STATE", why);
    const others = upstreamIds.filter((id) => id !== upstream);
    const vouchers = await Promise.all(others.map((id) => this.#voucher(id, upstream, key, nowMs)));
    return { kind: Kind.succession, durationMs: upstream, blob: successionBlob(key, vouchers) };
  }

  async #voucher(by: UpstreamId, upstream: UpstreamId, key: Uint8Array, nowMs: number): Promise<Voucher> {
    const reply = await this.#ask(by, nowMs, (ask) => ({ type: "vouch", ask, upstream, key }));
    if (reply?.type !== "vouched") throw this.#silent(by);
    if (reply.signature.length === SIGNATURE_BYTES) return { upstream: by, signature: Buffer.from(reply.signature) };
    throw new TmrError("ERR_TMR_STATE", Buffer.from(reply.fault).toString("utf8"));
  }

  /** An upstream has answered. */
  received(upstream: UpstreamId, reply: Reply): void {
    const waiting = this.#waiting.get(reply.ask);
    if (waiting?.upstream !== upstream) return;
    this.#waiting.delete(reply.ask);
    // Copied: the bytes are views on a message that is gone after this turn.
    waiting.settle(structuredClone(reply));
  }

  /** Ends those that have waited long enough. */
  tick(nowMs: number): void {
    for (const [ask, { untilMs, settle }] of this.#waiting) {
      if (nowMs < untilMs) continue;
      this.#waiting.delete(ask);
      settle(null);
    }
  }

  async #context(upstream: UpstreamId, nowMs: number): Promise<UpstreamContext> {
    const away = this.#ports.whyNotCounting(upstream);
    const none = { upstream, context: "", counts: false };
    if (away === "down") return { ...none, fault: `${this.#ports.name(upstream)} is down` };
    const reply = await this.#ask(upstream, nowMs, (ask) => ({ type: "askContext", ask }));
    if (reply?.type !== "contextIs") return { ...none, fault: this.#silent(upstream).message };
    const fault = Buffer.from(reply.fault).toString("utf8");
    const isStated = reply.stated === 1 && this.#ports.carried() >= reply.position;
    const counts = isStated && this.#ports.whyNotCounting(upstream) === null;
    return { upstream, context: Buffer.from(reply.context).toString("utf8"), fault, counts };
  }

  #ask(
    upstream: UpstreamId,
    nowMs: number,
    message: (ask: number) => LinkMessageOf<RelayedQuestion>,
  ): Promise<Reply | null> {
    const ask = this.#next;
    this.#next = (this.#next % 0xffff_ffff) + 1;
    return new Promise((settle) => {
      this.#waiting.set(ask, { upstream, untilMs: nowMs + PATIENCE_MS, settle });
      this.#ports.send(upstream, message(ask));
    });
  }

  #whyNotAll(): string | null {
    for (const id of upstreamIds) {
      const state = this.#ports.whyNotCounting(id);
      if (state === null) continue;
      return `${this.#ports.name(id)} is ${state}: an update is applied only while all three upstreams count`;
    }
    return null;
  }

  #silent(upstream: UpstreamId): TmrError {
    const name = this.#ports.name(upstream);
    return new TmrError("ERR_TMR_TIMEOUT", `${name} did not answer within ${PATIENCE_MS / 1_000} s; ask again`);
  }
}
