/** The two records about tracking that the active server proposes: `tracking` and `events`. */
import { Status } from "../wire/kinds.js";
import type { Call } from "./call.js";
import { MAX_SERIES, MAX_WRITER_BYTES } from "./event-series.js";
import type { ChainHead } from "./events.js";
import { blobOf } from "./open-session.js";
import { trackAllLicenses } from "./tracked.js";
import { RequestWord, ResultWord, u64At } from "./words.js";

/**
 * `quantity` 1: on, 0: off; the answer's says how it was. All licenses are listed when it is turned on, and with mode 1 when
 * it is on already: for a writer that begins.
 */
export function switchTracking(call: Call): void {
  const { state, out, words, at } = call;
  const wanted = words[at + RequestWord.quantity] as number;
  if (wanted > 1) {
    out.refuse(Status["bad-request"], `Tracking is switched on by 1 and off by 0, not by ${wanted}.`);
    return;
  }
  const was = state.events.on;
  out.u32(ResultWord.quantity, was ? 1 : 0);
  state.events.switch(wanted === 1);
  const mode = ((words[at + RequestWord.kind] as number) >>> 8) & 0xff;
  if (wanted === 1 && (!was || mode === 1)) trackAllLicenses(state);
}

/**
 * Mode 0: acknowledges everything up to an event (position in `handle`, record in `cursor`, which one in `quantity`; none
 * with position 0), with the writer and his chains in the blob, and answers the next ones. Mode 1: answers the series.
 */
export function answerEvents(call: Call): void {
  const { state, out, words, at } = call;
  const mode = ((words[at + RequestWord.kind] as number) >>> 8) & 0xff;
  const cursor = words[at + RequestWord.cursor] as number;
  if (!out.hasRoomForList) {
    out.refuse(Status.busy, "Too many lists were asked for at once; ask again.");
    return;
  }
  if (mode === 1) {
    const part = state.events.readSeries(cursor);
    out.list(part.text, part.left);
    return;
  }
  const position = u64At(words, at + RequestWord.handle);
  if (position > 0) {
    const written = readWritten(blobOf(call));
    if (written === null) {
      out.refuse(Status["bad-request"], "An acknowledgement of events names its writer and his chains.");
      return;
    }
    const upTo = { position, record: cursor, sub: words[at + RequestWord.quantity] as number };
    state.events.acknowledge(upTo, written.writer, written.heads);
  }
  const part = state.events.read();
  out.list(part.text, part.left);
}

const HEAD_BYTES = 40;

/** u8 length and name of the writer, then per series u32 Firm Code, u32 lines, 32 bytes of the chain. */
function readWritten(blob: Buffer): { writer: string; heads: ChainHead[] } | null {
  const length = blob[0] ?? 0;
  const count = (blob.length - 1 - length) / HEAD_BYTES;
  if (length === 0 || length > MAX_WRITER_BYTES || !Number.isInteger(count) || count < 0 || count > MAX_SERIES)
    return null;
  const writer = blob.toString("utf8", 1, 1 + length);
  if (Buffer.byteLength(writer) !== length) return null;
  const heads = Array.from({ length: count }, (_, i) => {
    const from = 1 + length + i * HEAD_BYTES;
    const chain = Buffer.from(blob.subarray(from + 8, from + HEAD_BYTES));
    return { firmCode: blob.readUInt32LE(from), lines: blob.readUInt32LE(from + 4), chain };
  });
  return { writer, heads };
}
