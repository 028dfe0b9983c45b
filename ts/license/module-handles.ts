/** Which handles are of a module: few are, so that the rows of the others need no word for it. */
import { malformed, type WordReader } from "./word-reader.js";
import type { WordWriter } from "./word-writer.js";

/** First word of the journal entry; those of state.ts are below 20. */
const GRANTED_AS_MODULE = 24;

export class ModuleHandles {
  /** Product Code by the handle's slot */
  readonly #codes = new Map<number, number>();

  /** The module's Product Code, or undefined when the handle is of the item itself. */
  productCode(slot: number): number | undefined {
    return this.#codes.size === 0 ? undefined : this.#codes.get(slot);
  }

  add(slot: number, productCode: number, journal: WordWriter): void {
    this.#codes.set(slot, productCode);
    journal.three(GRANTED_AS_MODULE, slot, productCode);
  }

  /** The handle is released; its own journal entry says so. */
  delete(slot: number): void {
    if (this.#codes.size > 0) this.#codes.delete(slot);
  }

  /** In the order of the slots, so that equal states have equal bytes. */
  write(out: WordWriter): void {
    out.u32(this.#codes.size);
    for (const [slot, code] of [...this.#codes].sort(([a], [b]) => a - b)) {
      out.u32(slot);
      out.u32(code);
    }
  }

  /** Reads into an empty table; `isHeld` says which slots can have one. */
  read(input: WordReader, isHeld: (slot: number) => boolean): void {
    let before = -1;
    for (let count = input.count(2); count > 0; count--) {
      const slot = input.u32();
      if (slot <= before || !isHeld(slot)) throw malformed(`a module of handle slot ${slot}`);
      before = slot;
      this.#codes.set(slot, input.u32());
    }
  }
}
