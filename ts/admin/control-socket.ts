/**
 * The control socket of a server process: what an operator may ask of it, for whoever owns the state folder.
 * It is also the folder's lock: a second server with the same folder finds it answering and does not start.
 */
import { lstatSync, mkdirSync, unlinkSync } from "node:fs";
import { createServer, type Server, Socket } from "node:net";
import { type ErrorCode, TmrError } from "../errors.js";
import type { ServerStatus } from "../wire/server-status.js";
import type { SystemAnswer, SystemRecord } from "../wire/system-record.js";
import {
  type Admitted,
  type AppliedAnswer,
  type Begun,
  type ContextsAnswer,
  type ControlFault,
  controlSocketPath,
  type Done,
  type Health,
  MAX_REQUEST_BYTES,
  type ProposedAnswer,
  type ShownContext,
} from "./control-protocol.js";
import { EXPECTED, parseRequest, recordOf, shownAnswer } from "./control-requests.js";

/** What a control socket commands. */
export interface ControlTarget {
  status(): Pick<ServerStatus, "role" | "phase" | "quorum" | "upstreams"> & {
    readonly peer?: ServerStatus["peer"];
  };
  takeOver(): void;
  /** Hands over to the twin; rejects with a TmrError that says why it is not active. */
  switchOver(): Promise<void>;
  /** Null when the admission has begun, else a sentence that says why not. */
  admit(which: Admitted): string | null;
  /** Null when a server that had stopped takes part again, else why not. */
  resume(): string | null;
  /** Has a record ordered; resolves to its voted result, rejects with a TmrError when it is not known to have been. */
  propose(record: SystemRecord): Promise<SystemAnswer>;
  /** The containers of its upstreams; left out: a server without upstreams. Both reject with a TmrError. */
  readonly updates?: {
    contexts(): Promise<readonly ShownContext[]>;
    apply(upstream: 1 | 2 | 3, update: string): Promise<"applied" | "there">;
    /** The machine with this signing key, which system.toml names, takes the place of an upstream; its voted result. */
    replace(upstream: 1 | 2 | 3, key: string): Promise<SystemAnswer>;
  };
}

type Answer = Health | Begun | Done | ProposedAnswer | ContextsAnswer | AppliedAnswer | ControlFault;

const MAX_CONNECTIONS = 16;
/** How long a connection may live, from its first moment. */
const CONNECTION_MS = 5_000;
const NEWLINE = 0x0a;

export class ControlSocket {
  readonly path: string;
  readonly #connectionMs: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: ControlTarget | null = null;

  private constructor(path: string, connectionMs: number) {
    this.path = path;
    this.#connectionMs = connectionMs;
    // A client may half-close behind its request: the answer goes out first.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /**
   * Listens in the state folder, which is made when it is not there; requests are refused until a target is attached. The
   * socket file that a killed process left behind is replaced. Throws ERR_TMR_LISTEN when another process answers
   * on it or its path is too long, ERR_TMR_FILE when the folder cannot be made.
   */
  static async open(stateFolder: string, connectionMs: number = CONNECTION_MS): Promise<ControlSocket> {
    const path = controlSocketPath(stateFolder, "ERR_TMR_LISTEN");
    try {
      mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new TmrError("ERR_TMR_FILE", `${stateFolder}: cannot be made: ${(cause as Error).message}`, { cause });
    }
    await removeStale(path);
    const socket = new ControlSocket(path, connectionMs);
    await socket.#listen();
    return socket;
  }

  /** Whom requests go to from now on; null while the server starts or stops. */
  attach(target: ControlTarget | null): void {
    this.#target = target;
  }

  /** Closes every connection and removes the socket file. */
  close(): Promise<void> {
    this.#target = null;
    for (const socket of this.#sockets) socket.destroy();
    // Closing removes the file as well.
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (cause: Error): void => reject(listenError(this.path, cause.message, cause));
      this.#server.once("error", fail);
      // The file is made within the call: with this mask it is never open to others, not even for a moment.
      const mask = process.umask(0o177);
      try {
        this.#server.listen({ path: this.path }, () => {
          this.#server.off("error", fail);
          // A connection that cannot be accepted, for want of descriptors, is its client's to try again.
          this.#server.on("error", () => {});
          resolve();
        });
      } finally {
        process.umask(mask);
      }
    });
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    const timer = setTimeout(() => socket.destroy(), this.#connectionMs);
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
    });
    const received: Buffer[] = [];
    let length = 0;
    let answered = false;
    const answer = (what: Answer): void => {
      answered = true;
      socket.end(`${JSON.stringify(what)}\n`, () => socket.destroy());
    };
    socket.on("data", (chunk: Buffer) => {
      if (answered) return;
      const end = chunk.indexOf(NEWLINE);
      received.push(end < 0 ? chunk : chunk.subarray(0, end));
      length += end < 0 ? chunk.length : end + 1;
      if (length > MAX_REQUEST_BYTES) {
        answer(fault("ERR_TMR_PROTOCOL", `${EXPECTED}, received more than ${MAX_REQUEST_BYTES} bytes`));
      } else if (end >= 0) {
        answered = true;
        void this.#answerTo(Buffer.concat(received)).then(answer);
      }
    });
    socket.on("end", () => {
      if (!answered) answer(fault("ERR_TMR_PROTOCOL", `${EXPECTED}, received no whole line`));
    });
  }

  async #answerTo(line: Buffer): Promise<Answer> {
    const request = parseRequest(line);
    if (request === null) return fault("ERR_TMR_PROTOCOL", `${EXPECTED}, received something else`);
    const target = this.#target;
    if (target === null) return fault("ERR_TMR_STATE", "the server is starting or stopping");
    switch (request.command) {
      case "health":
        return healthOf(target);
      case "take-over": {
        const { role } = target.status();
        if (role === "stopping" || role === "stopped") return fault("ERR_TMR_STATE", `the server is ${role}`);
        target.takeOver();
        return { begun: true };
      }
      case "switch-over":
        return answered(async () => {
          await target.switchOver();
          return { done: true };
        });
      case "admit":
        return begunUnless(target.admit(request.upstream));
      case "resume":
        return begunUnless(target.resume());
      case "propose":
        return answered(async () => shownAnswer(await target.propose(recordOf(request))));
      case "contexts":
        return answered(async () => ({ contexts: await updatesOf(target).contexts() }));
      case "apply-update":
        return answered(async () => ({ outcome: await updatesOf(target).apply(request.upstream, request.update) }));
      case "replace":
        return answered(async () => shownAnswer(await updatesOf(target).replace(request.upstream, request.key)));
      default:
        return request satisfies never;
    }
  }
}

function healthOf(target: ControlTarget): Health {
  const { role, phase, quorum, peer, upstreams } = target.status();
  const answers = role === "active" && quorum;
  return {
    role,
    phase,
    quorum,
    answers,
    peer: peer?.connected === true ? peer.role : "unknown",
    upstreams: upstreams.map(({ state }) => state),
  };
}

function updatesOf({ updates }: ControlTarget): NonNullable<ControlTarget["updates"]> {
  if (updates !== undefined) return updates;
  throw new TmrError("ERR_TMR_STATE", "this server has no upstreams: activate by its upstream.toml");
}

/** An answer that takes its time, or the fault that is its end. */
async function answered(answer: () => Promise<Answer>): Promise<Answer> {
  try {
    return await answer();
  } catch (error) {
    if (error instanceof TmrError) return fault(error.code, error.message);
    throw error;
  }
}

function begunUnless(refusal: string | null): Answer {
  return refusal === null ? { begun: true } : fault("ERR_TMR_STATE", refusal);
}

function fault(code: ErrorCode, message: string): ControlFault {
  return { error: { code, message } };
}

function listenError(path: string, reason: string, cause?: unknown): TmrError {
  return new TmrError("ERR_TMR_LISTEN", `cannot listen on ${path}: ${reason}`, { cause });
}

/** Removes a socket file on which nobody answers. Two servers that start in the same moment are told apart by their ports. */
async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw listenError(path, "it is not a socket; move it away");
  const reason = await refusalOf(path);
  if (reason === null) {
    throw listenError(path, "another process answers on it: a TMR server with this state folder is running already");
  }
  if (reason.code === "ENOENT") return;
  if (reason.code !== "ECONNREFUSED") throw listenError(path, reason.message, reason);
  unlinkSync(path);
}

/** Why nobody could be connected to; null when somebody could, even if he is frozen or busy. */
function refusalOf(path: string): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const socket = new Socket();
    socket.on("connect", () => {
      socket.destroy();
      resolve(null);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code === "EAGAIN" ? null : error));
    socket.connect({ path });
  });
}
