/**
 * The rules of the protocol that a simulator can leave out one at a time, to show that each is needed. Production
 * never passes anything but {@link allRules}: there is no configuration, flag or variable for it.
 */

/** True: the rule holds. The number is the rule's in docs/protocol.md. */
export interface ProtocolRules {
  /** 1: after a promise nothing of a lower epoch is appended */
  readonly promiseFences: boolean;
  /** 2: of the logs promised the one synced by the latest leader is taken, however short it is */
  readonly epochBeforeLength: boolean;
  /** 2: of equally new logs the longest is taken, not what two have in common */
  readonly longestOfNewest: boolean;
  /** 2: the third promise is waited for, for the grace time */
  readonly graceForThird: boolean;
  /** 3: Sync stamps the whole log with the leader's epoch */
  readonly restamp: boolean;
  /** 3: service begins when two upstreams have synced, not with the first */
  readonly twoSynced: boolean;
  /** 6: the answers to requests are part of the replicated state */
  readonly answersKept: boolean;
  /** 8: a promise counts only from a disk that the newest promise names as a member */
  readonly membersOnly: boolean;
  /** 8: a new disk is admitted by a new epoch only */
  readonly admissionByNewEpoch: boolean;
  /** 9: a license counts when two of the reached upstreams hold it */
  readonly twoHolders: boolean;
  /** 10: log time is advanced by a monotonic clock */
  readonly leasesOnLogTime: boolean;
  /** 10: log time goes on from the last entry's */
  readonly logTimeContinues: boolean;
  /** 10: calendar time is the median of the three clocks */
  readonly calendarMedian: boolean;
  /** 10: a client counts its lease from the first sending of the request that was answered */
  readonly leaseFromFirstSending: boolean;
  /** 10: a client gives its lease up a little early, since clocks differ in rate */
  readonly leaseAllowsForDrift: boolean;
  /** 11: another upstream's state is taken over only with the hash that two upstreams voted for it */
  readonly snapshotsVoted: boolean;
  /** 12: log time stands still while there is no quorum */
  readonly timeNeedsQuorum: boolean;
  /** 17: a log that lacks what was answered is not served */
  readonly marksChecked: boolean;
  /** section 2: an entry counts only with the twins' MAC */
  readonly entriesMaced: boolean;
}

export const allRules: ProtocolRules = Object.freeze({
  promiseFences: true,
  epochBeforeLength: true,
  longestOfNewest: true,
  graceForThird: true,
  restamp: true,
  twoSynced: true,
  answersKept: true,
  membersOnly: true,
  admissionByNewEpoch: true,
  twoHolders: true,
  leasesOnLogTime: true,
  logTimeContinues: true,
  calendarMedian: true,
  leaseFromFirstSending: true,
  leaseAllowsForDrift: true,
  snapshotsVoted: true,
  timeNeedsQuorum: true,
  marksChecked: true,
  entriesMaced: true,
});
