/** What a program may import from `tmr-server`: the client library. */
export { type ConnectOptions, connect, type SystemOptions } from "./client/connect.js";
export { RefusedError } from "./client/errors.js";
export type {
  AccessModeName,
  AccessOptions,
  Container,
  Handle,
  HandleInfo,
  HeldHandle,
  Item,
  Session,
  SessionEvents,
  WaitOptions,
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
