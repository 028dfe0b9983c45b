/** Asks one TMR server about itself, without a session: a passive one answers this too. */
import { randomBytes } from "node:crypto";
import { loadEngine } from "../engine/index.js";
import { TmrError } from "../errors.js";
import { Kind, Status, statusName } from "../wire/kinds.js";
import type { ServerStatus } from "../wire/server-status.js";
import { type Dialer, type ServerLink, socketDialer } from "./dialer.js";
import { RefusedError } from "./errors.js";
import { decodeResults, encodeRequests } from "./packet.js";
import { parseServerStatus } from "./server-status.js";

/** One server's status document; rejects with ERR_TMR_CONNECT or ERR_TMR_TIMEOUT when it does not answer. */
export function queryStatus(address: string, serverKey: Uint8Array, timeoutMs: number): Promise<ServerStatus> {
  return statusOver(socketDialer(loadEngine(), [address], serverKey), address, timeoutMs);
}

/** {@link queryStatus} over a connection of the caller's making. */
export async function statusOver(dial: Dialer, address: string, timeoutMs: number): Promise<ServerStatus> {
  const giveUp = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new TmrError("ERR_TMR_TIMEOUT", `${address}: no status within ${timeoutMs} ms`));
      giveUp.abort();
    }, timeoutMs);
  });
  try {
    return parseServerStatus(await Promise.race([ask(dial, address, giveUp.signal), late]));
  } finally {
    clearTimeout(timer);
    giveUp.abort();
  }
}

function ask(dial: Dialer, address: string, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const request = { kind: Kind.status, request: 1, session: randomBytes(16) };
    const handlers = {
      message: (message: Uint8Array): void => {
        const answer = decodeResults(message)?.find(({ result }) => result.kind === Kind.status);
        if (answer === undefined) return;
        if (answer.result.status === Status.ok) resolve(answer.blob);
        else reject(new RefusedError(statusName(answer.result.status), `${address}: ${answer.blob.toString("utf8")}`));
      },
      closed: (why: string): void => reject(new TmrError("ERR_TMR_CONNECT", `${address}: ${why}`)),
    };
    const send = (link: ServerLink): void => {
      signal.addEventListener("abort", () => link.close(), { once: true });
      if (signal.aborted) link.close();
      else link.send(encodeRequests([{ request, blob: null }]));
    };
    dial(0, handlers, signal).then(send).catch(reject);
  });
}
