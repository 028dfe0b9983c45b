/**
 * What is remembered of a license besides its seats: units used, first use, named user, user data. Kept apart from the
 * terms, so that no change of them, and no absence of the item, makes a used license new.
 */
import { isPlainLine } from "../wire/text.js";
import { MAX_DATA_BYTES, MAX_USER_BYTES } from "./term-rules.js";
import { malformed, type WordReader } from "./word-reader.js";
import type { WordWriter } from "./word-writer.js";

/** First word of each journal entry; those of state.ts are below 20. */
const Change = { consumed: 20, firstUsed: 21, named: 22, userDataWritten: 23 } as const;

const SOMETHING = 1;
const WITH_USER_DATA = 2;

/** Of one license. */
export class Memory {
  #unitsUsed = 0;
  #firstUseMs = 0;
  #namedUser = "";
  #namedUserOf = "";
  #namedUserMs = 0;
  #userData: Buffer | null = null;

  /** u32, never less than before */
  get unitsUsed(): number {
    return this.#unitsUsed;
  }

  /** Calendar time of the first access under a usage period, 0 = none yet. */
  get firstUseMs(): number {
    return this.#firstUseMs;
  }

  /** Who it is bound to instead of the issued name {@link namedUserOf}; while {@link namedUserMs} is 0 nobody is. */
  get namedUser(): string {
    return this.#namedUser;
  }

  get namedUserOf(): string {
    return this.#namedUserOf;
  }

  /** Calendar time of that binding, 0 = there was none. */
  get namedUserMs(): number {
    return this.#namedUserMs;
  }

  /** Null until it was written. */
  get userData(): Buffer | null {
    return this.#userData;
  }

  /** True when nothing is lost with it. */
  get isEmpty(): boolean {
    return this.#unitsUsed === 0 && this.#firstUseMs === 0 && this.#namedUserMs === 0 && this.#userData === null;
  }

  /** The caller checked that there are so many units. */
  consume(pool: number, units: number, journal: WordWriter): void {
    this.#unitsUsed += units;
    journal.three(Change.consumed, pool, this.#unitsUsed);
  }

  /** Once: a later use is no first one. */
  useFirst(pool: number, calendarMs: number, journal: WordWriter): void {
    if (this.#firstUseMs !== 0) return;
    this.#firstUseMs = Math.max(1, calendarMs);
    journal.u32(Change.firstUsed);
    journal.u32(pool);
    journal.u64(this.#firstUseMs);
  }

  /** Binds to `user` whoever the issued terms say; empty: to the next one who accesses it. */
  bind(pool: number, user: string, issuedUser: string, calendarMs: number, journal: WordWriter): void {
    this.#namedUser = user;
    this.#namedUserOf = issuedUser;
    this.#namedUserMs = Math.max(1, calendarMs);
    journal.u32(Change.named);
    journal.u32(pool);
    journal.u64(this.#namedUserMs);
    journal.block(Buffer.from(user));
    journal.block(Buffer.from(issuedUser));
  }

  writeUserData(pool: number, data: Buffer, journal: WordWriter): void {
    this.#userData = data;
    journal.u32(Change.userDataWritten);
    journal.u32(pool);
    journal.block(data);
  }

  write(out: WordWriter): void {
    const data = this.#userData;
    out.u32(this.isEmpty ? 0 : data === null ? SOMETHING : SOMETHING | WITH_USER_DATA);
    if (this.isEmpty) return;
    out.u32(this.#unitsUsed);
    out.u64(this.#firstUseMs);
    out.u64(this.#namedUserMs);
    out.block(Buffer.from(this.#namedUser));
    out.block(Buffer.from(this.#namedUserOf));
    if (data !== null) out.block(data);
  }

  /** Reads into an empty one. */
  read(input: WordReader): void {
    const flags = input.u32();
    if (flags === 0) return;
    if (flags !== SOMETHING && flags !== (SOMETHING | WITH_USER_DATA)) throw malformed("what a license remembers");
    this.#unitsUsed = input.u32();
    this.#firstUseMs = input.u64();
    this.#namedUserMs = input.u64();
    this.#namedUser = readUser(input);
    this.#namedUserOf = readUser(input);
    if (flags !== SOMETHING) this.#userData = input.block();
    const isBound = this.#namedUser !== "" || this.#namedUserOf !== "";
    if (this.isEmpty || (isBound && this.#namedUserMs === 0) || (this.#userData?.length ?? 0) > MAX_DATA_BYTES) {
      throw malformed("a license remembers what it cannot");
    }
  }
}

function readUser(input: WordReader): string {
  const bytes = input.block();
  const user = bytes.toString("utf8");
  if (bytes.length > MAX_USER_BYTES || !Buffer.from(user).equals(bytes) || !isPlainLine(user)) {
    throw malformed("the named user of a license");
  }
  return user;
}
