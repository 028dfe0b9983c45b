/** The faults of a run: those under way, and the lines of those that are over. */
import type { FaultLine } from "./history.js";

export class FaultLog {
  readonly lines: FaultLine[] = [];
  readonly #nowNs: () => number;
  readonly #underWay = new Set<{ readonly kind: string; readonly target: string }>();

  constructor(nowNs: () => number) {
    this.#nowNs = nowNs;
  }

  /**
   * Runs a fault from its beginning to its end and writes its line, whatever becomes of it. What the fault returns is
   * added to the detail.
   */
  async during(
    kind: string,
    target: string,
    detail: string,
    fault: () => Promise<string | void> | void,
  ): Promise<void> {
    let more: string | void = "";
    const fromNs = this.#nowNs();
    const mark = { kind, target };
    this.#underWay.add(mark);
    try {
      more = await fault();
    } finally {
      this.#underWay.delete(mark);
      this.lines.push({ type: "fault", kind, target, fromNs, untilNs: this.#nowNs(), detail: detail + (more ?? "") });
    }
  }

  get underWay(): string {
    return [...this.#underWay].map(({ kind, target }) => `${kind} ${target}`).join(", ");
  }

  harms(target: RegExp): boolean {
    return [...this.#underWay].some((fault) => target.test(fault.target));
  }
}
