/**
 * The catalogue of error codes. docs/errors.md lists the same codes with what to do about each; a test compares the
 * two. A code never changes its meaning; a message says what, where, expected and received.
 */
export const errorCodes = {
  ERR_TMR_CONFIG: "a configuration file or flag is wrong; every fault is listed at once",
  ERR_TMR_FILE: "a file cannot be read or written",
  ERR_TMR_KEY: "a key file is missing, malformed, readable by others, or not the one expected",
  ERR_TMR_BORROW:
    "a borrowed license does not count here and now: altered, ended, of another key, or the clock was put back",
  ERR_TMR_ACTIVATION: "a ticket, context or update is refused; the message says why",
  ERR_TMR_CONTAINER: "a container file is damaged, altered, or not for this server",
  ERR_TMR_LICENSE_DESCRIPTION: "a license description for issuing is wrong",
  ERR_TMR_LISTEN: "an address cannot be listened on",
  ERR_TMR_CONNECT: "no server could be reached",
  ERR_TMR_REFUSED: "the server refused the request; the reason code says why",
  ERR_TMR_TIMEOUT: "no answer within the caller's deadline",
  ERR_TMR_PROTOCOL: "the peer sent bytes that are not this protocol",
  ERR_TMR_STORE: "the store is damaged or belongs to another upstream",
  ERR_TMR_STORE_WRITE: "a durable write failed; the process ends rather than answer what may be lost",
  ERR_TMR_STATE: "a method was called in a state that does not allow it",
  ERR_TMR_ARGUMENT: "an argument has the wrong type or range",
  ERR_TMR_CLOSED: "the object was closed",
  ERR_TMR_ENGINE: "the native engine cannot be loaded",
  ERR_TMR_RUNTIME: "this version of Node cannot run the program",
} as const;
export type ErrorCode = keyof typeof errorCodes;

/** Every error this package throws on purpose. */
export class TmrError extends Error {
  override readonly name = "TmrError";
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}
