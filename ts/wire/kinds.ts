/**
 * What a request record asks for. The numbers are the wire format; native/wire/records.hpp holds the same ones and
 * a test compares them. Below 64: ordered and voted. 64 to 127: answered by the TMR server itself, about itself.
 * From 128: proposed by the active TMR server only, refused when a client sends them.
 */
export const Kind = {
  openSession: 1,
  closeSession: 2,
  heartbeat: 3,
  access: 4,
  release: 5,
  info: 6,
  containers: 7,
  items: 8,
  consume: 9,
  crypt: 10,
  readData: 11,
  writeUserData: 12,
  borrow: 13,
  returnBorrow: 14,
  /** who holds what */
  handles: 15,
  status: 64,
  /** the signatures that make a borrowed license provable without a server */
  attest: 65,
  expire: 128,
  statement: 129,
  checkpoint: 130,
  setAccessList: 131,
  /** an administrator takes a handle away */
  cancelHandle: 132,
  setNamedUser: 133,
  tracking: 134,
  events: 135,
  readAccessList: 136,
  /** a new machine takes the place of an upstream */
  succession: 137,
  /** A result without a request: the server says that it is leaving or is not active. */
  notice: 192,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** How an access counts (licensing.md section 4). */
export const AccessMode = { userLimit: 1, stationShare: 2, exclusive: 3, noUserLimit: 4 } as const;
export type AccessMode = (typeof AccessMode)[keyof typeof AccessMode];

/** Every outcome of a request, by its name in CLI, logs and documents; the number is the wire format. */
export const Status = {
  ok: 0,
  "not-found": 1,
  "not-yet-valid": 2,
  expired: 3,
  "usage-period-over": 4,
  maintenance: 5,
  "feature-missing": 6,
  "no-free-license": 7,
  "units-used-up": 8,
  "access-list": 9,
  "runtime-too-old": 10,
  "named-user": 11,
  "broken-container": 12,
  "tmr-only": 13,
  "no-quorum": 14,
  "not-active": 15,
  "handle-unknown": 16,
  "handle-lost": 17,
  busy: 18,
  "session-unknown": 19,
  "bad-request": 20,
  "stale-request": 21,
  /** the access waits: its handle is there and takes no seat yet */
  queued: 22,
  /** the license may not be taken offline, or not for so long */
  "not-borrowable": 23,
} as const;
export type StatusName = keyof typeof Status;
export type StatusCode = (typeof Status)[StatusName];

const names = new Map<number, StatusName>(Object.entries(Status).map(([name, code]) => [code, name as StatusName]));

/** The name of a status number; an unknown one reads `status-N`, so that an older client can show it. */
export function statusName(code: number): string {
  return names.get(code) ?? `status-${code}`;
}

/**
 * Outcomes that say nothing about whether the request was executed: the client repeats the same request number,
 * here or at the twin, until its own deadline. Every other outcome is final.
 */
export function isRetryable(code: number): boolean {
  return code === Status["no-quorum"] || code === Status["not-active"] || code === Status.busy;
}
