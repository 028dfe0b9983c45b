/** What the leader knows of one upstream. */

import type { UpstreamState } from "../wire/server-status.js";
import type { CatchUp, LogPoint } from "./catch-up.js";
import type { Answer, UpstreamId } from "./choose.js";

/**
 * - `down` no link
 * - `connected` has a link with this server, which does not lead
 * - `asked` Prepare is under way
 * - `promised` has promised the epoch; not in step yet
 * - `catching-up` its log is being brought to the chosen one
 * - `syncing` Sync is under way
 * - `streaming` takes appends and votes
 * - `silent` was streaming and does not answer; it goes on where it stopped when it answers again
 * - `blank` a new store, waits for a new epoch
 * - `refusing` has promised a higher epoch
 * - `quarantined` its answers differed from what two agreed on
 */
export type PeerPhase = UpstreamState;

export class Peer {
  connected = false;
  phase: PeerPhase = "down";
  answer: Answer | null = null;
  /** Number of the last prepare or found: a promise that answers an earlier one is late and says nothing. */
  ask = 0;
  /** Where its log ends, as last said. */
  end: LogPoint = { position: 0, digest: new Uint8Array(32) };
  logEpoch = 0;
  /** The highest epoch it is known to have promised. */
  promised = 0;
  /** What its last pong said of the leader of that epoch: how long it has been silent, and whether its link is open. */
  leaderSilentMs = 0;
  leaderConnected = false;
  pongAtMs = Number.NEGATIVE_INFINITY;
  catchUp: CatchUp | null = null;
  /** Prepare, found or sync that waits for its answer. */
  waitingSinceMs: number | null = null;
  syncTo: LogPoint | null = null;
  lastHeardMs = 0;
  lastPingMs = Number.NEGATIVE_INFINITY;
  /** Acknowledged position and when it last moved, to see an append or a vote that was lost. */
  progress = 0;
  progressAtMs = 0;
  lastRestreamMs = Number.NEGATIVE_INFINITY;
  /** Upstreams from whose log this one could not be brought on. */
  readonly failedSources = new Set<UpstreamId>();
  /** The incarnation whose answers differed: nothing of it counts any more (rule 11). */
  distrusted: Uint8Array | null = null;
  /** New epochs that were taken for its sake lately, and when the next one may be. */
  renewals = 0;
  renewAgainAtMs = 0;
  /** It promised, but did not give its log when that was the chosen one: the others go on without it until then. */
  passedOverUntilMs = Number.NEGATIVE_INFINITY;
  /** How often it was told to empty its store. */
  resets = 0;

  constructor(readonly id: UpstreamId) {}

  /** Forgets what belongs to one epoch or one connection. */
  forget(): void {
    this.answer = null;
    this.catchUp = null;
    this.waitingSinceMs = null;
    this.syncTo = null;
  }
}
