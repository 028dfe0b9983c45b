/** One table of seats that keeps exactly-once as the real system does, without upstreams: what small test servers share. */
import { Kind, Status } from "../../ts/wire/kinds.js";
import type { Result } from "../../ts/wire/result.js";
import { LEASE, type Reply, type SentRequest } from "./client-scenario.js";

/** A reply that says what it answers. */
export type FullReply = Reply & Pick<Result, "kind" | "request" | "session">;

/** What both twins serve. */
export class FakeSeats {
  readonly total: number;
  readonly taken = new Map<number, string>();
  readonly #sessions = new Map<string, Map<number, FullReply>>();
  /** requests executed, repetitions not counted */
  executed = 0;
  #nextHandle = 1;
  #position = 0;

  constructor(total: number) {
    this.total = total;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** As after a session time-out. */
  forgetSessions(): void {
    this.#sessions.clear();
    this.taken.clear();
  }

  execute(request: SentRequest): FullReply {
    const base = { kind: request.kind, request: request.number, session: request.session };
    const session = request.session.toString("hex");
    if (request.kind === Kind.openSession && !this.#sessions.has(session)) this.#sessions.set(session, new Map());
    const stored = this.#sessions.get(session);
    if (stored === undefined) return { ...base, status: Status["session-unknown"] };
    let reply = stored.get(request.number);
    if (reply === undefined) {
      this.executed++;
      reply = {
        ...base,
        ...LEASE,
        mark: ++this.#position,
        markProof: Buffer.alloc(8, 1),
        ...this.#outcome(request, session),
      };
      stored.set(request.number, reply);
    }
    if (request.kind === Kind.closeSession) this.#sessions.delete(session);
    return reply;
  }

  #outcome(request: SentRequest, session: string): Reply {
    const item = { firmCode: 6_000_010, productCode: 13, itemRef: 1, mask: 131, serial: 5, total: this.total };
    switch (request.kind) {
      case Kind.access: {
        if (this.taken.size >= this.total) {
          return { status: Status["no-free-license"], text: `all ${this.total} licenses are in use` };
        }
        const handle = this.#nextHandle++;
        this.taken.set(handle, session);
        return { ...item, handle, quantity: 1, free: this.total - this.taken.size };
      }
      case Kind.release:
        return this.taken.delete(request.handle) ? { handle: request.handle } : { status: Status["handle-unknown"] };
      case Kind.info:
        if (!this.taken.has(request.handle)) return { status: Status["handle-unknown"] };
        return { ...item, handle: request.handle, quantity: 1, free: this.total - this.taken.size };
      case Kind.closeSession:
        for (const [handle, owner] of this.taken) if (owner === session) this.taken.delete(handle);
        return {};
      case Kind.containers:
        return { text: JSON.stringify([{ container: "131-5", kind: "virtual", items: 2, sessions: 1, handles: 0 }]) };
      default:
        return {};
    }
  }
}
