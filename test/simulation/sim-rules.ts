/** Rules that act outside the production machines: in the disk, the engine, or the server's own record. */

/** True: the rule holds. The number is the rule's in docs/protocol.md. */
export interface SimRules {
  /** section 1: the highest epoch used is durable before its use */
  readonly epochsNeverReused: boolean;
  /** section 1: an upstream replies when what the reply depends on is durable */
  readonly fsyncBeforeReply: boolean;
  /** 8: a new, empty disk neither promises nor votes: it is not taken for the one that was lost */
  readonly blankAbstains: boolean;
  /** 5: two equal votes carry a batch */
  readonly twoVotes: boolean;
  /** 7: reads have their place in the order */
  readonly readsOrdered: boolean;
}

export const allSimRules: SimRules = Object.freeze({
  epochsNeverReused: true,
  fsyncBeforeReply: true,
  blankAbstains: true,
  twoVotes: true,
  readsOrdered: true,
});
