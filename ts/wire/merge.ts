/**
 * What goes into the merge of three container snapshots and what comes out: arrays of fixed-size entries in ascending
 * order of their key. Integers little-endian; native/merge/merge.hpp holds the same numbers.
 */

/** Bytes of one entry of a snapshot: the key, then the digest of the terms. */
export const HOLDING_ENTRY_BYTES = 48;
/** Bytes of one entry of the merge. */
export const MERGED_ENTRY_BYTES = 64;

/** Offsets within an entry of a snapshot. The four integers are the key, most significant first. */
export const HoldingField = {
  /** u32 */
  firmCode: 0,
  /** u32 */
  productCode: 4,
  /** u32 */
  tmrId: 8,
  /** u32 */
  actId: 12,
  /** 32 bytes: SHA-256 of the terms in canonical form */
  digest: 16,
} as const;

/** Offsets within an entry of the merge. */
export const MergedField = {
  /** u32 */
  firmCode: 0,
  /** u32 */
  productCode: 4,
  /** u32 */
  tmrId: 8,
  /** u32 */
  actId: 12,
  /** 32 bytes: digest that at least two hold, zero when there is none */
  digest: 16,
  /** u8 bit i-1 set: upstream i has the key */
  present: 48,
  /** u8 bit i-1 set: upstream i has the key with `digest` */
  agree: 49,
  /** u8 {@link MergeVerdict} */
  verdict: 50,
  /** u8 1 to 3: this upstream has the key with other terms than the two that agree; 0 = none */
  odd: 51,
  /** 12 bytes reserved */
  tail: 52,
} as const;

/** How the three upstreams stand to one key. Only the first three are in the virtual container. */
export const MergeVerdict = { unanimous: 1, majorityOdd: 2, majorityMissing: 3, split: 4, alone: 5 } as const;
export type MergeVerdict = (typeof MergeVerdict)[keyof typeof MergeVerdict];
