/** What requests for data of a license say of it; only the license rules look at these numbers. */

/** Which data of a license readData asks for: `featureMap` of its request; `cursor` is the index of the piece. */
export const DataKind = {
  ownerInformation: 1,
  userData: 2,
  protectedData: 3,
  extendedProtectedData: 4,
  /** the blob is its access code, u32 little-endian */
  hiddenData: 5,
} as const;
export type DataKind = (typeof DataKind)[keyof typeof DataKind];

/** What crypt computes with secret data number `cursor`: `mode` of its request. */
export const CryptMethod = {
  /** HMAC-SHA-256 of the blob */
  hmac: 1,
  /** `quantity` bytes of HKDF-SHA-256 with the blob as its info */
  hkdf: 2,
} as const;
export type CryptMethod = (typeof CryptMethod)[keyof typeof CryptMethod];
