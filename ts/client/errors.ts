/** From a fault of the core to the error that the caller sees. */
import { TmrError } from "../errors.js";
import type { Fault } from "./types.js";

/** A refusal by the servers: `message` is their sentence, `reason` the name of the status, e.g. `no-free-license`. */
export class RefusedError extends TmrError {
  readonly reason: string;
  constructor(reason: string, text: string) {
    super("ERR_TMR_REFUSED", text);
    this.reason = reason;
  }
}

export function faultError(fault: Fault): TmrError {
  return fault.code === "ERR_TMR_REFUSED"
    ? new RefusedError(fault.reason, fault.text)
    : new TmrError(fault.code, fault.text);
}
