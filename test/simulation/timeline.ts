/** Virtual time: what is to happen next, in order of time and, at one time, in the order in which it was planned. */
interface Planned {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

function before(a: Planned, b: Planned): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

export class Timeline {
  readonly #heap: Planned[] = [];
  #nowMs = 0;
  #planned = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events planned so far. */
  get planned(): number {
    return this.#planned;
  }

  at(atMs: number, run: () => void): void {
    const entry: Planned = { atMs: Math.max(atMs, this.#nowMs), order: this.#planned++, run };
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const above = heap[up] as Planned;
      if (!before(entry, above)) break;
      heap[at] = above;
      at = up;
    }
    heap[at] = entry;
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.#nowMs + delayMs, run);
  }

  /** Runs everything up to `untilMs`. */
  runUntil(untilMs: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#take();
      this.#nowMs = next.atMs;
      next.run();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #take(): void {
    const heap = this.#heap;
    const last = heap.pop() as Planned;
    const size = heap.length;
    if (size === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, heap[child] as Planned)) child++;
      const below = heap[child] as Planned;
      if (!before(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}
