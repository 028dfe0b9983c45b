/** A session for as long as one command needs it. */
import type { Session } from "../client/session.js";
import type { SystemFlags } from "./options.js";

/** Opens a session with the system that the flags name, and ends it after `use`. */
export async function withSession<T>(flags: SystemFlags, use: (session: Session) => Promise<T>): Promise<T> {
  const { connect } = await import("../client/connect.js");
  await using session = await connect({ system: flags.system, requestTimeoutMs: flags.timeout, program: "tmr" });
  return await use(session);
}
