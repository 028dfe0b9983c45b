/** Small shared types of an upstream. */

export type UpstreamNumber = 1 | 2 | 3;
export type Sha256 = (bytes: Uint8Array) => Uint8Array;
