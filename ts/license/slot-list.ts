/** The free slots of a table in a snapshot, in the order in which they will be used. */
import { malformed, type WordReader } from "./word-reader.js";
import type { WordWriter } from "./word-writer.js";

export function writeSlots(slots: readonly number[], out: WordWriter): void {
  out.u32(slots.length);
  for (const slot of slots) out.u32(slot);
}

/** Distinct slots below `limit`; `marks` has a 1 for each of them. */
export function readSlots(input: WordReader, limit: number): { readonly slots: number[]; readonly marks: Uint8Array } {
  const count = input.count(1);
  const slots: number[] = [];
  const marks = new Uint8Array(limit);
  for (let i = 0; i < count; i++) {
    const slot = input.u32();
    if (slot >= limit || marks[slot] === 1) throw malformed(`slot ${slot} is out of range or free twice`);
    marks[slot] = 1;
    slots.push(slot);
  }
  return { slots, marks };
}
