/**
 * Which session times out next. A binary heap whose keys may be older than the deadlines: a deadline only ever moves
 * later, so a request does not touch the heap, and an old key is renewed when it comes to the top. The layout of the
 * heap is not part of the state: equal deadlines are ordered by slot, so nothing that it returns depends on it.
 */
export class TimeoutQueue {
  /** the present deadline of a slot */
  readonly #deadlineOf: (slot: number) => number;
  /** slots in heap order */
  readonly #heap: number[] = [];
  /** per slot: its deadline as it was when last looked at */
  readonly #key: number[] = [];
  /** per slot: its index in the heap */
  readonly #index: number[] = [];

  constructor(deadlineOf: (slot: number) => number) {
    this.#deadlineOf = deadlineOf;
  }

  add(slot: number, deadline: number): void {
    this.#key[slot] = deadline;
    this.#heap.push(slot);
    this.#up(this.#heap.length - 1, slot);
  }

  remove(slot: number): void {
    const at = this.#index[slot] as number;
    const last = this.#heap.pop() as number;
    if (last === slot) return;
    this.#up(at, last);
    this.#down(this.#index[last] as number, last);
  }

  /** The slot with the earliest deadline, of several the lowest, or -1. */
  first(): number {
    for (;;) {
      const slot = this.#heap[0];
      if (slot === undefined) return -1;
      const deadline = this.#deadlineOf(slot);
      if (this.#key[slot] === deadline) return slot;
      this.#key[slot] = deadline;
      this.#down(0, slot);
    }
  }

  /** True when slot `a` times out before slot `b` as far as the keys say. */
  #before(a: number, b: number): boolean {
    const difference = (this.#key[a] as number) - (this.#key[b] as number);
    return difference < 0 || (difference === 0 && a < b);
  }

  #put(index: number, slot: number): void {
    this.#heap[index] = slot;
    this.#index[slot] = index;
  }

  /** Places `slot` at `index` or above. */
  #up(index: number, slot: number): void {
    let at = index;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#heap[parent] as number;
      if (!this.#before(slot, above)) break;
      this.#put(at, above);
      at = parent;
    }
    this.#put(at, slot);
  }

  /** Places `slot` at `index` or below. */
  #down(index: number, slot: number): void {
    const size = this.#heap.length;
    let at = index;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#before(this.#heap[child + 1] as number, this.#heap[child] as number)) child += 1;
      const below = this.#heap[child] as number;
      if (!this.#before(below, slot)) break;
      this.#put(at, below);
      at = child;
    }
    this.#put(at, slot);
  }
}
