/** What a program may import from `tmr-server`: the client library. */
export { type BorrowedLicense, type VerifyBorrowOptions, verifyBorrow } from "./borrow/verify.js";
export type { BorrowOptions } from "./client/borrow.js";
export { type ConnectOptions, connect, type SystemOptions } from "./client/connect.js";
export type { CryptOptions, DataName, DataOptions } from "./client/data-options.js";
export { RefusedError } from "./client/errors.js";
export type { Handle, HandleInfo, WaitOptions } from "./client/handle.js";
export type {
  AccessModeName,
  AccessOptions,
  Container,
  HeldHandle,
  Item,
  Session,
  SessionEvents,
} from "./client/session.js";
export { type ErrorCode, errorCodes, TmrError } from "./errors.js";
export type { StatusName } from "./wire/kinds.js";
export type {
  OddLicenseStatus,
  ServerRole,
  ServerStatus,
  UpstreamState,
  UpstreamStatus,
} from "./wire/server-status.js";
