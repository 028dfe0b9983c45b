/**
 * Snapshots of the state: every table as it lies in memory, so that making one costs little more than copying. All of it
 * is a function of the log, down to which slots are free and what is left in them: upstreams with equal logs make equal
 * snapshots, whether they applied every batch or began from an earlier snapshot. Indexes, the order of time-outs and
 * what is merged from the statements are made anew. Each table says how it is written, read and checked.
 */
import { AccessList } from "./access-list.js";
import type { LicensePorts } from "./genesis.js";
import { readOwnStatement } from "./own-statement.js";
import { restoreSeats } from "./seat-restore.js";
import type { State } from "./state.js";
import { readStatement, type Statement, type StatementReader } from "./statement.js";
import { malformed, WordReader } from "./word-reader.js";
import { WordWriter } from "./word-writer.js";

/** "TMRS" read as a little-endian u32 */
const MAGIC = 0x53_52_4d_54;
/** Any other version is refused. */
const VERSION = 5;
const DIGEST_BYTES = 32;
const KEY_BYTES = 32;

/** Names, free slots and statements, per session: a guess that makes asking for memory twice rare. */
const MORE_WORDS = 24;
const ROOM_WORDS = 16_384;

/** Writes the whole state. */
export function writeSnapshot(state: State, sha256: LicensePorts["sha256"]): Uint8Array {
  const { sessions, handles, results, ended } = state;
  const rows = sessions.rowWords + handles.rowWords + results.records.rowWords + ended.records.rowWords;
  const out = new WordWriter(rows + MORE_WORDS * sessions.slots + ROOM_WORDS);
  out.u32(MAGIC);
  out.u32(VERSION);
  out.raw(state.genesisDigest);
  out.u64(state.position);
  out.u64(state.logMs);
  out.u64(state.calendarMs);
  out.raw(state.stateDigest);
  state.container.writePools(out);
  sessions.write(out);
  handles.write(out);
  state.borrowings.write(out);
  results.records.write(out);
  ended.write(out);
  out.block(state.accessList.bytes);
  state.events.write(out);
  for (const upstream of [1, 2, 3] as const)
    out.block(state.container.statement(upstream)?.payload ?? new Uint8Array());
  // Written only where a machine was replaced: the others begin with what the genesis says.
  if (!sameKeys(state.signingKeys, state.foundingKeys)) out.block(Buffer.concat(state.signingKeys));
  out.raw(sha256(out.view()));
  return out.view();
}

/** Reads a snapshot into a fresh state. Throws ERR_TMR_STORE; the state is useless then. */
export function readSnapshot(snapshot: Uint8Array, state: State, sha256: LicensePorts["sha256"]): void {
  const bytes = Buffer.from(snapshot.buffer, snapshot.byteOffset, snapshot.byteLength);
  const end = bytes.length - DIGEST_BYTES;
  if (end < 0 || !bytes.subarray(end).equals(sha256(bytes.subarray(0, end)))) {
    throw malformed("its digest does not match: it is damaged");
  }
  const input = new WordReader(bytes.subarray(0, end));
  if (input.u32() !== MAGIC) throw malformed("it does not begin as one");
  const version = input.u32();
  if (version !== VERSION) throw malformed(`expected version ${VERSION}, received ${version}`);
  if (!input.raw(DIGEST_BYTES).equals(state.genesisDigest)) throw malformed("it belongs to another system");
  state.position = input.u64();
  state.logMs = input.u64();
  state.calendarMs = input.u64();
  state.stateDigest = input.raw(DIGEST_BYTES);
  const { container, sessions, handles, limits } = state;
  container.readPools(input);
  sessions.read(input, limits.maxSessions);
  handles.read(input, limits.maxHandles);
  state.borrowings.read(input, handles, limits.maxBorrowings);
  state.results.read(input);
  state.ended.read(input);
  const list = AccessList.parse(input.block());
  if (!(list instanceof AccessList)) throw malformed(`the access list: ${list[0]}`);
  state.accessList = list;
  restoreSeats(state);
  state.events.restore(input);
  const read = container.standalone ? readOwnStatement : readStatement;
  const [first, second, third] = ([1, 2, 3] as const).map((upstream) => readOne(input, upstream, read, sha256));
  container.restore([first ?? null, second ?? null, third ?? null]);
  if (!input.isAtEnd) readKeys(input, state);
  input.end();
}

function readKeys(input: WordReader, state: State): void {
  const keys = input.block();
  if (keys.length !== state.signingKeys.length * KEY_BYTES) throw malformed("its signing keys are not three");
  const read = state.signingKeys.map((_, i) => Buffer.from(keys.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES)));
  if (sameKeys(read, state.signingKeys)) throw malformed("it has signing keys that it need not have");
  state.signingKeys.splice(0, read.length, ...read);
}

function sameKeys(a: readonly Buffer[], b: readonly Buffer[]): boolean {
  return a.every((key, i) => b[i]?.equals(key));
}

function readOne(
  input: WordReader,
  upstream: 1 | 2 | 3,
  read: StatementReader,
  sha256: LicensePorts["sha256"],
): Statement | null {
  const payload = input.block();
  if (payload.length === 0) return null;
  const statement = read(payload, upstream, sha256);
  if (typeof statement === "string") throw malformed(`statement of upstream ${upstream}: ${statement}`);
  return statement;
}
