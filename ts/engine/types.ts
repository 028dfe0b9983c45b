/**
 * The face of the native engine as TypeScript sees it. Expected outcomes are numbers or null; only misuse throws,
 * with an `ERR_TMR_*` code (architecture.md section 3). Every object has an idempotent `close()` that wipes its keys.
 */

export type HandshakeRole = "initiator" | "responder";
export type HandshakePattern = "NK" | "IK";

export interface KeyPair {
  /** 32 bytes, X25519 */
  readonly publicKey: Buffer;
  /** 32 bytes, X25519 */
  readonly privateKey: Buffer;
}

export interface HandshakeOptions {
  readonly role: HandshakeRole;
  readonly pattern: HandshakePattern;
  readonly prologue: Uint8Array;
  /** own static private key: responder always, initiator with IK */
  readonly staticKey?: Uint8Array;
  /** the responder's static public key: initiator always */
  readonly remoteStaticKey?: Uint8Array;
  /** fixed ephemeral private key: published vectors and the simulator only */
  readonly ephemeralKey?: Uint8Array;
}

/**
 * A Noise handshake (revision 34), `Noise_{NK,IK}_25519_AESGCM_SHA256`: two messages. Messages are bare Noise
 * messages, without the 2-byte length. `read` and `write` do the public-key work on a worker thread and resolve to
 * null when the peer's message is not genuine; the `Sync` forms do the same on the calling thread.
 */
export interface Handshake {
  write(payload?: Uint8Array): Promise<Buffer | null>;
  read(message: Uint8Array): Promise<Buffer | null>;
  writeSync(payload?: Uint8Array): Buffer | null;
  readSync(message: Uint8Array): Buffer | null;
  /** The peer's static public key once it is known, else null. */
  remoteStaticKey(): Buffer | null;
  /** 32 bytes, once complete. */
  handshakeHash(): Buffer | null;
  readonly complete: boolean;
  /** The transport session; allowed once, after the last message. `maxMessageBytes` bounds what a peer may send. */
  split(maxMessageBytes: number): Session;
  close(): void;
}

/**
 * One encrypted connection. A message travels as one or more frames: u16 big-endian length, then one Noise transport
 * message whose plaintext is u8 `more` (1: the message goes on in the next frame, 0: it ends here) and a fragment.
 */
export interface Session {
  /** Seals one message into the frames to be written to the socket. Null when the session is spent (rekey limit). */
  seal(message: Uint8Array): Buffer | null;
  /**
   * Takes what the socket delivered and returns the messages that are complete now, or null when the bytes are not
   * genuine or too long: the connection must be closed then and every later call returns null too.
   */
  open(chunk: Uint8Array): Buffer[] | null;
  close(): void;
}

export interface OrderingLimits {
  readonly maxClients: number;
  /** client requests waiting for a batch, over all clients; beyond it a request is answered `busy` */
  readonly maxPendingRequests: number;
  readonly maxRequestsPerBatch: number;
  readonly maxBatchBlobBytes: number;
  /** batches ordered and not carried yet */
  readonly maxBatchesInFlight: number;
  /** batches kept after they were carried, so that an upstream that was away for a moment is fed from memory */
  readonly retainedBatches: number;
  /** unsent answers of one client; beyond it the client is closed */
  readonly maxClientOutputBytes: number;
}

/** Why `takeEvent` returned something: rare things that TypeScript decides about. */
export type OrderingEvent =
  /**
   * this upstream's vote differs from the two that agree (rule 11). It is not streamed to any more, and its ballots for
   * what is not carried yet are void, until `stream` is called for it again.
   */
  | { readonly type: "diverged"; readonly upstream: number; readonly position: number }
  /** the answers cannot agree any more: all differ, or only two upstreams vote and they differ (rule 11) */
  | { readonly type: "split"; readonly position: number }
  /** a client proved an answer from a position that this log does not have (rule 17) */
  | { readonly type: "missing"; readonly position: number }
  /** a proposal of {@link Ordering.propose} was carried: its result record and blob */
  | { readonly type: "proposed"; readonly position: number; readonly record: Buffer; readonly blob: Buffer };

/**
 * The order and the votes of one active TMR server, without sockets or encryption. Deterministic: the same calls
 * give the same bytes. Upstreams are numbered 1 to 3, clients by the number that `addClient` returned.
 */
export interface Ordering {
  /**
   * Two upstreams are synced: the next batch follows (position, digest) under `epoch`. `members`: 48 bytes, three
   * incarnations; votes of any other incarnation do not count (rule 8).
   */
  activate(epoch: number, position: number, digest: Uint8Array, members: Uint8Array): void;
  /**
   * Stops ordering. Client requests in flight go back to the pending ones: they are exactly-once, so safe to order again.
   * Proposals are dropped.
   */
  deactivate(): void;
  /**
   * The upstream's log ends at `after`, a position of this epoch: it takes appends from there on. What is not carried
   * yet is sent again even so, because its votes may have been lost with its link. False: `after` is before the
   * activation, after the newest batch, or what follows it is no longer retained.
   */
  stream(upstream: number, after: number): boolean;
  /** Votes that it gave before still count. An upstream that falls behind everything retained is unstreamed by itself. */
  unstream(upstream: number): void;
  /** Bit i-1 set: upstream i is streamed to. */
  readonly reached: number;
  /**
   * Orders a record that the server itself proposes, of no session; its blob range is filled in here. False: not
   * active or no room, try later; or the blob is longer than a batch takes.
   */
  propose(record: Uint8Array, blob: Uint8Array): boolean;
  /**
   * Makes the next batch of what is pending, if anything is and the window allows it; it is then under way to every
   * streamed upstream. Returns its record count, 0 when there was none.
   */
  nextBatch(logMs: number, calendarMs: number): number;
  /** Queues the batches after `after` once more for this upstream: it did not answer (rule 16). */
  resend(upstream: number, after: number): void;
  /**
   * Answers all pending client requests that are not in flight with a retryable status. `blob`: what the answers carry,
   * e.g. the peer's address with `not-active`; left out, a sentence for `no-quorum` and `busy`, nothing for `not-active`.
   * Returns how many.
   */
  refusePending(status: number, blob?: Uint8Array): number;
  /** Like refusePending, also for requests in flight: their outcome is unknown and the client asks again. */
  refuseAll(status: number, blob?: Uint8Array): number;
  /** Position of the newest batch ordered, and of the newest carried. */
  readonly position: number;
  readonly carried: number;
  /** 32 bytes: digest(carried) */
  carriedDigest(): Buffer;
  /** Requests waiting for a batch. */
  readonly pending: number;
  /** Highest position that this upstream has voted for, 0 = none in this epoch. */
  acknowledged(upstream: number): number;
  /** Clock offset samples: the last clockMs that this upstream sent in a vote, 0 = none. */
  clockMs(upstream: number): number;
  /** A retained batch, for feeding an upstream that is behind; null when it is gone. Copy. */
  batchAt(position: number): Buffer | null;
  takeEvent(): OrderingEvent | null;
  /** A request of a kind from 64 to 127, to be answered by `answer`; null when there is none. */
  takeLocalRequest(): { readonly client: number; readonly record: Buffer } | null;
  /** Queues one result record with its blob for this client. */
  answer(client: number, record: Uint8Array, blob: Uint8Array): void;
  /** Where the client connects from: 16 bytes, written into every openSession of it. */
  setClientAddress(client: number, address: Uint8Array): void;
  /** Forgets the client; its pending requests are dropped, those in flight are not answered. Its number is not used again soon. */
  removeClient(client: number): void;
  /**
   * True when the client takes and gets nothing any more: its packet was malformed, its unsent answers became too many,
   * or it was removed. Its owner closes the connection and calls `removeClient`.
   */
  clientClosed(client: number): boolean;
  /**
   * Fills `out` with the clients that got output or were closed since the last call; returns how many. One that takes
   * less than all its output is named again.
   */
  dirtyClients(out: Uint32Array): number;
  counters(): OrderingCounters;
  close(): void;
}

export interface OrderingCounters {
  /** records in well-formed client packets */
  readonly requests: number;
  /** results queued for clients that were there to take them, refusals included */
  readonly answers: number;
  readonly batches: number;
  readonly busy: number;
  readonly malformedPackets: number;
  /** records of a kind that clients cannot send */
  readonly unknownKinds: number;
  /** votes of another epoch, incarnation or position, or from an upstream that is not streamed to */
  readonly staleVotes: number;
  readonly malformedVotes: number;
}

/** Outcome of bytes from a peer. */
export const Intake = { ok: 0, closed: 1, malformed: 2 } as const;
export type Intake = (typeof Intake)[keyof typeof Intake];

/** {@link Ordering} that is given votes as plain messages. */
export interface PlainVotes {
  /**
   * A vote message of this upstream. With an {@link OrderingOptions.quorum} of one it carries the batch behind the last
   * one carried; a vote on anything later is `malformed` then. A TMR server's gateway takes votes from the bytes of links.
   */
  vote(upstream: number, message: Uint8Array): Intake;
}

/** {@link Ordering} on plain messages: what the simulator and the unit tests drive. */
export interface Orderer extends Ordering, PlainVotes {
  /** -1: no room. */
  addClient(): number;
  clientMessage(client: number, message: Uint8Array): Intake;
  /** One results packet with as many answers as fit into it, or null. Call until null. */
  takeClientMessage(client: number): Buffer | null;
  /** The next append message for this upstream, or null. */
  takeAppend(upstream: number): Buffer | null;
}

/**
 * {@link Ordering} behind encrypted connections: what a TMR server and a standalone license server run. Sessions given to
 * it are moved into it.
 */
export interface Gateway extends Ordering, PlainVotes {
  addClient(session: Session): number;
  /** What the client's socket delivered, many packets at once. Anything but `ok`: close the connection. */
  clientBytes(client: number, chunk: Uint8Array): Intake;
  /**
   * Seals the packets of all clients with output, as many as fit, into `slab`, which takes one packet of the largest size
   * at least. Each write to a client's socket is three numbers in `writes`: client, offset, length; length 0: the client
   * was closed, its owner closes the connection. Returns how many writes there are. Call until 0.
   */
  takeClientOutput(slab: Uint8Array, writes: Uint32Array): number;
  /** For sessions that are opened from now on, ms; `min` <= `byDefault` <= `max`. */
  setSessionTimeouts(min: number, byDefault: number, max: number): void;
  /** While a client is held its answers wait here, up to `maxClientOutputBytes`. */
  holdClient(client: number, held: boolean): void;
  /** A new link begins without anything of the old one: not streamed to, nothing queued either way. */
  setUpstream(upstream: number, session: Session): void;
  clearUpstream(upstream: number): void;
  /** What the upstream's socket delivered. Votes are counted here; other messages wait in `takeControl`. */
  upstreamBytes(upstream: number, chunk: Uint8Array): Intake;
  /** The next message that is not a vote, opened, or null. */
  takeControl(upstream: number): Buffer | null;
  /** Seals a control message for this upstream behind what is already queued. */
  sendControl(upstream: number, message: Uint8Array): void;
  /** Sealed frames to be written to the upstream's socket, about 1 MiB at a time, or null. Call until null. */
  takeUpstreamOutput(upstream: number): Buffer | null;
}

/** Bits of what {@link SocketsOptions.turn} is told; bit 1 to 3: bytes of that upstream were taken. */
export const Arrived = { clients: 1, closed: 16 } as const;

export interface SocketsOptions {
  /** Unsent bytes of a client from which on it is not read any more and its answers wait in the gateway. */
  readonly pauseAboveBytes: number;
  /** How long such a client may take to read them, ms. */
  readonly unreadTimeoutMs: number;
  /** How long a client may say nothing before it has asked for or spoken of a session, ms ... */
  readonly idleTimeoutMs: number;
  /** ... and after that: at least the longest session time-out. */
  readonly sessionIdleTimeoutMs: number;
  /** Requests of one client that wait for a batch from which on it is not read, until half of them are gone. */
  readonly maxPendingOfClient: number;
  /** An upstream that leaves more than this unsent is given up. */
  readonly maxUpstreamBytes: number;
  /**
   * Called once per turn of the event loop in which something happened, after everything was read that was there: bytes were
   * given to the gateway, or connections are over (`takeClosed`). `arrived`: bits, see {@link Arrived}.
   */
  turn(arrived: number): void;
}

/** A connection that is over; the engine has closed its socket. */
export interface ClosedConnection {
  /** 1 to 3, or 0 when it was a client's */
  readonly upstream: number;
  readonly client: number;
  /**
   * `ended`: by the peer, in order. `failed`: see `error`. `not-genuine`: its bytes. `unread`: it left too much unread, or
   * for too long. `idle`: it said nothing for too long.
   */
  readonly why: "ended" | "failed" | "not-genuine" | "unread" | "idle";
  /** with `failed`, the system's name of the error */
  readonly error: string;
}

/**
 * Connected sockets on the event loop of this thread, between which and a gateway bytes go without JavaScript. Their owner
 * decides who is let in and when is written, and is told who is gone: then it calls `removeClient` or `clearUpstream`.
 */
export interface Sockets {
  /**
   * Makes a descriptor of its own for this client's connection; the one given stays its owner's to close. `rest` was read from it
   * already. False: it cannot, or the client has one.
   */
  openClient(client: number, descriptor: number, rest: Uint8Array): boolean;
  openUpstream(upstream: number, descriptor: number, rest: Uint8Array): boolean;
  /** Writes what the gateway has, once per socket. */
  flush(): void;
  /** Behind what was written, tells the client that nothing more comes; it is over when the client closes, or in time. */
  endClient(client: number): void;
  /** Closes at once; `takeClosed` does not tell of it. */
  dropClient(client: number): void;
  dropUpstream(upstream: number): void;
  takeClosed(): ClosedConnection | null;
  /** Closes all of them. Closing the gateway, or the end of the thread, does the same. */
  close(): void;
}

export interface OrderingOptions {
  readonly limits: OrderingLimits;
  /** 32 bytes that only the twins hold: batches are MACed and marks proved with keys derived from it (HKDF) */
  readonly twinKey: Uint8Array;
  /** votes that carry a batch; 1: a license server serves alone, as upstream 1. Default 2, of three */
  readonly quorum?: 1 | 2;
  /** session time-out limits that the server enforces on openSession, ms */
  readonly sessionTimeoutMs: { readonly min: number; readonly default: number; readonly max: number };
}

/** Verdict of one record's vote (style.md): a caller stops waiting as soon as the answer cannot change. */
export const Verdict = { pending: 0, carried: 1, split: 2, short: 3 } as const;
export type Verdict = (typeof Verdict)[keyof typeof Verdict];

export interface VoteOutcome {
  /**
   * The whole batch: `carried` when two ballots agree on the position and its state, and no two of them contradict each
   * other over a record. A record that fewer than two of them still know may then be `pending` or `short`.
   */
  readonly verdict: Verdict;
  /** one verdict per record */
  readonly records: Uint8Array;
  /** per record: bit i-1 set, ballot i has the carried bytes */
  readonly agree: Uint8Array;
}

/** A ballot for {@link Engine.vote}: a vote message, `undefined` while awaited, null when it cannot come any more. */
export type Ballot = Uint8Array | undefined | null;

export interface Engine {
  /** e.g. "OpenSSL 3.5.4" */
  readonly cryptoVersion: string;
  /** Names, offsets and sizes of the wire format as C++ has them, for the layout test. */
  layout(): Readonly<Record<string, number>>;
  generateKeyPair(): KeyPair;
  publicKey(privateKey: Uint8Array): Buffer;
  createHandshake(options: HandshakeOptions): Handshake;
  createOrderer(options: OrderingOptions): Orderer;
  createGateway(options: OrderingOptions): Gateway;
  /** One per gateway. */
  createSockets(gateway: Gateway, options: SocketsOptions): Sockets;
  /**
   * Compares the ballots of upstreams 1, 2, 3 on one batch, record by record; native/vote/vote.hpp has the rules. Throws
   * on anything but a well-formed vote message of that upstream.
   */
  vote(a: Ballot, b: Ballot, c: Ballot): VoteOutcome;
  /**
   * Merges three container snapshots: arrays of 48-byte entries, strictly ascending by key (u32 firmCode, productCode,
   * tmrId, actId, then a 32-byte digest of the terms). Returns 64-byte entries for every key that any of them has; see
   * ts/wire/merge.ts for the layout. Null is an upstream without a statement. Throws on an unsorted input.
   */
  mergeContainers(a: Uint8Array | null, b: Uint8Array | null, c: Uint8Array | null): Buffer;
  /**
   * Sends one datagram to the Unix socket at `path`, without waiting; a path that begins with `@` is an abstract name. Null, or
   * the system's name of the error.
   */
  sendDatagram(path: Uint8Array, message: Uint8Array): string | null;
  /** Verifies the MAC of a batch that a TMR server fetched from an upstream. */
  verifyBatchMac(batch: Uint8Array, twinKey: Uint8Array): boolean;
}
