/**
 * What the active server itself puts into the log: holding statements of upstreams (protocol.md rule 9) and the records
 * that end silent sessions (rule 10). The state machine judges both; proposing one twice changes nothing.
 */

import type { UpstreamId } from "../config/system.js";
import type { Ordering } from "../engine/types.js";
import { getU64 } from "../wire/bytes.js";
import { Kind } from "../wire/kinds.js";
import { REQUEST_BYTES, writeRequest } from "../wire/request.js";
import { ResultField } from "../wire/result.js";
import { Commands } from "./commands.js";

const NO_SESSION = Buffer.alloc(16);
/** Even with nothing due soon, so that the log time an idle system has reached is not lost with the server. */
const MAX_EXPIRE_INTERVAL_MS = 30_000;
const MIN_EXPIRE_INTERVAL_MS = 250;

export class Proposals {
  /** What whoever runs this server has asked for. */
  readonly commands: Commands;
  readonly #ordering: Pick<Ordering, "propose">;
  /** No session can time out sooner than this after it was opened. */
  #minTimeoutMs: number;
  readonly #statements = new Map<UpstreamId, Buffer>();
  #expireAtLogMs = 0;
  #expireUnderWay = false;
  #checkpointWanted = false;

  constructor(ordering: Pick<Ordering, "propose">, minTimeoutMs: number) {
    this.commands = new Commands(ordering);
    this.#ordering = ordering;
    this.#minTimeoutMs = minTimeoutMs;
  }

  /** A new epoch: what was under way may not have been carried. */
  restart(): void {
    this.commands.restart();
    this.#expireUnderWay = false;
    this.#checkpointWanted = false;
    this.#expireAtLogMs = 0;
  }

  /** The shortest time-out is another one from now on. */
  minTimeout(ms: number): void {
    this.#minTimeoutMs = ms;
    this.hurry();
  }

  /** Something is to be ordered at once, whatever it is. */
  hurry(): void {
    this.#expireAtLogMs = 0;
  }

  /** An upstream stated what it holds; the newest statement of each is proposed. */
  statement(upstream: UpstreamId, statement: Buffer): void {
    this.#statements.set(upstream, statement);
  }

  /** An upstream needs a snapshot whose content two others have voted on. */
  checkpoint(): void {
    this.#checkpointWanted = true;
  }

  /** Proposes what is due; to be called before each batch. */
  propose(logMs: number): void {
    for (const [upstream, statement] of this.#statements) {
      const record = Buffer.alloc(REQUEST_BYTES);
      const head = { kind: Kind.statement, request: 0, session: NO_SESSION, durationMs: upstream };
      writeRequest(record, 0, head, 0, statement.length);
      if (this.#ordering.propose(record, statement)) this.#statements.delete(upstream);
    }
    if (this.#checkpointWanted) this.#checkpointWanted = !this.#proposeBare(Kind.checkpoint);
    this.commands.propose();
    if (this.#expireUnderWay || logMs < this.#expireAtLogMs) return;
    this.#expireUnderWay = this.#proposeBare(Kind.expire);
    this.#expireAtLogMs = logMs + MAX_EXPIRE_INTERVAL_MS;
  }

  #proposeBare(kind: number): boolean {
    const record = Buffer.alloc(REQUEST_BYTES);
    writeRequest(record, 0, { kind, request: 0, session: NO_SESSION });
    return this.#ordering.propose(record, Buffer.alloc(0));
  }

  /** A proposal was carried: an expire says when the next session times out, a command's asker gets its result. */
  carried(record: Buffer, blob: Uint8Array): void {
    this.commands.carried(record, blob);
    if (record.readUInt8(ResultField.kind) !== Kind.expire) return;
    this.#expireUnderWay = false;
    const nextMs = getU64(record, ResultField.nextExpiryMs);
    const doneAtMs = this.#expireAtLogMs - MAX_EXPIRE_INTERVAL_MS;
    // A session opened after that answer cannot time out before its shortest time-out has passed.
    const soonestMs = doneAtMs + Math.min(this.#minTimeoutMs, MAX_EXPIRE_INTERVAL_MS);
    const dueMs = nextMs === 0 ? soonestMs : Math.min(nextMs, soonestMs);
    this.#expireAtLogMs = Math.max(dueMs, doneAtMs + MIN_EXPIRE_INTERVAL_MS);
  }
}
