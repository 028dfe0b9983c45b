/** Whether the leader is there: which links are open, who spoke on them last, and when. */

export class LeaderContact {
  /** Open links, with the epoch under which each last sent something valid. */
  readonly #links = new Map<number, number>();
  #heardMs: number | null = null;

  connected(link: number): void {
    this.#links.set(link, 0);
  }

  disconnected(link: number): void {
    this.#links.delete(link);
  }

  /** The leader of the promised `epoch` has spoken. */
  heard(epoch: number, link: number, nowMs: number): void {
    this.#heardMs = nowMs;
    if (this.#links.has(link)) this.#links.set(link, epoch);
  }

  /** Whole milliseconds since it spoke, null when it never did since the start. */
  silentMs(nowMs: number): number | null {
    return this.#heardMs === null ? null : Math.max(0, Math.floor(nowMs - this.#heardMs));
  }

  /** True while a link is open on which the leader of `epoch` spoke. */
  isConnected(epoch: number): boolean {
    return epoch > 0 && [...this.#links.values()].includes(epoch);
  }
}
