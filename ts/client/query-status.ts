/** Asks one server about itself, without a session: a passive TMR server and an upstream answer this too. */
import { randomBytes } from "node:crypto";
import { loadEngine } from "../engine/index.js";
import { TmrError } from "../errors.js";
import { Kind, Status, statusName } from "../wire/kinds.js";
import type { ServerStatus } from "../wire/server-status.js";
import { type Dialer, type ServerLink, socketDialer } from "./dialer.js";
import { RefusedError } from "./errors.js";
import { decodeResults, encodeRequests } from "./packet.js";
import { parseJson, parseServerStatus } from "./server-status.js";

/** One server's status document; rejects with ERR_TMR_CONNECT or ERR_TMR_TIMEOUT when it does not answer. */
export function queryStatus(address: string, serverKey: Uint8Array, timeoutMs: number): Promise<ServerStatus> {
  return statusOver(socketDialer(loadEngine(), [address], serverKey), address, timeoutMs);
}

/** {@link queryStatus} over a connection of the caller's making. */
export async function statusOver(dial: Dialer, address: string, timeoutMs: number): Promise<ServerStatus> {
  return parseServerStatus((await askWithin(dial, address, timeoutMs)).document);
}

/** A server of any role as it answered: its document, whatever it says, and the time from the question to it. */
export interface ProbedServer {
  readonly document: Readonly<Record<string, unknown>>;
  readonly roundTripMs: number;
}

/** Asks any server; rejects as {@link queryStatus} does. */
export async function probeServer(address: string, serverKey: Uint8Array, timeoutMs: number): Promise<ProbedServer> {
  const { document, roundTripMs } = await askWithin(
    socketDialer(loadEngine(), [address], serverKey),
    address,
    timeoutMs,
  );
  const parsed = parseJson(document);
  if (typeof parsed === "object" && parsed !== null) {
    return { document: parsed as Readonly<Record<string, unknown>>, roundTripMs };
  }
  throw new TmrError("ERR_TMR_PROTOCOL", `${address}: expected a status document, received other JSON`);
}

interface Asked {
  readonly document: Buffer;
  readonly roundTripMs: number;
}

async function askWithin(dial: Dialer, address: string, timeoutMs: number): Promise<Asked> {
  const giveUp = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new TmrError("ERR_TMR_TIMEOUT", `${address}: no status within ${timeoutMs} ms`));
      giveUp.abort();
    }, timeoutMs);
  });
  try {
    return await Promise.race([ask(dial, address, giveUp.signal), late]);
  } finally {
    clearTimeout(timer);
    giveUp.abort();
  }
}

function ask(dial: Dialer, address: string, signal: AbortSignal): Promise<Asked> {
  let sentAtMs = 0;
  return new Promise((resolve, reject) => {
    const request = { kind: Kind.status, request: 1, session: randomBytes(16) };
    const handlers = {
      message: (message: Uint8Array): void => {
        const answer = decodeResults(message)?.find(({ result }) => result.kind === Kind.status);
        if (answer === undefined) return;
        const { status } = answer.result;
        if (status === Status.ok) resolve({ document: answer.blob, roundTripMs: performance.now() - sentAtMs });
        else reject(new RefusedError(statusName(status), `${address}: ${answer.blob.toString("utf8")}`));
      },
      closed: (why: string): void => reject(new TmrError("ERR_TMR_CONNECT", `${address}: ${why}`)),
    };
    const send = (link: ServerLink): void => {
      signal.addEventListener("abort", () => link.close(), { once: true });
      sentAtMs = performance.now();
      if (signal.aborted) link.close();
      else link.send(encodeRequests([{ request, blob: null }]));
    };
    dial(0, handlers, signal).then(send).catch(reject);
  });
}
