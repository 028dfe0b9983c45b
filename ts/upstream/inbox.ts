/**
 * Messages of all links that arrive in one turn of the event loop, in the order in which they came: taken together, so
 * that batches which wait while an earlier one is made durable share the next durable write.
 */

/** What came on one link without another link's message in between. */
export interface Arrived<L> {
  readonly link: L;
  readonly messages: Buffer[];
}

export class Inbox<L> {
  #arrived: Arrived<L>[] = [];

  /** True for the first message since {@link take}: that is when taking them has to be planned. */
  put(link: L, message: Buffer): boolean {
    const last = this.#arrived.at(-1);
    if (last?.link === link) last.messages.push(message);
    else this.#arrived.push({ link, messages: [message] });
    return this.#arrived.length === 1 && this.#arrived[0]?.messages.length === 1;
  }

  /** Everything that has arrived; nothing is left. */
  take(): readonly Arrived<L>[] {
    const arrived = this.#arrived;
    this.#arrived = [];
    return arrived;
  }
}
