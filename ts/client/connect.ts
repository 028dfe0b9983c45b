/** The way in: from options to a session that is open. */
import { randomBytes } from "node:crypto";
import { loadService } from "../config/index.js";
import { loadEngine } from "../engine/index.js";
import { Kind } from "../wire/kinds.js";
import { checkServerKey, checkServers, checkTimeout } from "./arguments.js";
import { ClientCore } from "./core.js";
import { type Dialer, socketDialer } from "./dialer.js";
import { ClientDriver } from "./driver.js";
import { defaultNames } from "./identity.js";
import { Session } from "./session.js";
import type { SessionNames } from "./types.js";

/**
 * Which TMR system or standalone license server: by the addresses of its servers and their public key, or by the file that
 * describes it.
 */
export type SystemOptions =
  | {
      /** `host:port` of the two TMR servers, in any order */
      readonly servers: readonly string[];
      /** the public key that both show to clients: 32 bytes or base64url */
      readonly serverKey: string | Uint8Array;
    }
  | { readonly system: string };

export type ConnectOptions = SystemOptions &
  Partial<SessionNames> & {
    /** wanted session time-out; default: the server's; the server clamps it */
    readonly sessionTimeoutMs?: number;
    /** how long a request may take, over all repetitions; default 30 s */
    readonly requestTimeoutMs?: number;
    /** an open connection that owes an answer for so long is given up for the other server; default 1 s */
    readonly suspectMs?: number;
    /** how long `close` tries to reach the server; default 2 s */
    readonly closeTimeoutMs?: number;
    /** aborts the connecting */
    readonly signal?: AbortSignal;
  };

/** Addresses and key of a system, checked. Throws ERR_TMR_ARGUMENT, ERR_TMR_CONFIG or ERR_TMR_FILE. */
export function resolveSystem(options: SystemOptions): { servers: readonly string[]; serverKey: Uint8Array } {
  if ("system" in options) {
    const { addresses, clientKey } = loadService(options.system);
    return { servers: addresses, serverKey: clientKey };
  }
  return { servers: checkServers(options.servers), serverKey: checkServerKey(options.serverKey) };
}

/**
 * Opens a session with a TMR system. Rejects with ERR_TMR_CONNECT when no server could be reached within
 * `requestTimeoutMs`, with ERR_TMR_REFUSED when they answered but could not serve (`reason` says why).
 */
export async function connect(options: ConnectOptions): Promise<Session> {
  const { servers, serverKey } = resolveSystem(options);
  return openSession(options, servers, socketDialer(loadEngine(), servers, serverKey));
}

/** {@link connect} over connections of the caller's making. */
export async function openSession(
  options: Omit<ConnectOptions, "servers" | "serverKey" | "system">,
  servers: readonly string[],
  dial: Dialer,
): Promise<Session> {
  const timeoutMs = checkTimeout("requestTimeoutMs", options.requestTimeoutMs ?? 30_000);
  const names = defaultNames();
  const core = new ClientCore({
    servers: servers.length,
    names: {
      host: options.host ?? names.host,
      user: options.user ?? names.user,
      station: options.station ?? options.host ?? names.station,
      program: options.program ?? names.program,
      runtimeVersion: names.runtimeVersion,
    },
    sessionTimeoutMs: options.sessionTimeoutMs === undefined ? 0 : checkSessionTimeout(options.sessionTimeoutMs),
    suspectMs: checkTimeout("suspectMs", options.suspectMs ?? 1_000),
    closeTimeoutMs: checkTimeout("closeTimeoutMs", options.closeTimeoutMs ?? 2_000),
    random: Math.random,
    randomBytes,
  });
  const driver = new ClientDriver(core, dial, (notice) => session.notify(notice));
  const session = new Session(driver, servers, timeoutMs);
  try {
    await driver.call({ kind: Kind.openSession }, { timeoutMs, signal: options.signal });
    return session;
  } catch (error) {
    await session.close();
    throw error;
  }
}

function checkSessionTimeout(value: number): number {
  return Math.ceil(checkTimeout("sessionTimeoutMs", value));
}
